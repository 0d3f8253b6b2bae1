/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel_move.h: a tile put back with other bits in its lanes, for machines that pick the lanes
 * of a vector from two others. Included by kernel_body.h for those that define KERNELS_MOVE as
 * move_tile, and
 *   picks                    a vector of lanes' numbers
 *   v_picks(n)               from memory
 *   v_pick(a, b, p)          lane i gets lane p[i] of A, or of B where that is WIDTH or more */

static INLINE void move_blocks(const real *tile, const struct ks_move *move, real *target,
                               unsigned log)
{
    size_t source = 0;
    size_t to = 0;
    picks low[KS_MOVE_LOG_MAX];
    picks high[KS_MOVE_LOG_MAX];

    for (unsigned s = 0; s < KS_MOVE_LOG_MAX; s++) {
        low[s] = v_picks(move->low[s]);
        high[s] = v_picks(move->high[s]);
    }
    for (size_t block = 0; block < move->count; block++) {
        vec x[1 << KS_MOVE_LOG_MAX];

        UNROLL
        for (unsigned i = 0; i < 1u << log; i++) {
            x[i] = v_load(tile + (source ^ move->sources[i]) * WIDTH);
        }
        if (log == 0) {
            x[0] = v_pick(x[0], x[0], low[0]);
        }
        UNROLL
        for (unsigned s = 0; s < log; s++) {
            UNROLL
            for (unsigned i = 0; i < 1u << log; i++) {
                if ((i >> s & 1) == 0) {
                    const vec a = x[i];
                    const vec b = x[i | 1u << s];

                    x[i] = v_pick(a, b, low[s]);
                    x[i | 1u << s] = v_pick(a, b, high[s]);
                }
            }
        }
        UNROLL
        for (unsigned i = 0; i < 1u << log; i++) {
            v_store(target + (to ^ move->targets[i]), x[i]);
        }
        source ^= move->source_changes[__builtin_ctzll(block + 1)];
        to ^= move->target_changes[__builtin_ctzll(block + 1)];
    }
}

static void move_tile(const void *tile, const struct ks_move *move, void *target)
{
    switch (move->log) {
    case 0:
        move_blocks(tile, move, target, 0);
        break;
    case 1:
        move_blocks(tile, move, target, 1);
        break;
    case 2:
        move_blocks(tile, move, target, 2);
        break;
    case 3:
        move_blocks(tile, move, target, 3);
        break;
    default:
        move_blocks(tile, move, target, KS_MOVE_LOG_MAX);
        break;
    }
}
