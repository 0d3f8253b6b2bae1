/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* move.h: how a folded tile is put back when its bits change places. Bits of the index that
 * come into the lanes, or leave them, trade places in registers, 2^log vectors at a time: stage
 * S picks the lanes of two vectors from those of vectors I and I + 2^S. Pure. */
#ifndef KS_QUANTUM_MOVE_H
#define KS_QUANTUM_MOVE_H

#include "quantum/plan.h"

#define KS_MOVE_LOG_MAX 4 /* bits of a lane's number */
#define KS_MOVE_WIDTH   (1 << KS_MOVE_LOG_MAX)

struct ks_move {
    unsigned log;
    size_t count; /* of blocks of 2^log vectors */
    /* Lane of the first vector, or 2^lanes more: of the second. */
    uint32_t low[KS_MOVE_LOG_MAX][KS_MOVE_WIDTH];
    uint32_t high[KS_MOVE_LOG_MAX][KS_MOVE_WIDTH];
    /* Where vector I of a block comes from, in vectors of the tile, and goes to, in amplitudes;
     * from block to block both change by how many low bits of the counter turn over. */
    size_t sources[1 << KS_MOVE_LOG_MAX];
    size_t targets[1 << KS_MOVE_LOG_MAX];
    size_t source_changes[KS_SLOTS_MAX];
    size_t target_changes[KS_SLOTS_MAX];
};

/* Bit BITS[i] of the tile's COUNT goes to place PLACES[i], which ascend. False where less than
 * a vector of 2^LANES amplitudes lies together. */
KS_MUST_CHECK bool ks_move_make(struct ks_move *move, const uint8_t *bits,
                                const uint8_t *places, unsigned count, unsigned lanes);

#endif
