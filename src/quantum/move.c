/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/move.h"

/* Stage S trades bit S of a vector's number in the block for bit LANE of its lanes. */
static void make_stage(struct ks_move *move, unsigned s, unsigned lane, unsigned width)
{
    const unsigned bit = 1u << lane;

    for (unsigned l = 0; l < width; l++) {
        const unsigned second = (l & bit) != 0 ? width : 0;

        move->low[s][l] = (l & ~bit) + second;
        move->high[s][l] = (l | bit) + second;
    }
}

/* Then lane L takes what is in lane ORDER[L]. */
static void reorder(uint32_t picks[KS_MOVE_WIDTH], const unsigned *order, unsigned width)
{
    uint32_t old[KS_MOVE_WIDTH];

    ks_copy(old, picks, sizeof old);
    for (unsigned l = 0; l < width; l++) {
        picks[l] = old[order[l]];
    }
}

/* Bit BIT of a vector's number in its block: SOURCE and TARGET. */
static void add_bit(struct ks_move *move, unsigned bit, size_t source, size_t target)
{
    for (unsigned i = 0; i < 1u << KS_MOVE_LOG_MAX; i++) {
        move->sources[i] ^= (i >> bit & 1) != 0 ? source : 0;
        move->targets[i] ^= (i >> bit & 1) != 0 ? target : 0;
    }
}

/* The place in the order of BITS that has BIT. */
static unsigned find(const uint8_t *bits, unsigned count, unsigned bit)
{
    unsigned at = 0;

    while (at < count && bits[at] != bit) {
        at++;
    }
    KS_ASSERT(at < count);
    return at;
}

/* The stages, and in which lane each of the new lanes' bits is after them. */
static void make_stages(struct ks_move *move, const uint8_t *bits, const uint8_t *places,
                        unsigned count, unsigned lanes)
{
    const unsigned width = 1u << lanes;
    unsigned now[KS_MOVE_LOG_MAX];
    unsigned order[KS_MOVE_WIDTH] = {0};
    unsigned leaving = 0; /* a lane's bit */

    for (unsigned i = 0; i < lanes; i++) {
        now[i] = bits[i];
        if (bits[i] < lanes) {
            continue;
        }
        while (find(bits, count, leaving) < lanes) {
            leaving++;
        }
        make_stage(move, move->log, leaving, width);
        add_bit(move, move->log++, ks_tile_fold((size_t)1 << (bits[i] - lanes)),
                (size_t)1 << places[find(bits, count, leaving)]);
        now[i] = leaving++;
    }
    for (unsigned l = 0; l < width; l++) {
        for (unsigned i = 0; i < lanes; i++) {
            order[l] |= (l >> i & 1) << now[i];
        }
    }
    if (move->log == 0) {
        for (unsigned l = 0; l < width; l++) {
            move->low[0][l] = order[l];
        }
    } else {
        reorder(move->low[move->log - 1], order, width);
        reorder(move->high[move->log - 1], order, width);
    }
}

bool ks_move_make(struct ks_move *move, const uint8_t *bits, const uint8_t *places,
                  unsigned count, unsigned lanes)
{
    size_t source = 0;
    size_t target = 0;
    unsigned free = 0;

    *move = (struct ks_move){0};
    if (count < lanes) {
        return false;
    }
    for (unsigned i = 0; i < lanes; i++) {
        if (places[i] != i) {
            return false;
        }
    }
    make_stages(move, bits, places, count, lanes);
    for (unsigned i = lanes; i < count; i++) {
        if (bits[i] >= lanes) {
            source ^= ks_tile_fold((size_t)1 << (bits[i] - lanes));
            target ^= (size_t)1 << places[i];
            move->source_changes[free] = source;
            move->target_changes[free++] = target;
        }
    }
    move->count = (size_t)1 << free;
    return true;
}
