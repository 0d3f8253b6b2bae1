/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* spread.h: where the bits of an amplitude's index are when ranks share a state, and what a
 * plan asks them to exchange. A place (bit of the index of one process's state) is a bit of the
 * index in each rank, or a bit of the rank. A pass needs the places of its tile in the ranks;
 * everything else, phases and moves of the frame, needs nothing.
 *
 * A state that fits one rank's share is in all of them. It is divided when it grows, for which
 * each keeps its part and nothing is sent. Later two kinds of places change roles by an
 * exchange: those of the rank that are needed, with those whose next use is furthest away
 * (Belady 1966). Pure. */
#ifndef KS_QUANTUM_SPREAD_H
#define KS_QUANTUM_SPREAD_H

#include "quantum/plan.h"
#include "quantum/ranks.h"

#define KS_AT_RANK 64 /* ks_spread.at of bit 0 of the rank */
/* Sums are taken over blocks of so many places, which have to be local. */
#define KS_SPREAD_BLOCK_LOG 12

struct ks_spread {
    uint8_t slots;            /* of the whole state */
    uint8_t local;            /* of each rank's part */
    uint32_t used;            /* bits of the rank that divide it; ranks that differ in others
                                 have the same */
    uint8_t at[KS_SLOTS_MAX]; /* by place: local bit, or KS_AT_RANK + bit of the rank */
};

enum ks_shift_kind {
    KS_SHIFT_DIVIDE, /* a local place becomes an unused bit of the rank */
    KS_SHIFT_SWAP,   /* local places and those of the rank change roles */
    KS_SHIFT_JOIN,   /* a place of the rank becomes the highest local bit */
};

struct ks_shift {
    size_t pass; /* before which */
    uint8_t kind;
    uint8_t count;                    /* of pairs; 1 but for SWAP */
    uint8_t locals[KS_RANK_BITS_MAX]; /* places; JOIN: none */
    uint8_t others[KS_RANK_BITS_MAX]; /* places; DIVIDE: the bit of the rank */
};

/* All places below SLOTS that are local. */
uint64_t ks_spread_local(const struct ks_spread *spread);
/* What the ranks have after SHIFT. */
void ks_spread_apply(struct ks_spread *spread, const struct ks_shift *shift);
/* COUNT new places, all local, behind the others. */
void ks_spread_grow(struct ks_spread *spread, uint32_t count);
/* PLACE, which is local, is gone; places and local bits above it move down. */
void ks_spread_drop(struct ks_spread *spread, uint32_t place);
/* Local slots that one of 2^RANK_BITS ranks has of SLOTS: never less than a tile. */
uint32_t ks_spread_share(uint32_t slots, uint32_t rank_bits, uint32_t tile);
/* The next shift towards having all of NEED local, for its own sake; false when they are. */
bool ks_spread_next(const struct ks_spread *spread, uint64_t need, struct ks_shift *out_shift);

/* The exchanges that a plan needs. */
struct ks_exchanges {
    struct ks_shift *shifts; /* owned; in order */
    size_t count;
    size_t cap;
    uint32_t local_peak;
    double volume; /* amplitudes sent, by all ranks */
    uint64_t exchanges;
};

/* For PLAN, which starts with SPREAD over 2^RANK_BITS ranks; ends with the places of the first
 * block local. */
KS_MUST_CHECK enum ks_err ks_exchanges_make(const struct ks_plan *plan,
                                            const struct ks_spread *spread, uint32_t rank_bits,
                                            struct ks_exchanges *out_exchanges);
void ks_exchanges_done(struct ks_exchanges *exchanges);

#endif
