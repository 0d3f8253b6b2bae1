/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* plan.h: what to do to the amplitudes, in order. The plan follows the circuit, the precision
 * and the outcomes of its measurements alone, never threads, tiles or instruction sets; its
 * order and rounding are part of KS_NUMERICS.
 *
 * Amplitudes are indexed by slots (bits of the index), and a qubit is read as the parity of
 * some of them: the frame knows which. So X, CX and SWAP change the frame and no amplitude, and
 * a qubit in a basis state, or a copy of another, has no slot at all. All else becomes three
 * kinds of steps: a slot is grown, a real rotation turns pairs of amplitudes, a phase
 * multiplies those for which some parities are 1.
 *
 * schedule.c then puts the steps into passes over tiles that fit a cache, and in each pass into
 * groups that are done to sixteen vectors in registers at once.
 *
 * One thread at a time. Pure. */
#ifndef KS_QUANTUM_PLAN_H
#define KS_QUANTUM_PLAN_H

#include "quantum/circuit.h"

#define KS_SLOTS_MAX   48 /* amplitude indices and byte counts stay far below 2^63 */
#define KS_FACTORS_MAX KS_OP_QUBITS_MAX

/* The geometry of a plan, by enum ks_precision. It decides the order of the arithmetic, so it
 * is one for all machines: a vector has 2^lanes amplitudes, a group 2^KS_MEMBERS_LOG vectors, a
 * tile 2^tile amplitudes (1 MiB of state). */
#define KS_LANES_LOG(precision) ((precision) == KS_PRECISION_SINGLE ? 4u : 3u)
#define KS_TILE_LOG(precision)  ((precision) == KS_PRECISION_SINGLE ? 17u : 16u)
#define KS_MEMBERS_LOG          4
#define KS_MEMBERS              (1 << KS_MEMBERS_LOG)
#define KS_STAGES_MAX           8  /* rotations in one group */
#define KS_CHOICES_MAX          10 /* a table of phases exists in at most 2^10 variants, */
#define KS_LANE_CHOICES_MAX     4  /* or 2^4 where the lanes have phases of their own */
#define KS_PARITIES_MAX         18 /* of a vector's index, that a group looks at */
#define KS_CHAIN_LOG            8  /* vectors of a chain's block: 32 KiB, both parts */
#define KS_BASE_LOG_MAX         9  /* of the bases of a group in a tile */

enum ks_step_kind {
    KS_STEP_GROW, /* SLOT is new: amplitudes times values[0..1] where it is 0, [2..3] where 1 */
    KS_STEP_ROTATE, /* amplitude i becomes a_i - t a_j where the parity of masks[0] is 0 (a_i +
                       t a_j where 1), j = i ^ flips, over sqrt(1 + t^2); t = values[0] */
    KS_STEP_PHASE,  /* times values[0..1] where all COUNT parities are 1, those INVERTED 0 */
    KS_STEP_SHEAR,  /* amplitude i moves to i ^ flips where the parity of masks[0] is 1 */
};

struct ks_step {
    uint8_t kind; /* enum ks_step_kind */
    uint8_t slot;
    uint8_t count;
    uint8_t inverted; /* by bit */
    uint64_t flips;
    uint64_t masks[KS_FACTORS_MAX];
    double values[4];
};

/* One qubit: its value is BIT, changed by the parity of PARITY over the index's bits. */
struct ks_qubit {
    int32_t
        slot; /* -1: in basis state BIT; else one of PARITY, after ks_plan_settle the only one
               */
    bool bit;
    bool pending; /* the matrix is still to be applied */
    double matrix[8];
    uint64_t parity;
    uint64_t
        flips; /* changing these bits changes this qubit alone; 0: it follows from others */
};

static inline void ks_qubit_set_parity(struct ks_qubit *qubit, uint64_t parity)
{
    qubit->parity = parity;
    qubit->slot = parity == 0 ? -1 : (int32_t)__builtin_ctzll(parity);
}

struct ks_frame {
    uint32_t qubit_count;
    uint32_t slot_count;
    struct ks_qubit *qubits; /* owned */
};

/* All qubits in |0>. */
KS_MUST_CHECK enum ks_err ks_frame_init(struct ks_frame *frame, uint32_t qubit_count);
void ks_frame_done(struct ks_frame *frame);
void ks_frame_reset(struct ks_frame *frame); /* all qubits in |0> again */
/* SOURCE has the same number of qubits. */
void ks_frame_copy(struct ks_frame *target, const struct ks_frame *source);
/* QUBIT, which was settled, was found in basis state OUTCOME; the slot that it had is gone,
 * those above moved down by one. */
void ks_frame_collapse(struct ks_frame *frame, uint32_t qubit, bool outcome);
/* The value of QUBIT, which has nothing pending but a phase, in the amplitude at INDEX. */
bool ks_frame_value(const struct ks_frame *frame, uint32_t qubit, uint64_t index);

/* --- what schedule.c makes of the steps --------------------------------------------------- */

/* A parity as a group's table sees it: the sum of three bits. */
struct ks_reading {
    uint16_t members; /* bit k: in member k */
    uint16_t lanes;   /* bit l: in lane l */
    uint16_t choices; /* the parity of the table's variant and this */
};

/* A phase, or a new slot, that goes into a table: what it multiplies with is in STEP. */
struct ks_entry_phase {
    uint32_t step;
    struct ks_reading readings[KS_FACTORS_MAX];
};

/* One rotation of a group, of step STEP. Bits count from the lowest of an index inside the
 * tile. */
struct ks_stage {
    uint32_t step;
    uint8_t dimension; /* partners are members k and k ^ (1 << dimension); KS_MEMBERS_LOG: k */
    uint8_t lane_flip; /* and lanes l and l ^ lane_flip */
    bool plain;        /* no lane_flip, and member k has sign k >> dimension & 1 */
    uint8_t parity; /* this parity of the group changes all signs; KS_PARITIES_MAX: none does */
    uint16_t signs; /* bit k: sign of member k */
    uint16_t lane_signs; /* bit l: sign of lane l */
    size_t factors;      /* entry of its 2^lanes factors for sign 0, then for sign 1 */
};

/* Where the vectors of a group are: a base is a sum of steps, MEMBERS and SOURCES are added to
 * it. A member that is new starts as the vector at its source, which is a member too. */
struct ks_places {
    uint32_t steps[KS_BASE_LOG_MAX];
    uint32_t members[KS_MEMBERS];
    uint32_t sources[KS_MEMBERS];
};

/* What is done to each 16 vectors of a tile: those at base ^ members[k]. BASE has zeros at the
 * pivots. */
struct ks_group {
    uint8_t log;       /* slots of the tile when it is done, KS_MEMBERS_LOG + lanes or more */
    uint16_t fresh;    /* members with a slot that is new */
    uint32_t old_bits; /* of the vectors' index: those of slots that are not new */
    uint8_t pivots[KS_MEMBERS_LOG]; /* ascending, in vectors */
    uint8_t small_slot;             /* GROW alone, below KS_MEMBERS_LOG + lanes: the slot */
    bool small;
    uint8_t choices; /* the first of the parities choose the variant of the table */
    uint8_t parity_count;
    uint8_t stage_count;
    bool straight;      /* the first KS_MEMBERS_LOG are plain, along the dimensions in turn */
    uint8_t table_kind; /* 0: none, 1: one factor for each member, 2: for each lane of each */
    uint64_t parities[KS_PARITIES_MAX]; /* masks over the vector's index; beyond the tile's bits
                                           those of the other slots follow */
    /* What the kernels make from the steps; those of tables and factors count from the first.
     */
    size_t first_entry;
    size_t entry_count;
    /* Entry of the table: for each variant the real parts of its 16 members, then the imaginary
     * ones; or for each variant and member those of its lanes. */
    size_t table;
    size_t first_phase; /* by the highest of the choices that they look at, then in order */
    size_t phase_count;
    double scale; /* is multiplied into the table */
    struct ks_stage stages[KS_STAGES_MAX];
    /* By chains.c. The first group of a chain says how many it has; its bases are 2^inner for
     * each of the blocks, which are 2^outer and the same vectors for all groups of a chain. */
    uint8_t chain;
    uint8_t inner;
    uint8_t outer;
    uint8_t order[KS_MEMBERS];               /* members after those that have them as source */
    uint32_t step_parities[KS_BASE_LOG_MAX]; /* bit i: what parity i says of a step */
    struct ks_places places[2];              /* as numbered, and in a folded tile */
};

enum ks_pass_kind { KS_PASS_TILES, KS_PASS_SHEAR };

struct ks_pass {
    uint8_t kind;         /* enum ks_pass_kind */
    uint8_t slots_before; /* of the state */
    uint8_t slots_after;
    uint8_t tile_before; /* slots of a tile when it is loaded */
    uint8_t tile_after;
    bool moves;                    /* bits of a tile change their place */
    uint8_t sources[KS_SLOTS_MAX]; /* position in the state of bit b of a tile; beyond
                                      tile_after those of the other slots, ascending */
    uint8_t targets[KS_SLOTS_MAX]; /* the same when it is stored */
    size_t first_group;
    size_t group_count;
    uint64_t shear_flips; /* SHEAR: as KS_STEP_SHEAR */
    uint64_t shear_mask;
};

struct ks_plan {
    /* To be set by the owner after ks_plan_init; a state of another precision cannot run it. */
    enum ks_precision precision;
    uint32_t tile; /* slots of a tile; 0, what KS_NUMERICS stands for: KS_TILE_LOG. Fewer (10 or
                      more) let tests have many passes in a small state */

    struct ks_step *steps;
    size_t step_count;
    struct ks_pass *passes;
    size_t pass_count;
    struct ks_group *groups;
    size_t group_count;
    struct ks_entry_phase *phases; /* of the groups' tables */
    size_t phase_count;
    size_t entry_count;   /* of all groups */
    size_t chain_max;     /* entries of the groups of one chain */
    size_t row_max;       /* entries of the largest table */
    uint32_t slots_first; /* at the start */
    uint32_t slots_peak;  /* most slots at any time; above KS_SLOTS_MAX steps are missing */
    /* private to plan.c and schedule.c: */
    struct ks_frame *frame; /* borrowed from begin to end */
    struct ks_schedule *schedule;
    size_t step_cap;
    size_t pass_cap;
    size_t group_cap;
    size_t phase_cap;
    enum ks_err err; /* sticky; reported by ks_plan_end */
    bool again;      /* steps are compared with those of before, not appended */
    bool drop_phases;
    struct ks_pair *pair; /* owned; NULL until one is needed */
    struct ks_kept *kept; /* owned; NULL without ks_plan_keep */
};

void ks_plan_init(struct ks_plan *plan);
void ks_plan_done(struct ks_plan *plan);

/* Starts an empty plan on FRAME, which stays borrowed until ks_plan_end; memory of earlier
 * plans is used again. */
void ks_plan_begin(struct ks_plan *plan, struct ks_frame *frame);
/* Appends what OP, a gate, does; its condition is not looked at. Gates may stay pending in
 * FRAME. */
void ks_plan_gate(struct ks_plan *plan, struct ks_frame *frame,
                  const struct ks_circuit *circuit, const struct ks_op *op);
/* Everything pending on QUBIT but a phase is done: after this ks_frame_value knows it. */
void ks_plan_resolve(struct ks_plan *plan, struct ks_frame *frame, uint32_t qubit);
/* The same, and QUBIT has a slot of its own or a known value. */
void ks_plan_settle(struct ks_plan *plan, struct ks_frame *frame, uint32_t qubit);
/* Gives QUBIT a slot, whatever its state: for bounds. */
void ks_plan_activate(struct ks_plan *plan, struct ks_frame *frame, uint32_t qubit);
/* Everything pending on QUBIT, phases too. */
void ks_plan_flush(struct ks_plan *plan, struct ks_frame *frame, uint32_t qubit);
/* Forgets the phases that no rotation needs: the qubits are about to be measured, all of them.
 */
void ks_plan_drop_phases(struct ks_plan *plan);
/* The plan is complete; slots of the frame are renamed as it leaves them. KS_ERR_NOMEM if it
 * did not fit into memory. */
KS_MUST_CHECK enum ks_err ks_plan_end(struct ks_plan *plan);

/* From now on PLAN, which has not begun, remembers what it was made from, frames of QUBIT_COUNT
 * qubits, so that it can be made again for other angles. kept.c */
KS_MUST_CHECK enum ks_err ks_plan_keep(struct ks_plan *plan, uint32_t qubit_count);
/* Instead of ks_plan_begin, on a frame as it was then. The same calls follow, with other angles
 * in the gates, and ks_plan_end_again. Nothing is allocated. */
void ks_plan_begin_again(struct ks_plan *plan, struct ks_frame *frame);
/* Whether the plan holds: the steps are the same but for their values, which it has taken over;
 * the frame is as ks_plan_end leaves it. Else it has to be made from the front: what steps
 * there are depends on some angles (0, half a turn). */
KS_MUST_CHECK bool ks_plan_end_again(struct ks_plan *plan);

/* For plan.c: what is remembered at ks_plan_end, before and after the passes are made; a step
 * of a plan made again. */
KS_MUST_CHECK enum ks_err ks_kept_before(struct ks_plan *plan);
void ks_kept_after(struct ks_plan *plan);
void ks_kept_step(struct ks_plan *plan, const struct ks_step *step);
KS_MUST_CHECK bool ks_kept_holds(struct ks_plan *plan);
void ks_kept_free(struct ks_kept *kept);

/* The unitary that gate OP does to its last qubit when its other qubits (controls) are 1, up to
 * a global phase where there are no controls. Not for SWAP, CSWAP, RXX, RZZ, MEASURE, RESET,
 * BARRIER. */
void ks_gate_matrix(const struct ks_op *op, const double *params, double out_matrix[8]);

/* schedule.c: makes passes of plan->steps, and frees its memory. */
KS_MUST_CHECK enum ks_err ks_schedule_make(struct ks_plan *plan);
void ks_schedule_free(struct ks_schedule *schedule);
/* chains.c: which of the GROUP_COUNT groups at GROUPS, those of one pass, are a chain, and
 * where their vectors are; returns the most entries that one chain has. */
size_t ks_chains_make(struct ks_group *groups, size_t group_count, unsigned lanes);
/* groups.c: gives the tables of PLAN, which is complete but for them, the scale that the
 * rotations of its steps leave to be multiplied in. */
void ks_groups_scale(struct ks_plan *plan);

static inline uint32_t ks_plan_tile(const struct ks_plan *plan)
{
    return plan->tile == 0 ? KS_TILE_LOG(plan->precision) : plan->tile;
}

static inline unsigned ks_parity(uint64_t bits)
{
    return (unsigned)__builtin_parityll(bits);
}

/* Bit i: the parity i of GROUP of VECTORS. */
static inline uint32_t ks_group_parities(const struct ks_group *group, uint64_t vectors)
{
    uint32_t parities = 0;

    for (unsigned i = 0; i < group->parity_count; i++) {
        parities |= ks_parity(group->parities[i] & vectors) << i;
    }
    return parities;
}

/* Where vector VECTOR of a tile lies that is folded. Vectors whose numbers differ by powers of
 * two would share a set of the first-level cache, and loads would wait for stores to other
 * pages: so each bit of the number from 6 on changes some of those below. These are chosen, by
 * search, so that nearly all sets of eight bits, the block of a chain, use every set alike: of
 * the 1,287 sets of 8 in 13 bits 34 do not. Linear: the fold of a sum is the sum of the folds.
 */
static inline size_t ks_tile_fold(size_t vector)
{
    static const uint8_t changes[] = {35, 28, 58, 15, 27, 41, 54};
    size_t low = 0;

    for (unsigned bit = 0; bit < sizeof changes; bit++) {
        low ^= (vector >> (6 + bit) & 1) != 0 ? changes[bit] : 0;
    }
    return vector ^ low;
}

#endif
