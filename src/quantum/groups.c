/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* groups.c: the steps of one pass become groups for the kernels: a table of phases, then up to
 * KS_STAGES_MAX rotations, on sixteen vectors at a time. Bits of an index below the lanes are
 * within a vector, those above count vectors. */

#include "quantum/array.h"
#include "quantum/schedule.h"

#define SQRT_HALF     0.70710678118654752440
#define UNSCALED_MAX  60  /* rotations, each of which makes amplitudes up to sqrt(2) larger */
#define PHASES_MAX    256 /* in one group */
#define CHOICES_SMALL 6
#define CHOICES_BELOW 13 /* the slots */
#define LANE_CHOICES  3  /* of a table with lanes, but for what a rotation needs now */
#define LANES_BELOW   16 /* the slots */
#define ABSORBING_MIN 16 /* slots */
#define NO_DIMENSION  KS_MEMBERS_LOG

/* A set of parities, each a sum of some basic ones. */
struct basis {
    unsigned count;
    uint64_t basic[KS_CHOICES_MAX];
    uint64_t rows[KS_CHOICES_MAX]; /* reduced */
    unsigned sums[KS_CHOICES_MAX]; /* which basic ones give the row */
};

struct form {
    struct ks_plan *plan;
    struct ks_schedule *schedule;
    unsigned lanes;
    unsigned log;         /* slots of the tile so far */
    unsigned log_last;    /* at the end of the pass */
    unsigned slots;       /* of the state then */
    unsigned choices_max; /* of a table without lanes */
    unsigned lane_choices_max;
    bool absorbs; /* the state is large: larger tables take less than one more of them */
    size_t live;  /* schedule->queue[0, live): steps still to be done, indices into local */
    /* the group in hand: */
    struct ks_block block;
    uint64_t dimensions[KS_MEMBERS_LOG]; /* in vectors */
    unsigned dimension_count;
    unsigned grown; /* slots that it grows */
    uint32_t phases[PHASES_MAX];
    unsigned phase_count;
    uint32_t rotations[KS_STAGES_MAX];
    unsigned rotation_count;
    size_t waiting;      /* schedule->waiting[0, waiting) */
    struct ks_span near; /* dimensions of the groups before that this one may be chained to */
    bool chained;        /* it takes what keeps the chain's block small */
};

/* The step of the plan that step INDEX of the pass is. */
static uint32_t plan_step(const struct form *form, uint32_t index)
{
    return form->schedule->list[form->schedule->local_first + index];
}

static const struct ks_step *local_at(const struct form *form, uint32_t index)
{
    return &form->schedule->local[index];
}

/* --- linear algebra ----------------------------------------------------------------------- */

/* A set of bits such that the vectors without them, and the sums of DIMENSIONS, are everything;
 * 0 when the dimensions are not independent. */
static uint64_t pivots_of(const uint64_t *dimensions, unsigned count)
{
    uint64_t rows[KS_MEMBERS_LOG];
    uint64_t pivots = 0;

    for (unsigned i = 0; i < count; i++) {
        rows[i] = dimensions[i];
    }
    for (unsigned i = 0; i < count; i++) {
        const uint64_t pivot = rows[i] & -rows[i];

        if (rows[i] == 0) {
            return 0;
        }
        for (unsigned k = i + 1; k < count; k++) {
            rows[k] ^= (rows[k] & pivot) != 0 ? rows[i] : 0;
        }
        pivots |= pivot;
    }
    return pivots;
}

/* The sum of basic parities that VECTOR is; false, and BASIS as it was, when it would be one
 * too many. */
static bool basis_add(struct basis *basis, uint64_t vector, unsigned *out_sum)
{
    uint64_t rest = vector;
    unsigned sum = 0;

    for (unsigned i = 0; i < basis->count; i++) {
        if ((rest & (basis->rows[i] & -basis->rows[i])) != 0) {
            rest ^= basis->rows[i];
            sum ^= basis->sums[i];
        }
    }
    if (rest != 0) {
        const unsigned at = basis->count;

        if (at == KS_CHOICES_MAX) {
            return false;
        }
        basis->basic[at] = vector;
        basis->rows[at] = rest;
        basis->sums[at] = sum ^ 1u << at;
        sum = 1u << at;
        basis->count++;
    }
    *out_sum = sum;
    return true;
}

/* --- emitting a group --------------------------------------------------------------------- */

static size_t take_entries(struct ks_plan *plan, struct ks_group *group, size_t count)
{
    const size_t first = group->entry_count;

    group->entry_count += count;
    plan->entry_count += count;
    return first;
}

static enum ks_err group_room(struct ks_plan *plan, struct ks_group **out_group)
{
    struct ks_group *groups =
        ks_array_room(plan->groups, &plan->group_cap, plan->group_count + 1, sizeof *groups);

    if (groups == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for a plan of %zu groups", plan->group_count);
    }
    plan->groups = groups;
    *out_group = &groups[plan->group_count++];
    **out_group = (struct ks_group){.first_entry = plan->entry_count};
    return KS_OK;
}

/* Slots of the tile as the kernels see it: fewer than a group has are filled up with zeros. */
static unsigned tile_log(const struct form *form)
{
    const unsigned least = form->lanes + KS_MEMBERS_LOG;

    return form->log < least ? least : form->log;
}

/* Members are sums of dimensions; free bits fill up, the low ones first but for those that
 * phases ask for. */
static void fill_dimensions(struct form *form, uint64_t wanted)
{
    const uint64_t inside = ((uint64_t)1 << (tile_log(form) + form->grown - form->lanes)) - 1;

    while (form->dimension_count < KS_MEMBERS_LOG) {
        const uint64_t pivots = pivots_of(form->dimensions, form->dimension_count);
        const uint64_t liked = wanted & inside & ~pivots;
        const uint64_t any = liked != 0 ? liked : inside & ~pivots;

        form->dimensions[form->dimension_count++] = any & -any;
    }
}

/* Members with bits that are not old. */
static uint16_t fresh_members(const struct ks_group *group)
{
    unsigned fresh = 0;

    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        fresh |= (unsigned)((group->places[0].members[k] & ~group->old_bits) != 0) << k;
    }
    return (uint16_t)fresh;
}

static void set_members(const struct form *form, struct ks_group *group, uint64_t pivots)
{
    unsigned at = 0;

    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        for (unsigned d = 0; d < KS_MEMBERS_LOG; d++) {
            group->places[0].members[k] ^=
                (k >> d & 1) != 0 ? (uint32_t)form->dimensions[d] : 0;
        }
    }
    for (; pivots != 0; pivots &= pivots - 1) {
        group->pivots[at++] = (uint8_t)__builtin_ctzll(pivots);
    }
}

/* Bit k: the parity of MASK (over vectors) in member k. */
static uint16_t member_signs(const struct ks_group *group, uint64_t mask)
{
    unsigned signs = 0;

    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        signs |= ks_parity(group->places[0].members[k] & mask) << k;
    }
    return (uint16_t)signs;
}

/* Bit l: the parity of MASK (over amplitudes) in lane l. */
static uint16_t lane_signs(const struct form *form, uint64_t mask)
{
    unsigned signs = 0;

    for (unsigned lane = 0; lane < 1u << form->lanes; lane++) {
        signs |= ks_parity(lane & mask) << lane;
    }
    return (uint16_t)signs;
}

static void put_stage(struct form *form, struct ks_group *group, uint32_t index,
                      uint64_t pivots)
{
    const struct ks_step *step = local_at(form, index);
    const unsigned width = 1u << form->lanes;
    const uint64_t flips = step->flips >> form->lanes;
    const uint64_t parity = step->masks[0] >> form->lanes;
    struct ks_stage *stage = &group->stages[group->stage_count++];

    stage->step = plan_step(form, index);
    stage->dimension = NO_DIMENSION;
    for (unsigned d = 0; d < KS_MEMBERS_LOG; d++) {
        stage->dimension = form->dimensions[d] == flips ? (uint8_t)d : stage->dimension;
    }
    KS_ASSERT(flips == 0 || stage->dimension != NO_DIMENSION);
    stage->lane_flip = (uint8_t)(step->flips & (width - 1));
    stage->signs = member_signs(group, parity);
    stage->lane_signs = lane_signs(form, step->masks[0]);
    stage->parity = KS_PARITIES_MAX;
    if ((parity & ~pivots) != 0) {
        stage->parity = group->parity_count;
        group->parities[group->parity_count++] = parity & ~pivots;
    }
    stage->plain = stage->lane_flip == 0 && stage->dimension != NO_DIMENSION;
    for (unsigned k = 0; stage->plain && k < KS_MEMBERS; k++) {
        stage->plain = (stage->signs >> k & 1) == (k >> stage->dimension & 1);
    }
    stage->factors = take_entries(form->plan, group, 2 * (size_t)width);
    form->schedule->unscaled++;
}

static bool stages_straight(const struct ks_group *group)
{
    bool straight = group->stage_count >= KS_MEMBERS_LOG;

    for (unsigned d = 0; straight && d < KS_MEMBERS_LOG; d++) {
        straight = group->stages[d].plain && group->stages[d].dimension == d;
    }
    return straight;
}

/* How MASK reads off the group: *OUT_READING, a parity of the variant's choices included. */
static void read_mask(const struct form *form, const struct ks_group *group, uint64_t pivots,
                      uint64_t mask, struct basis *basis, struct ks_reading *out_reading)
{
    unsigned choices = 0;
    const bool fits = basis_add(basis, mask >> form->lanes & ~pivots, &choices);

    KS_ASSERT(fits); /* phases_fit has looked */
    out_reading->members = member_signs(group, mask >> form->lanes);
    out_reading->lanes = lane_signs(form, mask);
    out_reading->choices = (uint16_t)choices;
}

/* The place of a phase in its table's order: 0 without choices, else that of the highest. */
static unsigned level_of(const struct ks_entry_phase *phase)
{
    unsigned choices = 0;

    for (unsigned i = 0; i < KS_FACTORS_MAX; i++) {
        choices |= phase->readings[i].choices;
    }
    return choices == 0 ? 0 : 32 - (unsigned)__builtin_clz(choices);
}

/* Puts the phases in hand into the plan, sorted for the table. */
static enum ks_err put_phases(struct form *form, struct ks_group *group, uint64_t pivots)
{
    struct ks_plan *plan = form->plan;
    struct ks_entry_phase *phases = NULL;
    struct basis basis = {0};
    enum ks_err err = KS_OK;
    bool lanes = false;

    group->first_phase = plan->phase_count;
    group->phase_count = form->phase_count;
    phases = ks_array_room(plan->phases, &plan->phase_cap,
                           plan->phase_count + form->phase_count, sizeof *phases);
    KS_CHECK(phases != NULL, KS_ERR_NOMEM, "no memory for a plan's %zu phases",
             plan->phase_count + form->phase_count);
    plan->phases = phases;
    for (unsigned i = 0; i < form->phase_count; i++) {
        const struct ks_step *step = local_at(form, form->phases[i]);
        const bool grow = step->kind == KS_STEP_GROW;
        struct ks_entry_phase phase = {.step = plan_step(form, form->phases[i])};
        size_t at = plan->phase_count++;

        for (unsigned m = 0; m < (grow ? 1u : step->count); m++) {
            const uint64_t mask = grow ? (uint64_t)1 << step->slot : step->masks[m];

            read_mask(form, group, pivots, mask, &basis, &phase.readings[m]);
            lanes = lanes || phase.readings[m].lanes != 0;
        }
        for (; at > group->first_phase && level_of(&phases[at - 1]) > level_of(&phase); at--) {
            phases[at] = phases[at - 1];
        }
        phases[at] = phase;
    }
    group->table_kind = lanes ? 2 : 1;
    group->choices = (uint8_t)basis.count;
    for (unsigned i = 0; i < basis.count; i++) {
        group->parities[group->parity_count++] = basis.basic[i];
    }
out:
    return err;
}

/* Takes what the group in hand does out of the live steps. */
static void drop_done(struct form *form)
{
    size_t kept = 0;

    for (size_t i = 0; i < form->live; i++) {
        const uint32_t index = form->schedule->queue[i];
        bool done = false;

        for (unsigned k = 0; k < form->phase_count; k++) {
            done = done || form->phases[k] == index;
        }
        for (unsigned k = 0; k < form->rotation_count; k++) {
            done = done || form->rotations[k] == index;
        }
        if (!done) {
            form->schedule->queue[kept++] = index;
        }
    }
    form->live = kept;
}

static uint64_t wanted_bits(const struct form *form)
{
    uint64_t wanted = 0;

    for (unsigned i = 0; i < form->phase_count; i++) {
        wanted |= ks_step_bits(local_at(form, form->phases[i])) >> form->lanes;
    }
    return wanted;
}

/* Whether the amplitudes have to get back to their size now: after many rotations, and at the
 * end. */
static bool scale_due(const struct form *form, bool last)
{
    return form->schedule->unscaled > UNSCALED_MAX || (last && form->schedule->rotated);
}

static enum ks_err emit_group(struct form *form, bool last)
{
    struct ks_group *group = NULL;
    enum ks_err err = KS_OK;
    uint64_t pivots = 0;

    KS_TRY(group_room(form->plan, &group));
    fill_dimensions(form, wanted_bits(form));
    pivots = pivots_of(form->dimensions, KS_MEMBERS_LOG);
    group->old_bits = ((uint32_t)1 << (tile_log(form) - form->lanes)) - 1;
    form->log += form->grown;
    form->grown = 0;
    group->log = (uint8_t)tile_log(form);
    set_members(form, group, pivots);
    group->fresh = fresh_members(group);
    KS_TRY(put_phases(form, group, pivots));
    for (unsigned i = 0; i < form->rotation_count; i++) {
        put_stage(form, group, form->rotations[i], pivots);
        form->schedule->rotated = true;
    }
    group->straight = stages_straight(group);
    drop_done(form);
    if (form->phase_count > 0 || scale_due(form, last && form->live == 0)) {
        const size_t width = group->table_kind == 2 ? (size_t)1 << form->lanes : 1;
        const size_t count = 2 * KS_MEMBERS * width << group->choices;

        group->table = take_entries(form->plan, group, count);
        form->plan->row_max = form->plan->row_max < count ? count : form->plan->row_max;
        form->schedule->unscaled = 0;
    } else {
        group->table_kind = 0;
    }
out:
    return err;
}

/* --- what goes into a group --------------------------------------------------------------- */

static void form_reset(struct form *form)
{
    ks_block_reset(&form->block);
    form->dimension_count = 0;
    form->grown = 0;
    form->phase_count = 0;
    form->rotation_count = 0;
    form->waiting = 0;
}

/* The slots of BITS that the tile does not have yet: growing them grows all below. */
static unsigned growth_for(const struct form *form, uint64_t bits)
{
    const unsigned log = form->log + form->grown;
    const uint64_t inside = form->log_last < 64 ? ((uint64_t)1 << form->log_last) - 1 : 0;

    bits &= inside;
    return bits >> log == 0 ? 0 : 64 - (unsigned)__builtin_clzll(bits) - log;
}

static uint32_t grower_of(const struct form *form, unsigned slot)
{
    for (size_t i = 0; i < form->live; i++) {
        const struct ks_step *step = local_at(form, form->schedule->queue[i]);

        if (step->kind == KS_STEP_GROW && step->slot == slot) {
            return form->schedule->queue[i];
        }
    }
    KS_ASSERT(false); /* a pass grows what its steps need */
    return 0;
}

/* Adds COUNT new slots as dimensions, and what grows them to the phases. */
static void add_growth(struct form *form, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const unsigned slot = form->log + form->grown++;

        form->dimensions[form->dimension_count++] = (uint64_t)1 << (slot - form->lanes);
        form->phases[form->phase_count++] = grower_of(form, slot);
    }
}

/* Whether the phases in hand, and those of MORE, have parities enough outside PIVOTS. */
static bool phases_fit(const struct form *form, uint64_t pivots, const uint32_t *more,
                       size_t more_count)
{
    const uint64_t low = ((uint64_t)1 << form->lanes) - 1;
    struct basis basis = {0};
    bool lanes = false;

    for (size_t i = 0; i < form->phase_count + more_count; i++) {
        const uint32_t index =
            i < form->phase_count ? form->phases[i] : more[i - form->phase_count];
        const struct ks_step *step = local_at(form, index);
        unsigned sum = 0;

        for (unsigned m = 0; step->kind == KS_STEP_PHASE && m < step->count; m++) {
            if (!basis_add(&basis, step->masks[m] >> form->lanes & ~pivots, &sum)) {
                return false;
            }
            lanes = lanes || (step->masks[m] & low) != 0;
        }
        lanes = lanes || (step->kind == KS_STEP_GROW && step->slot < form->lanes);
    }
    return basis.count <= (lanes ? form->lane_choices_max : form->choices_max);
}

/* Moves the waiting phases that STEP needs to the end of the list; returns how many. */
static size_t needed_phases(struct form *form, const struct ks_step *step, uint64_t *bits)
{
    uint32_t *waiting = form->schedule->waiting;
    size_t kept = 0;

    for (size_t i = 0; i < form->waiting; i++) {
        const uint32_t index = waiting[i];

        if (!ks_phase_meets(local_at(form, index), step->flips)) {
            for (size_t k = i; k > kept; k--) { /* the order of both kinds stays */
                waiting[k] = waiting[k - 1];
            }
            waiting[kept++] = index;
        } else {
            *bits |= ks_step_bits(local_at(form, index));
        }
    }
    return form->waiting - kept;
}

/* The tile has too few slots for a group to grow one: that is done alone. */
static enum ks_err emit_small(struct form *form)
{
    const uint32_t index = grower_of(form, form->log);
    struct ks_group *group = NULL;
    enum ks_err err = KS_OK;

    KS_TRY(group_room(form->plan, &group));
    group->small = true;
    group->small_slot = (uint8_t)form->log++;
    group->log = (uint8_t)form->log;
    form->phases[form->phase_count++] = index;
    KS_TRY(put_phases(form, group, ~(uint64_t)0)); /* for the step alone */
    group->table_kind = 0;
    group->table = take_entries(form->plan, group, 4);
    drop_done(form);
out:
    return err;
}

/* Adds slots, at most as many as a group can grow, and nothing else. */
static enum ks_err emit_growth(struct form *form, unsigned count, bool last)
{
    form_reset(form);
    if (form->log < form->lanes + KS_MEMBERS_LOG) {
        return emit_small(form);
    }
    add_growth(form, count < KS_MEMBERS_LOG ? count : KS_MEMBERS_LOG);
    return emit_group(form, last);
}

/* As many of COUNT phases as one table can have, with GROWTH new slots, and nothing else. */
static enum ks_err emit_phases(struct form *form, const uint32_t *phases, size_t count,
                               unsigned growth, bool last)
{
    uint64_t inside = 0;

    form_reset(form);
    add_growth(form, growth < KS_MEMBERS_LOG ? growth : KS_MEMBERS_LOG);
    inside = ((uint64_t)1 << (tile_log(form) + form->grown - form->lanes)) - 1;
    for (size_t i = 0; i < count && form->phase_count < PHASES_MAX; i++) {
        const uint64_t wanted = ks_step_bits(local_at(form, phases[i])) >> form->lanes;
        uint64_t pivots = pivots_of(form->dimensions, form->dimension_count);

        if (growth_for(form, ks_step_bits(local_at(form, phases[i]))) > 0) {
            continue;
        }
        while (!phases_fit(form, pivots, &phases[i], 1) && (wanted & inside & ~pivots) != 0 &&
               form->dimension_count < KS_MEMBERS_LOG) {
            const uint64_t bits = wanted & inside & ~pivots;

            form->dimensions[form->dimension_count++] = bits & -bits;
            pivots = pivots_of(form->dimensions, form->dimension_count);
        }
        if (phases_fit(form, pivots, &phases[i], 1)) {
            form->phases[form->phase_count++] = phases[i];
        }
    }
    return emit_group(form, last);
}

enum fit { FIT_TAKEN, FIT_LATER, FIT_EMITTED, FIT_FAILED };

/* What the group in hand would become with one more rotation. */
struct offer {
    uint64_t flips; /* in vectors */
    uint64_t bits;  /* of the rotation and its phases */
    const uint32_t *phases;
    size_t needed;
    unsigned growth;
    uint64_t dimensions[KS_MEMBERS_LOG + 1];
    unsigned count;
};

/* Whether the group in hand, with one more dimension FLIPS, reaches no more vectors than a
 * chain does. */
static bool stays_near(const struct form *form, uint64_t flips)
{
    struct ks_span span = form->near;

    for (unsigned i = 0; i < form->dimension_count; i++) {
        ks_span_add(&span, form->dimensions[i]);
    }
    ks_span_add(&span, flips);
    return span.count <= KS_CHAIN_LOG;
}

/* Whether there is room but for the phases' parities. */
static bool find_dimensions(const struct form *form, struct offer *offer)
{
    bool known = offer->flips == 0;

    offer->count = form->dimension_count;
    if (form->rotation_count == KS_STAGES_MAX ||
        offer->count + offer->growth > KS_MEMBERS_LOG ||
        form->phase_count + offer->growth + offer->needed > PHASES_MAX ||
        (offer->growth > 0 && form->log < form->lanes + KS_MEMBERS_LOG)) {
        return false;
    }
    ks_copy(offer->dimensions, form->dimensions, offer->count * sizeof *offer->dimensions);
    for (unsigned i = 0; i < offer->growth; i++) {
        offer->dimensions[offer->count++] = (uint64_t)1
                                            << (form->log + form->grown + i - form->lanes);
    }
    for (unsigned i = 0; i < offer->count; i++) {
        known = known || offer->dimensions[i] == offer->flips;
    }
    if (!known) {
        offer->dimensions[offer->count++] = offer->flips;
    }
    return offer->count <= KS_MEMBERS_LOG &&
           (offer->count == 0 || pivots_of(offer->dimensions, offer->count) != 0);
}

/* Whether one table has all phases, which may ask for dimensions where the group is empty. */
static bool find_choices(const struct form *form, struct offer *offer)
{
    const unsigned log = tile_log(form) + offer->growth;
    const uint64_t inside = ((uint64_t)1 << (log - form->lanes)) - 1;
    const unsigned count_max = form->rotation_count == 0 ? KS_MEMBERS_LOG : 0;

    for (;;) {
        const uint64_t pivots = pivots_of(offer->dimensions, offer->count);
        const uint64_t bits = offer->bits >> form->lanes & inside & ~pivots;

        if (phases_fit(form, pivots, offer->phases, offer->needed)) {
            return true;
        }
        if (offer->count >= count_max || bits == 0) {
            return false;
        }
        offer->dimensions[offer->count++] = bits & -bits;
    }
}

/* Takes a rotation that nothing blocks into the group in hand, or, where that is empty and the
 * rotation needs more than one group can do, does a part of that. */
static enum fit take_rotation(struct form *form, uint32_t index, bool last, enum ks_err *err)
{
    const struct ks_step *step = local_at(form, index);
    const bool empty = form->rotation_count == 0;
    struct offer offer = {.flips = step->flips >> form->lanes, .bits = ks_step_bits(step)};

    if (form->chained && !stays_near(form, offer.flips)) {
        return FIT_LATER;
    }
    offer.needed = needed_phases(form, step, &offer.bits);
    offer.phases = form->schedule->waiting + (form->waiting - offer.needed);
    offer.growth = growth_for(form, offer.bits);
    if (!find_dimensions(form, &offer)) {
        if (!empty || (offer.growth == 0 && offer.needed == 0)) {
            return FIT_LATER;
        }
        *err = offer.growth > 0 ? emit_growth(form, offer.growth, last)
                                : emit_phases(form, offer.phases, offer.needed, 0, last);
        return *err == KS_OK ? FIT_EMITTED : FIT_FAILED;
    }
    if (!find_choices(form, &offer)) {
        if (!empty) {
            return FIT_LATER;
        }
        *err = emit_phases(form, offer.phases, offer.needed, offer.growth, last);
        return *err == KS_OK ? FIT_EMITTED : FIT_FAILED;
    }
    add_growth(form, offer.growth);
    while (form->dimension_count < offer.count) {
        form->dimensions[form->dimension_count] = offer.dimensions[form->dimension_count];
        form->dimension_count++;
    }
    for (size_t i = 0; i < offer.needed; i++) {
        form->phases[form->phase_count++] = offer.phases[i];
    }
    form->waiting -= offer.needed;
    form->rotations[form->rotation_count++] = index;
    return FIT_TAKEN;
}

/* Phases that rotations behind the group in hand need go into its table, if it has one, where
 * there is room: then those may do without. */
static void absorb_phases(struct form *form)
{
    const uint64_t low = ((uint64_t)1 << form->lanes) - 1;
    const uint64_t pivots = pivots_of(form->dimensions, form->dimension_count);
    const unsigned lane_choices = form->lane_choices_max;
    bool lanes = false;

    for (unsigned i = 0; i < form->phase_count; i++) {
        lanes = lanes || (ks_step_bits(local_at(form, form->phases[i])) & low) != 0;
    }
    form->lane_choices_max = LANE_CHOICES;
    for (size_t i = 0; form->absorbs && form->phase_count > 0 && i < form->waiting; i++) {
        const uint32_t index = form->schedule->waiting[i];
        const uint64_t bits = ks_step_bits(local_at(form, index));

        if (form->phase_count < PHASES_MAX && (lanes || (bits & low) == 0) &&
            growth_for(form, bits) == 0 && phases_fit(form, pivots, &index, 1)) {
            form->phases[form->phase_count++] = index;
        }
    }
    form->lane_choices_max = lane_choices;
}

/* Takes rotations into an empty group, or does a part of what the first one needs:
 * *OUT_EMITTED. */
static enum ks_err take_steps(struct form *form, bool last, bool *out_emitted)
{
    struct ks_schedule *schedule = form->schedule;
    enum ks_err err = KS_OK;

    form_reset(form);
    *out_emitted = false;
    for (size_t i = 0; i < form->live && form->block.parities.count < form->slots; i++) {
        const uint32_t index = schedule->queue[i];
        const struct ks_step *step = local_at(form, index);
        enum fit fit = FIT_LATER;

        if (step->kind == KS_STEP_GROW) {
            continue;
        }
        if (ks_block_spares(&form->block, step)) {
            if (step->kind == KS_STEP_PHASE) {
                schedule->waiting[form->waiting++] = index;
                continue;
            }
            fit = take_rotation(form, index, last, &err);
            if (fit == FIT_EMITTED || fit == FIT_FAILED) {
                *out_emitted = true;
                return err;
            }
        }
        /* Rotations that are taken block too: all of a group's phases come first. */
        ks_block_add(&form->block, step);
    }
    return err;
}

/* The group in hand goes to the chain of those before it, or begins another. */
static void note_chain(struct form *form)
{
    if (!stays_near(form, 0)) {
        form->near.count = 0;
    }
    for (unsigned i = 0; i < form->dimension_count; i++) {
        ks_span_add(&form->near, form->dimensions[i]);
    }
}

/* One group, or several where a rotation needs them: if rotations near by fill one, these. */
static enum ks_err form_group(struct form *form, bool last)
{
    struct ks_schedule *schedule = form->schedule;
    enum ks_err err = KS_OK;
    bool emitted = false;
    bool full = false;

    form->chained = form->near.count > 0;
    if (form->chained) {
        err = take_steps(form, last, &emitted);
        full =
            form->dimension_count == KS_MEMBERS_LOG && form->rotation_count >= KS_MEMBERS_LOG;
        form->chained = false;
    }
    if (!full && !emitted) {
        err = take_steps(form, last, &emitted);
    }
    if (emitted) {
        return err;
    }
    note_chain(form);
    if (form->rotation_count > 0) {
        absorb_phases(form);
        return emit_group(form, last);
    }
    if (form->log < form->log_last) {
        return emit_growth(form, form->log_last - form->log, last);
    }
    return emit_phases(form, schedule->waiting, form->waiting, 0, last);
}

/* A large table is worth making where the state is much larger. */
static unsigned choices_max(unsigned slots)
{
    if (slots < CHOICES_SMALL + CHOICES_BELOW) {
        return CHOICES_SMALL;
    }
    return slots < KS_CHOICES_MAX + CHOICES_BELOW ? slots - CHOICES_BELOW : KS_CHOICES_MAX;
}

enum ks_err ks_groups_make(struct ks_plan *plan, struct ks_schedule *schedule,
                           const struct ks_pass *pass, bool last)
{
    struct form form = {.plan = plan, .schedule = schedule};
    enum ks_err err = KS_OK;

    form.lanes = KS_LANES_LOG(plan->precision);
    form.log = pass->tile_before;
    form.log_last = pass->tile_after;
    form.slots = pass->slots_after;
    form.choices_max = choices_max(form.slots);
    form.lane_choices_max =
        form.slots < KS_LANE_CHOICES_MAX + LANES_BELOW ? LANE_CHOICES : KS_LANE_CHOICES_MAX;
    form.absorbs = form.slots >= ABSORBING_MIN;
    form.live = schedule->local_count;
    for (size_t i = 0; i < form.live; i++) {
        schedule->queue[i] = (uint32_t)i;
    }
    while (form.live > 0) {
        KS_TRY(form_group(&form, last));
    }
out:
    return err;
}

/* --- the scale ---------------------------------------------------------------------------- */

/* A rotation leaves out its factor: 1 / sqrt(1 + t^2), so sqrt(1/2) for HALVES of them. */
struct unscaled {
    double scale;
    uint32_t halves;
};

static void note_rotation(struct unscaled *left, double t)
{
    if (t == 1 || t == -1) {
        left->halves++;
    } else {
        left->scale /= __builtin_sqrt(1 + t * t);
    }
}

/* The scale to be multiplied in now; an odd half waits, but for the LAST. */
static double take_scale(struct unscaled *left, bool last)
{
    double scale = left->scale;

    for (; left->halves >= 2; left->halves -= 2) {
        scale /= 2;
    }
    if (last && left->halves == 1) {
        scale *= SQRT_HALF;
        left->halves = 0;
    }
    left->scale = 1;
    return scale;
}

void ks_groups_scale(struct ks_plan *plan)
{
    struct unscaled left = {.scale = 1};

    for (size_t i = 0; i < plan->group_count; i++) {
        struct ks_group *group = &plan->groups[i];
        const bool last = i + 1 == plan->group_count;

        for (unsigned k = 0; k < group->stage_count; k++) {
            note_rotation(&left, plan->steps[group->stages[k].step].values[0]);
        }
        group->scale =
            group->table_kind != 0 || (group->small && last) ? take_scale(&left, last) : 1;
    }
}
