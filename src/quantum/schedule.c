/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* schedule.c: steps become passes over tiles. Two steps may change places when none flips bits
 * that the other's parities look at; phases wait until a rotation needs them. */

#include "quantum/schedule.h"
#include "quantum/array.h"

/* A pass looks no further than so many steps behind the first that it leaves. */
#define WINDOW_MAX 4096
/* Slots that neighbouring passes share at least, where there are enough: runs of 2 KiB. */
#define SHARED_MIN(precision) ((precision) == KS_PRECISION_SINGLE ? 9u : 8u)

/* --- sets of vectors over two elements ---------------------------------------------------- */

void ks_span_add(struct ks_span *span, uint64_t vector)
{
    unsigned i = 0;

    for (; i < span->count && vector != 0; i++) {
        if ((vector ^ span->rows[i]) < vector) {
            vector ^= span->rows[i];
        }
    }
    if (vector == 0) {
        return;
    }
    for (i = span->count++; i > 0 && span->rows[i - 1] < vector; i--) {
        span->rows[i] = span->rows[i - 1];
    }
    span->rows[i] = vector;
}

/* Whether VECTOR has an even number of ones in common with all of SPAN. */
static bool span_spares(const struct ks_span *span, uint64_t vector)
{
    for (unsigned i = 0; i < span->count; i++) {
        if (ks_parity(span->rows[i] & vector) != 0) {
            return false;
        }
    }
    return true;
}

/* --- what waits blocks what comes behind it ----------------------------------------------- */

void ks_block_reset(struct ks_block *block)
{
    block->flips.count = 0;
    block->parities.count = 0;
}

void ks_block_add(struct ks_block *block, const struct ks_step *step)
{
    if (step->kind == KS_STEP_ROTATE) {
        ks_span_add(&block->flips, step->flips);
        ks_span_add(&block->parities, step->masks[0]);
        return;
    }
    for (unsigned i = 0; i < step->count; i++) {
        ks_span_add(&block->parities, step->masks[i]);
    }
}

bool ks_block_spares(const struct ks_block *block, const struct ks_step *step)
{
    if (step->kind == KS_STEP_ROTATE) {
        return span_spares(&block->parities, step->flips) &&
               span_spares(&block->flips, step->masks[0]);
    }
    for (unsigned i = 0; i < step->count; i++) {
        if (!span_spares(&block->flips, step->masks[i])) {
            return false;
        }
    }
    return true;
}

bool ks_phase_meets(const struct ks_step *phase, uint64_t flips)
{
    for (unsigned i = 0; i < phase->count; i++) {
        if (ks_parity(phase->masks[i] & flips) != 0) {
            return true;
        }
    }
    return false;
}

uint64_t ks_step_bits(const struct ks_step *step)
{
    uint64_t bits = step->flips;

    for (unsigned i = 0; i < KS_FACTORS_MAX; i++) {
        bits |= step->masks[i];
    }
    return bits;
}

/* --- memory ------------------------------------------------------------------------------- */

void ks_schedule_free(struct ks_schedule *schedule)
{
    if (schedule != NULL) {
        ks_free(schedule->queue);
        ks_free(schedule->left);
        ks_free(schedule->waiting);
        ks_free(schedule->list);
        ks_free(schedule->drafts);
        ks_free(schedule->local);
        ks_free(schedule);
    }
}

/* Room in all arrays for what the steps of PLAN can need. */
static enum ks_err schedule_room(struct ks_plan *plan, struct ks_schedule **out_schedule)
{
    struct ks_schedule *schedule = plan->schedule;
    const size_t need = plan->step_count + 1;

    if (schedule == NULL) {
        schedule = ks_calloc(1, sizeof *schedule);
        plan->schedule = schedule;
    }
    if (schedule != NULL && schedule->cap < need) {
        const size_t cap = 2 * need;

        ks_schedule_free(schedule);
        schedule = ks_calloc(1, sizeof *schedule);
        plan->schedule = schedule;
        if (schedule != NULL) {
            schedule->queue = ks_calloc(cap, sizeof *schedule->queue);
            schedule->left = ks_calloc(cap, sizeof *schedule->left);
            schedule->waiting = ks_calloc(cap, sizeof *schedule->waiting);
            schedule->list = ks_calloc(cap, sizeof *schedule->list);
            schedule->drafts = ks_calloc(cap, sizeof *schedule->drafts);
            schedule->local = ks_calloc(cap, sizeof *schedule->local);
            schedule->cap = cap;
        }
    }
    if (schedule == NULL || schedule->queue == NULL || schedule->left == NULL ||
        schedule->waiting == NULL || schedule->list == NULL || schedule->drafts == NULL ||
        schedule->local == NULL) {
        ks_schedule_free(schedule);
        plan->schedule = NULL;
        return ks_fail(KS_ERR_NOMEM, "no memory to schedule %zu steps", plan->step_count);
    }
    *out_schedule = schedule;
    return KS_OK;
}

/* --- which steps go into which pass ------------------------------------------------------- */

struct draft_scan {
    struct ks_plan *plan;
    struct ks_schedule *schedule;
    struct ks_block block;
    struct ks_draft *draft;
    uint64_t previous; /* the slots of the tile before */
    size_t waiting;    /* phases that nothing blocks, so far not needed */
    size_t left;       /* what was looked at and stays */
};

static const struct ks_step *step_at(const struct draft_scan *scan, uint32_t index)
{
    return &scan->plan->steps[index];
}

static bool tile_takes(const struct draft_scan *scan, uint64_t slots)
{
    const uint64_t wanted = scan->draft->slots | slots;
    const uint32_t tile = ks_plan_tile(scan->plan);
    const uint32_t shared_min = SHARED_MIN(scan->plan->precision);
    const uint32_t shared = (uint32_t)__builtin_popcountll(scan->previous);
    const uint32_t fresh = (uint32_t)__builtin_popcountll(wanted & ~scan->previous);

    return (uint32_t)__builtin_popcountll(wanted) <= tile &&
           fresh <= tile - (shared < shared_min ? shared : shared_min);
}

static void draft_put(struct draft_scan *scan, uint32_t index)
{
    scan->schedule->list[scan->draft->first + scan->draft->count++] = index;
}

/* Grows the slots of BITS, in ascending order. */
static void draft_grow(struct draft_scan *scan, uint64_t bits)
{
    struct ks_schedule *schedule = scan->schedule;

    bits &= schedule->ungrown;
    schedule->ungrown &= ~bits;
    for (; bits != 0; bits &= bits - 1) {
        draft_put(scan, schedule->growers[__builtin_ctzll(bits)]);
        scan->draft->grown++;
    }
}

/* Takes the phases on the waiting list that FLIPS needs, or all with FLIPS of 0. */
static void draft_phases(struct draft_scan *scan, uint64_t flips)
{
    struct ks_schedule *schedule = scan->schedule;
    size_t kept = 0;

    for (size_t i = 0; i < scan->waiting; i++) {
        const uint32_t index = schedule->waiting[i];

        if (flips == 0 || ks_phase_meets(step_at(scan, index), flips)) {
            draft_put(scan, index);
        } else {
            schedule->waiting[kept++] = index;
        }
    }
    scan->waiting = kept;
}

static bool draft_rotation(struct draft_scan *scan, uint32_t index)
{
    const struct ks_step *step = step_at(scan, index);
    uint64_t bits = ks_step_bits(step);

    if (!ks_block_spares(&scan->block, step)) {
        return false;
    }
    for (size_t i = 0; i < scan->waiting; i++) {
        const struct ks_step *phase = step_at(scan, scan->schedule->waiting[i]);

        if (ks_phase_meets(phase, step->flips)) {
            bits |= ks_step_bits(phase);
        }
    }
    bits &= scan->schedule->ungrown;
    if (!tile_takes(scan, bits | step->flips)) {
        return false;
    }
    scan->draft->slots |= bits | step->flips;
    draft_grow(scan, bits);
    draft_phases(scan, step->flips);
    draft_put(scan, index);
    return true;
}

/* Slots until the tile is full: those that the last tile had, then any. */
static void draft_fill(struct draft_scan *scan)
{
    struct ks_draft *draft = scan->draft;
    const uint64_t grown = scan->schedule->all & ~scan->schedule->ungrown;
    const uint32_t tile = ks_plan_tile(scan->plan);

    for (unsigned round = 0; round < 2; round++) {
        uint64_t bits = grown & ~draft->slots & (round == 0 ? scan->previous : ~(uint64_t)0);

        for (; bits != 0 && (uint32_t)__builtin_popcountll(draft->slots) < tile;
             bits &= bits - 1) {
            draft->slots |= bits & -bits;
        }
    }
}

/* Opens a draft behind what there is. */
static void draft_begin(struct draft_scan *scan)
{
    struct ks_schedule *schedule = scan->schedule;
    const struct ks_draft *last =
        schedule->draft_count > 0 ? &schedule->drafts[schedule->draft_count - 1] : NULL;

    scan->draft = &schedule->drafts[schedule->draft_count];
    *scan->draft = (struct ks_draft){.first = last == NULL ? 0 : last->first + last->count};
    scan->waiting = 0;
    scan->left = 0;
    ks_block_reset(&scan->block);
}

static void draft_end(struct draft_scan *scan)
{
    draft_fill(scan);
    scan->previous = scan->draft->slots;
    scan->schedule->draft_count++;
}

/* Puts the steps of [*head, end) of the queue that one tile can take into a draft; what was
 * looked at and stays moves up to what was not. */
static void draft_pass(struct draft_scan *scan, size_t *head, size_t end)
{
    struct ks_schedule *schedule = scan->schedule;
    const unsigned slots = (unsigned)__builtin_popcountll(schedule->all);
    size_t at = *head;

    draft_begin(scan);
    for (; at < end && scan->block.parities.count < slots && scan->left < WINDOW_MAX; at++) {
        const uint32_t index = schedule->queue[at];
        const struct ks_step *step = step_at(scan, index);

        if (step->kind == KS_STEP_PHASE && ks_block_spares(&scan->block, step)) {
            schedule->waiting[scan->waiting++] = index;
        } else if (step->kind == KS_STEP_PHASE || !draft_rotation(scan, index)) {
            ks_block_add(&scan->block, step);
            schedule->left[scan->left++] = index;
        }
    }
    /* Phases that wait come first again: they were blocked by nothing. */
    at -= scan->left;
    ks_copy(&schedule->queue[at], schedule->left, scan->left * sizeof *schedule->left);
    at -= scan->waiting;
    ks_copy(&schedule->queue[at], schedule->waiting, scan->waiting * sizeof *schedule->waiting);
    *head = at;
    draft_end(scan);
}

/* Slots that nothing needed so far. */
static void draft_growth(struct draft_scan *scan)
{
    uint64_t bits = scan->schedule->ungrown;
    uint64_t chosen = 0;

    for (; bits != 0; bits &= bits - 1) {
        if (tile_takes(scan, chosen | (bits & -bits))) {
            chosen |= bits & -bits;
        }
    }
    scan->draft->slots |= chosen;
    draft_grow(scan, chosen);
}

static void draft_shear(struct draft_scan *scan, uint64_t flips, uint64_t mask)
{
    draft_begin(scan);
    scan->draft->shear = true;
    scan->draft->shear_flips = flips;
    scan->draft->shear_mask = mask;
    scan->draft->slots = scan->previous;
    scan->schedule->draft_count++;
}

static void shear_step(struct ks_step *step, uint64_t flips, uint64_t mask)
{
    step->flips ^= ks_parity(step->flips & mask) != 0 ? flips : 0;
    for (unsigned i = 0; i < KS_FACTORS_MAX; i++) {
        step->masks[i] ^= ks_parity(step->masks[i] & flips) != 0 ? mask : 0;
    }
}

/* No tile holds what the first rotation left needs. Where that is its flips: moves amplitudes
 * so that it flips one slot alone, and rewrites what comes after for the new indices. */
static void draft_unfold(struct draft_scan *scan, size_t head, size_t count, size_t end)
{
    struct ks_schedule *schedule = scan->schedule;
    struct ks_plan *plan = scan->plan;
    uint64_t flips = 0;
    uint64_t mask = 0;

    for (size_t i = head; flips == 0; i++) {
        flips = plan->steps[schedule->queue[i]].flips;
    }
    mask = flips & scan->previous & ~schedule->ungrown;
    mask = mask != 0 ? mask & -mask : flips & -flips;
    if ((flips & schedule->ungrown) != 0 ||
        flips == mask) { /* slots are missing, or phases need them */
        draft_begin(scan);
        draft_growth(scan);
        draft_end(scan);
        return;
    }
    flips &= ~mask;
    draft_shear(scan, flips, mask);
    for (size_t i = head; i < count; i++) {
        shear_step(&plan->steps[schedule->queue[i]], flips, mask);
    }
    for (size_t i = end; i < plan->step_count; i++) {
        shear_step(&plan->steps[i], flips, mask);
    }
    for (uint32_t q = 0; q < plan->frame->qubit_count; q++) {
        struct ks_qubit *qubit = &plan->frame->qubits[q];

        qubit->flips ^= ks_parity(qubit->flips & mask) != 0 ? flips : 0;
        qubit->parity ^= ks_parity(qubit->parity & flips) != 0 ? mask : 0;
    }
}

/* The phases that no rotation needed go into the last pass: bits of any slot are known there.
 */
static void draft_rest(struct draft_scan *scan, size_t head, size_t count)
{
    struct ks_schedule *schedule = scan->schedule;
    const bool fresh =
        schedule->draft_count == 0 || schedule->drafts[schedule->draft_count - 1].shear;

    if (fresh) {
        draft_begin(scan);
    } else {
        scan->draft = &schedule->drafts[schedule->draft_count - 1];
    }
    ks_copy(schedule->waiting, &schedule->queue[head],
            (count - head) * sizeof *schedule->waiting);
    scan->waiting = count - head;
    draft_phases(scan, 0);
    if (fresh) {
        draft_end(scan);
    }
}

/* Steps [first, end), none of them a shear, the last ones of the plan or before a shear. */
static void draft_segment(struct draft_scan *scan, size_t first, size_t end, bool last)
{
    struct ks_schedule *schedule = scan->schedule;
    size_t head = 0;
    size_t count = 0;
    size_t rotations = 0;

    for (size_t i = first; i < end; i++) {
        if (scan->plan->steps[i].kind == KS_STEP_GROW) {
            schedule->growers[scan->plan->steps[i].slot] = (uint32_t)i;
            schedule->ungrown |= (uint64_t)1 << scan->plan->steps[i].slot;
        } else {
            schedule->queue[count++] = (uint32_t)i;
            rotations += scan->plan->steps[i].kind == KS_STEP_ROTATE;
        }
    }
    schedule->all |= schedule->ungrown;
    while (rotations > 0) {
        const uint64_t previous = scan->previous;
        const size_t before = rotations;

        draft_pass(scan, &head, count);
        for (size_t i = 0; i < scan->draft->count; i++) {
            const uint32_t index = schedule->list[scan->draft->first + i];

            rotations -= step_at(scan, index)->kind == KS_STEP_ROTATE;
        }
        if (rotations == before) {
            schedule->draft_count--;
            scan->previous = previous;
            draft_unfold(scan, head, count, end);
        }
    }
    while (schedule->ungrown != 0) {
        draft_begin(scan);
        draft_growth(scan);
        draft_end(scan);
    }
    if (head < count && !(last && scan->plan->drop_phases)) {
        draft_rest(scan, head, count);
    }
}

static void draft_all(struct ks_plan *plan, struct ks_schedule *schedule)
{
    struct draft_scan scan = {.plan = plan, .schedule = schedule};
    const uint32_t tile = ks_plan_tile(plan);
    size_t first = 0;

    schedule->draft_count = 0;
    schedule->ungrown = 0;
    schedule->all = ((uint64_t)1 << plan->slots_first) - 1;
    scan.previous = ((uint64_t)1 << (plan->slots_first < tile ? plan->slots_first : tile)) - 1;
    for (size_t i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].kind == KS_STEP_SHEAR) {
            draft_segment(&scan, first, i, false);
            draft_shear(&scan, plan->steps[i].flips, plan->steps[i].masks[0]);
            first = i + 1;
        }
    }
    draft_segment(&scan, first, plan->step_count, true);
}

/* --- where the slots lie in memory -------------------------------------------------------- */

/* How often the rotations of DRAFT flip each slot. */
static void count_flips(const struct ks_plan *plan, const struct ks_schedule *schedule,
                        const struct ks_draft *draft, uint32_t counts[KS_SLOTS_MAX])
{
    ks_zero(counts, KS_SLOTS_MAX * sizeof *counts);
    for (size_t i = 0; i < draft->count; i++) {
        uint64_t bits = plan->steps[schedule->list[draft->first + i]].flips;

        for (; bits != 0; bits &= bits - 1) {
            counts[__builtin_ctzll(bits)]++;
        }
    }
}

/* Puts into TARGETS a new order of the tile's slots if the next pass needs another: those that
 * it has too come first, the ones that it flips least in the lanes. */
static void choose_targets(const struct ks_plan *plan, const struct ks_schedule *schedule,
                           const struct ks_draft *next, struct ks_pass *pass,
                           const uint8_t *slot_of)
{
    const unsigned tile = pass->tile_after;
    uint32_t counts[KS_SLOTS_MAX];
    uint8_t order[KS_SLOTS_MAX]; /* bits of the tile */
    uint8_t places[KS_SLOTS_MAX];
    bool apart = false;

    for (unsigned b = 0; b < tile; b++) {
        const bool shared = (next->slots >> slot_of[b] & 1) != 0;

        places[b] = pass->targets[b];
        apart = apart || (!shared && places[b] < SHARED_MIN(plan->precision));
    }
    if (!apart && pass->slots_after > tile) {
        return;
    }
    count_flips(plan, schedule, next, counts);
    for (unsigned b = 0; b < tile; b++) {
        const bool shared = (next->slots >> slot_of[b] & 1) != 0;
        unsigned at = b;

        for (; at > 0; at--) {
            const uint8_t slot = slot_of[order[at - 1]];
            const bool before = (next->slots >> slot & 1) != 0;

            if (before > shared || (before == shared && counts[slot] <= counts[slot_of[b]])) {
                break;
            }
            order[at] = order[at - 1];
        }
        order[at] = (uint8_t)b;
    }
    for (unsigned b = 1; b < tile; b++) { /* ascending places */
        const uint8_t place = places[b];
        unsigned at = b;

        for (; at > 0 && places[at - 1] > place; at--) {
            places[at] = places[at - 1];
        }
        places[at] = place;
    }
    for (unsigned i = 0; i < tile; i++) {
        pass->moves = pass->moves || pass->targets[order[i]] != places[i];
        pass->targets[order[i]] = places[i];
    }
}

/* The bits of a tile in the order of their places, then the new ones as they grow, then those
 * of the slots outside. Afterwards PLACES has the slots where the pass leaves them. */
static void lay_out(const struct ks_plan *plan, const struct ks_schedule *schedule,
                    const struct ks_draft *draft, const struct ks_draft *next,
                    struct ks_layout *layout, struct ks_pass *pass)
{
    uint8_t slot_of[KS_SLOTS_MAX];
    unsigned bits = 0;

    pass->slots_before = layout->slot_count;
    for (unsigned place = 0; place < layout->slot_count; place++) {
        if ((draft->slots >> layout->slot_at[place] & 1) != 0) {
            slot_of[bits] = layout->slot_at[place];
            pass->sources[bits++] = (uint8_t)place;
        }
    }
    pass->tile_before = (uint8_t)bits;
    for (size_t i = 0; i < draft->count; i++) {
        const struct ks_step *step = &plan->steps[schedule->list[draft->first + i]];

        if (step->kind == KS_STEP_GROW) {
            slot_of[bits] = step->slot;
            layout->slot_at[layout->slot_count] = step->slot;
            pass->sources[bits++] = layout->slot_count++;
        }
    }
    pass->tile_after = (uint8_t)bits;
    pass->slots_after = layout->slot_count;
    for (unsigned place = 0; place < pass->slots_before; place++) {
        if ((draft->slots >> layout->slot_at[place] & 1) == 0) {
            slot_of[bits] = layout->slot_at[place];
            pass->sources[bits++] = (uint8_t)place;
        }
    }
    for (unsigned b = 0; b < bits; b++) {
        layout->local[slot_of[b]] = (uint8_t)b;
        pass->targets[b] = pass->sources[b];
    }
    if (next != NULL && !next->shear) {
        choose_targets(plan, schedule, next, pass, slot_of);
    }
    for (unsigned b = 0; b < bits; b++) {
        layout->slot_at[pass->targets[b]] = slot_of[b];
    }
}

static uint64_t moved_bits(uint64_t bits, const uint8_t to[64])
{
    uint64_t moved = 0;

    for (; bits != 0; bits &= bits - 1) {
        moved |= (uint64_t)1 << to[__builtin_ctzll(bits)];
    }
    return moved;
}

/* The steps of DRAFT with bits as they lie in the tile. */
static void localise(const struct ks_plan *plan, struct ks_schedule *schedule,
                     const struct ks_draft *draft, const struct ks_layout *layout)
{
    for (size_t i = 0; i < draft->count; i++) {
        struct ks_step *step = &schedule->local[i];

        *step = plan->steps[schedule->list[draft->first + i]];
        step->flips = moved_bits(step->flips, layout->local);
        for (unsigned m = 0; m < KS_FACTORS_MAX; m++) {
            step->masks[m] = moved_bits(step->masks[m], layout->local);
        }
        if (step->kind == KS_STEP_GROW) {
            step->slot = layout->local[step->slot];
        }
    }
    schedule->local_count = draft->count;
    schedule->local_first = (uint32_t)draft->first;
}

/* A shear works on the slots where they lie. */
static void shear_pass(const struct ks_draft *draft, const struct ks_layout *layout,
                       struct ks_pass *pass)
{
    uint8_t place_of[64] = {0};

    for (unsigned place = 0; place < layout->slot_count; place++) {
        place_of[layout->slot_at[place]] = (uint8_t)place;
    }
    pass->kind = KS_PASS_SHEAR;
    pass->slots_before = layout->slot_count;
    pass->slots_after = layout->slot_count;
    pass->shear_flips = moved_bits(draft->shear_flips, place_of);
    pass->shear_mask = moved_bits(draft->shear_mask, place_of);
}

static void rename_slots(struct ks_frame *frame, const struct ks_layout *layout)
{
    uint8_t place_of[64] = {0};

    for (unsigned place = 0; place < layout->slot_count; place++) {
        place_of[layout->slot_at[place]] = (uint8_t)place;
    }
    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        struct ks_qubit *qubit = &frame->qubits[q];

        ks_qubit_set_parity(qubit, moved_bits(qubit->parity, place_of));
        qubit->flips = moved_bits(qubit->flips, place_of);
    }
}

enum ks_err ks_schedule_make(struct ks_plan *plan)
{
    enum ks_err err = KS_OK;
    struct ks_schedule *schedule = NULL;
    struct ks_layout layout = {.slot_count = (uint8_t)plan->slots_first};
    struct ks_pass *passes = NULL;
    size_t last_tiles = 0;

    KS_TRY(schedule_room(plan, &schedule));
    draft_all(plan, schedule);
    passes =
        ks_array_room(plan->passes, &plan->pass_cap, schedule->draft_count + 1, sizeof *passes);
    KS_CHECK(passes != NULL, KS_ERR_NOMEM, "no memory for %zu passes", schedule->draft_count);
    plan->passes = passes;
    for (unsigned place = 0; place < KS_SLOTS_MAX; place++) {
        layout.slot_at[place] = (uint8_t)place;
    }
    for (size_t i = 0; i < schedule->draft_count; i++) {
        last_tiles = schedule->drafts[i].shear ? last_tiles : i;
    }
    schedule->unscaled = 0;
    schedule->rotated = false;
    for (size_t i = 0; i < schedule->draft_count; i++) {
        const struct ks_draft *draft = &schedule->drafts[i];
        const bool last = i + 1 == schedule->draft_count;
        struct ks_pass *pass = &plan->passes[i];
        size_t chain = 0;

        *pass = (struct ks_pass){.first_group = plan->group_count};
        if (draft->shear) {
            shear_pass(draft, &layout, pass);
            continue;
        }
        lay_out(plan, schedule, draft, last ? NULL : draft + 1, &layout, pass);
        localise(plan, schedule, draft, &layout);
        KS_TRY(ks_groups_make(plan, schedule, pass, i == last_tiles));
        pass->group_count = plan->group_count - pass->first_group;
        chain = ks_chains_make(&plan->groups[pass->first_group], pass->group_count,
                               KS_LANES_LOG(plan->precision));
        plan->chain_max = plan->chain_max < chain ? chain : plan->chain_max;
    }
    plan->pass_count = schedule->draft_count;
    ks_groups_scale(plan);
    rename_slots(plan->frame, &layout);
out:
    return err;
}
