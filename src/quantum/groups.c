/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* groups.c: the steps of one pass become groups for the kernels: a table of phases, then up to
 * KS_STAGES_MAX rotations, on sixteen vectors at a time. Bits of an index below the lanes are
 * within a vector, those above count vectors. */

#include "quantum/array.h"
#include "quantum/schedule.h"

#define SQRT_HALF    0.70710678118654752440
#define SCALE_MIN    0x1p-40 /* amplitudes grow by no more before it is multiplied in */
#define HALVES_MAX   60
#define PHASES_MAX   256 /* in one group */
#define NO_DIMENSION KS_MEMBERS_LOG

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
    unsigned log;      /* slots of the tile so far */
    unsigned log_last; /* at the end of the pass */
    unsigned slots;    /* of the state then */
    size_t live; /* schedule->queue[0, live): steps still to be done, indices into local */
    /* the group in hand: */
    struct ks_block block;
    uint64_t dimensions[KS_MEMBERS_LOG]; /* in vectors */
    unsigned dimension_count;
    unsigned grown; /* slots that it grows */
    uint32_t phases[PHASES_MAX];
    unsigned phase_count;
    uint32_t rotations[KS_STAGES_MAX];
    unsigned rotation_count;
    size_t waiting; /* schedule->waiting[0, waiting) */
};

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

static enum ks_err entries_room(struct ks_plan *plan, size_t count, size_t *out_first)
{
    double *entries = ks_array_room(plan->entries, &plan->entry_cap, plan->entry_count + count,
                                    sizeof *entries);

    if (entries == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for a plan's %zu factors",
                       plan->entry_count + count);
    }
    plan->entries = entries;
    *out_first = plan->entry_count;
    plan->entry_count += count;
    return KS_OK;
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
    **out_group = (struct ks_group){0};
    return KS_OK;
}

/* The scale to be multiplied in now. */
static double take_scale(struct ks_schedule *schedule, bool last)
{
    double scale = schedule->scale;

    for (; schedule->halves >= 2; schedule->halves -= 2) {
        scale /= 2;
    }
    if (last && schedule->halves == 1) {
        scale *= SQRT_HALF;
        schedule->halves = 0;
    }
    schedule->scale = 1;
    return scale;
}

static void note_scale(struct ks_schedule *schedule, double t)
{
    if (t == 1 || t == -1) {
        schedule->halves++;
    } else {
        schedule->scale /= __builtin_sqrt(1 + t * t);
    }
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
        fresh |= (unsigned)((group->members[k] & ~group->old_bits) != 0) << k;
    }
    return (uint16_t)fresh;
}

static void set_members(const struct form *form, struct ks_group *group, uint64_t pivots)
{
    unsigned at = 0;

    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        for (unsigned d = 0; d < KS_MEMBERS_LOG; d++) {
            group->members[k] ^= (k >> d & 1) != 0 ? (uint32_t)form->dimensions[d] : 0;
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
        signs |= ks_parity(group->members[k] & mask) << k;
    }
    return (uint16_t)signs;
}

static enum ks_err put_stage(struct form *form, struct ks_group *group,
                             const struct ks_step *step, uint64_t pivots)
{
    const unsigned width = 1u << form->lanes;
    const uint64_t flips = step->flips >> form->lanes;
    const uint64_t parity = step->masks[0] >> form->lanes;
    struct ks_stage *stage = &group->stages[group->stage_count++];
    enum ks_err err = KS_OK;

    stage->dimension = NO_DIMENSION;
    for (unsigned d = 0; d < KS_MEMBERS_LOG; d++) {
        stage->dimension = form->dimensions[d] == flips ? (uint8_t)d : stage->dimension;
    }
    KS_ASSERT(flips == 0 || stage->dimension != NO_DIMENSION);
    stage->lane_flip = (uint8_t)(step->flips & (width - 1));
    stage->signs = member_signs(group, parity);
    stage->parity = KS_PARITIES_MAX;
    if ((parity & ~pivots) != 0) {
        stage->parity = group->parity_count;
        group->parities[group->parity_count++] = parity & ~pivots;
    }
    stage->plain = stage->lane_flip == 0 && stage->dimension != NO_DIMENSION;
    for (unsigned k = 0; stage->plain && k < KS_MEMBERS; k++) {
        stage->plain = (stage->signs >> k & 1) == (k >> stage->dimension & 1);
    }
    KS_TRY(entries_room(form->plan, 2 * (size_t)width, &stage->factors));
    for (unsigned i = 0; i < 2 * width; i++) {
        const unsigned sign = i / width ^ ks_parity(i % width & step->masks[0]);

        form->plan->entries[stage->factors + i] = sign ? step->values[0] : -step->values[0];
    }
    note_scale(form->schedule, step->values[0]);
out:
    return err;
}

/* One condition of a phase, by what it depends on. */
struct factor {
    uint16_t members;
    unsigned sum;
    uint64_t lanes;
};

struct phase {
    unsigned count;
    unsigned inverted;
    struct factor factors[KS_FACTORS_MAX];
    double zero[2]; /* where not all are 1 */
    double one[2];
};

static void multiply(double target[2], const double factor[2])
{
    const double re = target[0] * factor[0] - target[1] * factor[1];
    const double im = target[0] * factor[1] + target[1] * factor[0];

    target[0] = re;
    target[1] = im;
}

static void apply_phase(const struct phase *phase, unsigned choice, unsigned k, unsigned lane,
                        double entry[2])
{
    bool all = true;

    for (unsigned i = 0; i < phase->count; i++) {
        const struct factor *f = &phase->factors[i];
        const unsigned value = (f->members >> k & 1u) ^ ks_parity(choice & f->sum) ^
                               ks_parity(lane & f->lanes) ^ (phase->inverted >> i & 1u);

        all = all && value != 0;
    }
    if (all) {
        multiply(entry, phase->one);
    } else if (phase->count == 1) {
        multiply(entry, phase->zero);
    }
}

/* Where the bits of the phases in hand stand, and what they become. */
static void read_phases(const struct form *form, struct ks_group *group, uint64_t pivots,
                        struct phase *phases, struct basis *basis)
{
    const uint64_t low = ((uint64_t)1 << form->lanes) - 1;
    bool lanes = false;

    for (unsigned i = 0; i < form->phase_count; i++) {
        const struct ks_step *step = local_at(form, form->phases[i]);
        struct phase *phase = &phases[i];
        const bool grow = step->kind == KS_STEP_GROW;

        *phase = (struct phase){.count = grow ? 1 : step->count, .inverted = step->inverted};
        phase->zero[0] = 1;
        ks_copy(phase->one, &step->values[grow ? 2 : 0], sizeof phase->one);
        if (grow) {
            ks_copy(phase->zero, step->values, sizeof phase->zero);
        }
        for (unsigned m = 0; m < phase->count; m++) {
            const uint64_t mask = grow ? (uint64_t)1 << step->slot : step->masks[m];

            phase->factors[m].members = member_signs(group, mask >> form->lanes);
            phase->factors[m].lanes = mask & low;
            lanes = lanes || (mask & low) != 0;
            KS_ASSERT(basis_add(basis, mask >> form->lanes & ~pivots, &phase->factors[m].sum));
        }
    }
    group->table_kind = lanes ? 2 : 1;
    group->choices = (uint8_t)basis->count;
    for (unsigned i = 0; i < basis->count; i++) {
        group->parities[group->parity_count++] = basis->basic[i];
    }
}

static enum ks_err put_table(struct form *form, struct ks_group *group,
                             const struct phase *phases, double scale)
{
    const unsigned width = group->table_kind == 2 ? 1u << form->lanes : 1;
    const size_t variants = (size_t)1 << group->choices;
    enum ks_err err = KS_OK;
    double *entries = NULL;

    KS_TRY(entries_room(form->plan, variants * KS_MEMBERS * 2 * width, &group->table));
    entries = form->plan->entries + group->table;
    for (unsigned choice = 0; choice < variants; choice++) {
        for (unsigned k = 0; k < KS_MEMBERS; k++) {
            for (unsigned lane = 0; lane < width; lane++) {
                double entry[2] = {1, 0};

                for (unsigned i = 0; i < form->phase_count; i++) {
                    apply_phase(&phases[i], choice, k, lane, entry);
                }
                entries[lane] = entry[0] * scale;
                entries[width + lane] = entry[1] * scale;
            }
            entries += 2 * (size_t)width;
        }
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

static enum ks_err emit_group(struct form *form, bool last)
{
    struct phase phases[PHASES_MAX];
    struct ks_group *group = NULL;
    struct basis basis = {0};
    enum ks_err err = KS_OK;
    uint64_t pivots = 0;
    bool table = form->phase_count > 0;

    KS_TRY(group_room(form->plan, &group));
    fill_dimensions(form, wanted_bits(form));
    pivots = pivots_of(form->dimensions, KS_MEMBERS_LOG);
    group->old_bits = ((uint32_t)1 << (tile_log(form) - form->lanes)) - 1;
    form->log += form->grown;
    form->grown = 0;
    group->log = (uint8_t)tile_log(form);
    set_members(form, group, pivots);
    group->fresh = fresh_members(group);
    read_phases(form, group, pivots, phases, &basis);
    for (unsigned i = 0; i < form->rotation_count; i++) {
        KS_TRY(put_stage(form, group, local_at(form, form->rotations[i]), pivots));
    }
    drop_done(form);
    last = last && form->live == 0;
    table = table || form->schedule->scale < SCALE_MIN || form->schedule->halves > HALVES_MAX ||
            (last && (form->schedule->scale != 1 || form->schedule->halves > 0));
    if (table) {
        KS_TRY(put_table(form, group, phases, take_scale(form->schedule, last)));
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
    return basis.count <= (lanes ? KS_LANE_CHOICES_MAX : KS_CHOICES_MAX);
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
static enum ks_err emit_small(struct form *form, bool last)
{
    const uint32_t index = grower_of(form, form->log);
    const struct ks_step *step = local_at(form, index);
    struct ks_group *group = NULL;
    enum ks_err err = KS_OK;
    double scale = 1;

    KS_TRY(group_room(form->plan, &group));
    group->small = true;
    group->small_slot = (uint8_t)form->log++;
    group->log = (uint8_t)form->log;
    KS_TRY(entries_room(form->plan, 4, &group->table));
    form->phases[form->phase_count++] = index;
    drop_done(form);
    scale = last && form->live == 0 ? take_scale(form->schedule, last) : 1;
    for (unsigned i = 0; i < 4; i++) {
        form->plan->entries[group->table + i] = step->values[i] * scale;
    }
out:
    return err;
}

/* Adds slots, at most as many as a group can grow, and nothing else. */
static enum ks_err emit_growth(struct form *form, unsigned count, bool last)
{
    form_reset(form);
    if (form->log < form->lanes + KS_MEMBERS_LOG) {
        return emit_small(form, last);
    }
    add_growth(form, count < KS_MEMBERS_LOG ? count : KS_MEMBERS_LOG);
    return emit_group(form, last);
}

/* As many of COUNT phases as one table can have, and nothing else. */
static enum ks_err emit_phases(struct form *form, const uint32_t *phases, size_t count,
                               bool last)
{
    const uint64_t inside = ((uint64_t)1 << (tile_log(form) - form->lanes)) - 1;
    uint64_t bits = 0;

    form_reset(form);
    for (size_t i = 0; i < count && form->phase_count < PHASES_MAX; i++) {
        const uint64_t fresh = ks_step_bits(local_at(form, phases[i])) >> form->lanes & inside;
        uint64_t pivots = pivots_of(form->dimensions, form->dimension_count);

        while (!phases_fit(form, pivots, &phases[i], 1) && (fresh & ~pivots) != 0 &&
               form->dimension_count < KS_MEMBERS_LOG) {
            bits = fresh & ~pivots;
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

/* Takes a rotation that nothing blocks into the group in hand, or, where that is empty and the
 * rotation needs more than one group can do, does a part of that. */
static enum fit take_rotation(struct form *form, uint32_t index, bool last, enum ks_err *err)
{
    const struct ks_step *step = local_at(form, index);
    const uint64_t flips = step->flips >> form->lanes;
    uint64_t bits = ks_step_bits(step);
    const size_t needed = needed_phases(form, step, &bits);
    const uint32_t *phases = form->schedule->waiting + (form->waiting - needed);
    const unsigned growth = growth_for(form, bits);
    const bool empty = form->rotation_count == 0;
    uint64_t dimensions[KS_MEMBERS_LOG + 1];
    unsigned count = form->dimension_count;
    bool known = flips == 0;
    bool fits = form->rotation_count < KS_STAGES_MAX && count + growth <= KS_MEMBERS_LOG &&
                form->phase_count + growth + needed <= PHASES_MAX &&
                (growth == 0 || form->log >= form->lanes + KS_MEMBERS_LOG);

    if (!fits && empty && growth > 0) {
        *err = emit_growth(form, growth, last);
        return *err == KS_OK ? FIT_EMITTED : FIT_FAILED;
    }
    if (!fits && !(empty && needed > 0)) {
        return FIT_LATER;
    }
    if (fits) {
        ks_copy(dimensions, form->dimensions, count * sizeof *dimensions);
        for (unsigned i = 0; i < growth; i++) {
            dimensions[count++] = (uint64_t)1 << (form->log + form->grown + i - form->lanes);
        }
        for (unsigned i = 0; i < count; i++) {
            known = known || dimensions[i] == flips;
        }
        dimensions[count] = flips;
        count += !known;
        fits = count <= KS_MEMBERS_LOG && (count == 0 || pivots_of(dimensions, count) != 0);
        if (!fits && empty && growth > 0) {
            *err = emit_growth(form, growth, last);
            return *err == KS_OK ? FIT_EMITTED : FIT_FAILED;
        }
        if (!fits) {
            return FIT_LATER;
        }
        fits = phases_fit(form, pivots_of(dimensions, count), phases, needed);
    }
    if (!fits && empty) {
        if (growth > 0) {
            *err = emit_growth(form, growth, last);
        } else {
            *err = emit_phases(form, phases, needed, last);
        }
        return *err == KS_OK ? FIT_EMITTED : FIT_FAILED;
    }
    if (!fits) {
        return FIT_LATER;
    }
    add_growth(form, growth);
    if (!known) {
        form->dimensions[form->dimension_count++] = flips;
    }
    for (size_t i = 0; i < needed; i++) {
        form->phases[form->phase_count++] = phases[i];
    }
    form->waiting -= needed;
    form->rotations[form->rotation_count++] = index;
    return FIT_TAKEN;
}

/* One group, or several where a rotation needs them. */
static enum ks_err form_group(struct form *form, bool last)
{
    struct ks_schedule *schedule = form->schedule;
    enum ks_err err = KS_OK;

    form_reset(form);
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
                return err;
            }
        }
        /* Rotations that are taken block too: all of a group's phases come first. */
        ks_block_add(&form->block, step);
    }
    if (form->rotation_count > 0) {
        return emit_group(form, last);
    }
    if (form->log < form->log_last) {
        return emit_growth(form, form->log_last - form->log, last);
    }
    return emit_phases(form, schedule->waiting, form->waiting, last);
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
