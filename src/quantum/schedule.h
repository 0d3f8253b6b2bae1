/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* schedule.h: what schedule.c (steps into passes) and groups.c (steps of a pass into groups)
 * share. Everybody else sees plan.h alone. Pure. */
#ifndef KS_QUANTUM_SCHEDULE_H
#define KS_QUANTUM_SCHEDULE_H

#include "quantum/plan.h"

/* A basis of vectors, each row with another highest bit, descending. */
struct ks_span {
    unsigned count;
    uint64_t rows[64];
};

void ks_span_add(struct ks_span *span, uint64_t vector);

/* Steps that stay where they are: what changes places with all of them is spared. */
struct ks_block {
    struct ks_span flips;
    struct ks_span parities;
};

void ks_block_reset(struct ks_block *block);
void ks_block_add(struct ks_block *block, const struct ks_step *step);
bool ks_block_spares(const struct ks_block *block, const struct ks_step *step);
/* Whether the phase does not change places with a rotation by FLIPS. */
bool ks_phase_meets(const struct ks_step *phase, uint64_t flips);
uint64_t ks_step_bits(const struct ks_step *step);

/* A pass to be: its steps are list[first, first + count). */
struct ks_draft {
    uint64_t slots; /* of the tile */
    size_t first;
    size_t count;
    uint32_t grown;
    bool shear; /* moves amplitudes instead, as KS_STEP_SHEAR */
    uint64_t shear_flips;
    uint64_t shear_mask;
};

struct ks_layout {
    uint8_t slot_count;
    uint8_t slot_at[KS_SLOTS_MAX]; /* by place in the index */
    uint8_t local[64];             /* by slot: bit of the tile's index */
};

struct ks_schedule {
    size_t cap; /* of each array */
    uint32_t *queue;
    uint32_t *left;
    uint32_t *waiting;
    uint32_t *list;
    struct ks_draft *drafts;
    size_t draft_count;
    uint32_t growers[KS_SLOTS_MAX]; /* the step that grows a slot */
    uint64_t ungrown;
    uint64_t all;
    struct ks_step *local; /* the steps of one pass */
    size_t local_count;
    uint32_t local_first; /* their place in list */
    uint32_t unscaled;    /* rotations since a table had their scale */
    bool rotated;         /* there was one */
};

/* Appends to PLAN the groups for schedule->local, the steps of PASS; those of the LAST pass
 * leave no scale behind. */
KS_MUST_CHECK enum ks_err ks_groups_make(struct ks_plan *plan, struct ks_schedule *schedule,
                                         const struct ks_pass *pass, bool last);
#endif
