/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/state.h"

#include "quantum/philox.h"

#define ALIGNMENT 64
/* Between the two arrays, so that equal indices do not fall into the same cache set. */
#define GAP 1088
/* Steps on low slots are done tile by tile: 256 KiB in double, half of a common L2. No bit of
 * the result depends on it. */
#define TILE_LOG 14
#define PARTS    64

_Static_assert(GAP % ALIGNMENT == 0, "both arrays are aligned");

/* --- memory ------------------------------------------------------------------------------- */

static size_t real_size(enum ks_precision precision)
{
    return precision == KS_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);
}

static size_t amps_of(uint32_t slots)
{
    const size_t amps = (size_t)1 << slots;

    return amps < KS_AMPS_MIN ? KS_AMPS_MIN : amps;
}

uint64_t ks_state_bytes(uint32_t slots, enum ks_precision precision)
{
    const uint32_t shift = precision == KS_PRECISION_DOUBLE ? 4 : 3;

    if (slots + shift > 63) {
        return UINT64_MAX;
    }
    return (uint64_t)amps_of(slots) << shift;
}

void ks_state_init(struct ks_state *state, const struct ks_kernels *kernels,
                   struct ks_pool *pool)
{
    *state = (struct ks_state){.kernels = kernels, .pool = pool};
}

void ks_state_done(struct ks_state *state)
{
    ks_free(state->memory);
    ks_free(state->sums);
    ks_state_init(state, state->kernels, state->pool);
}

static size_t block_count(size_t amps)
{
    return amps <= KS_BLOCK ? 1 : amps >> KS_BLOCK_LOG;
}

enum ks_err ks_state_reserve(struct ks_state *state, uint32_t slots)
{
    const size_t size = real_size(state->kernels->precision);
    enum ks_err err = KS_OK;
    struct ks_state grown = *state;

    if (state->memory != NULL && slots <= state->slot_cap) {
        return KS_OK;
    }
    KS_ASSERT(slots <= KS_SLOTS_MAX);
    grown.memory = NULL;
    grown.sums = ks_calloc(block_count(amps_of(slots)), 2 * sizeof *grown.sums);
    grown.memory = ks_calloc(1, 2 * size * amps_of(slots) + GAP + ALIGNMENT);
    KS_CHECK(grown.sums != NULL && grown.memory != NULL, KS_ERR_NOMEM,
             "no memory for the amplitudes of %u qubits", slots);
    grown.re =
        (void *)(((uintptr_t)grown.memory + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
    grown.im = (char *)grown.re + size * amps_of(slots) + GAP;
    grown.slot_cap = slots;
    if (state->memory != NULL) {
        ks_copy(grown.re, state->re, size * amps_of(state->slot_count));
        ks_copy(grown.im, state->im, size * amps_of(state->slot_count));
    }
    ks_free(state->memory);
    ks_free(state->sums);
    *state = grown;
    grown.memory = NULL;
    grown.sums = NULL;
out:
    ks_free(grown.memory);
    ks_free(grown.sums);
    return err;
}

void ks_state_reset(struct ks_state *state)
{
    const size_t size = real_size(state->kernels->precision);

    state->slot_count = 0;
    ks_zero(state->re, size * KS_AMPS_MIN);
    ks_zero(state->im, size * KS_AMPS_MIN);
    if (state->kernels->precision == KS_PRECISION_DOUBLE) {
        *(double *)state->re = 1;
    } else {
        *(float *)state->re = 1;
    }
}

/* Amplitudes [origin, origin + count). */
static struct ks_view view_of(const struct ks_state *state, size_t origin, size_t count)
{
    const size_t size = real_size(state->kernels->precision);

    return (struct ks_view){
        .re = (char *)state->re + origin * size,
        .im = (char *)state->im + origin * size,
        .origin = origin,
        .count = count,
    };
}

static struct ks_view view_all(const struct ks_state *state)
{
    return view_of(state, 0, (size_t)1 << state->slot_count);
}

/* --- running a plan ----------------------------------------------------------------------- */

struct pass {
    const struct ks_state *state;
    const struct ks_plan *plan;
    size_t first; /* steps [first, end) */
    size_t end;
};

/* One step on part SLICE of the whole state. */
static void part_task(void *context, size_t slice)
{
    const struct pass *pass = context;
    const struct ks_view view = view_all(pass->state);

    pass->state->kernels->apply(&view, &pass->plan->steps[pass->first], pass->plan->entries,
                                slice, PARTS);
}

/* All steps of the pass on tile SLICE. */
static void tile_task(void *context, size_t slice)
{
    const struct pass *pass = context;
    const struct ks_view view = view_of(pass->state, slice << TILE_LOG, (size_t)1 << TILE_LOG);

    for (size_t i = pass->first; i < pass->end; i++) {
        pass->state->kernels->apply(&view, &pass->plan->steps[i], pass->plan->entries, 0, 1);
    }
}

static bool fits_tile(const struct ks_step *step)
{
    return step->kind == KS_STEP_DIAGONAL ||
           (step->kind != KS_STEP_GROW && step->target < TILE_LOG);
}

void ks_state_run(struct ks_state *state, const struct ks_plan *plan)
{
    struct pass pass = {.state = state, .plan = plan};

    KS_ASSERT(plan->slots_peak <= state->slot_cap);
    while (pass.first < plan->step_count && !ks_pool_cancelled(state->pool)) {
        const struct ks_step *step = &plan->steps[pass.first];

        pass.end = pass.first + 1;
        if (state->slot_count <= TILE_LOG) {
            const struct ks_view view = view_all(state);

            state->kernels->apply(&view, step, plan->entries, 0, 1);
        } else if (fits_tile(step)) {
            while (pass.end < plan->step_count && fits_tile(&plan->steps[pass.end])) {
                pass.end++;
            }
            ks_pool_run(state->pool, tile_task, &pass,
                        (size_t)1 << (state->slot_count - TILE_LOG));
        } else {
            ks_pool_run(state->pool, part_task, &pass, PARTS);
        }
        state->slot_count += step->kind == KS_STEP_GROW;
        pass.first = pass.end;
    }
}

/* --- sums --------------------------------------------------------------------------------- */

struct sum_pass {
    struct ks_state *state;
    uint32_t slot;
    size_t blocks;
    size_t slices;
};

static void sum_task(void *context, size_t slice)
{
    const struct sum_pass *pass = context;
    const size_t amps = (size_t)1 << pass->state->slot_count;
    const size_t per_slice = pass->blocks / pass->slices; /* both are powers of two */

    for (size_t block = slice * per_slice; block < (slice + 1) * per_slice; block++) {
        const struct ks_view view =
            view_of(pass->state, block << KS_BLOCK_LOG, amps < KS_BLOCK ? amps : KS_BLOCK);

        pass->state->kernels->sums(&view, pass->slot, &pass->state->sums[2 * block]);
    }
}

/* Fills state->sums; returns the number of blocks. */
static size_t sum_blocks(struct ks_state *state, uint32_t slot)
{
    struct sum_pass pass = {
        .state = state,
        .slot = slot,
        .blocks = block_count((size_t)1 << state->slot_count),
    };

    pass.slices = pass.blocks < PARTS ? pass.blocks : PARTS;
    if (pass.blocks <= 4) {
        pass.slices = 1; /* waking threads would take longer */
    }
    ks_pool_run(state->pool, sum_task, &pass, pass.slices);
    return pass.blocks;
}

void ks_state_weights(struct ks_state *state, uint32_t slot, double out_weights[2])
{
    const size_t blocks = sum_blocks(state, slot);
    double weights[2] = {0, 0};

    for (size_t block = 0; block < blocks; block++) {
        weights[0] += state->sums[2 * block];
        weights[1] += state->sums[2 * block + 1];
    }
    out_weights[0] = weights[0];
    out_weights[1] = weights[1];
}

/* --- measuring ---------------------------------------------------------------------------- */

void ks_state_halve(struct ks_state *state, uint32_t slot, bool value, double scale)
{
    ks_state_halve_into(state, slot, value, scale, state);
}

void ks_state_halve_into(const struct ks_state *state, uint32_t slot, bool value, double scale,
                         struct ks_state *target)
{
    const struct ks_view from = view_all(state);
    struct ks_view to;

    KS_ASSERT(slot < state->slot_count && state->slot_count - 1 <= target->slot_cap);
    target->slot_count = state->slot_count - 1;
    to = view_all(target);
    state->kernels->halve(&from, slot, value, scale, &to);
}

/* The last amplitude of BLOCK that is not zero. */
static size_t last_of_block(const struct ks_state *state, size_t block, size_t size)
{
    size_t i = size - 1;

    for (; i > 0; i--) {
        const struct ks_view view = view_of(state, (block << KS_BLOCK_LOG) + i, 1);
        double sum = 0;

        if (state->kernels->find(&view, 0, &sum, 0) == 0) {
            break;
        }
    }
    return i;
}

void ks_state_sample(struct ks_state *state, uint64_t *draws, size_t count)
{
    const size_t blocks = sum_blocks(state, KS_NO_SLOT);
    const size_t amps = (size_t)1 << state->slot_count;
    const size_t block_size = amps < KS_BLOCK ? amps : KS_BLOCK;
    double total = 0;
    double before = 0; /* the blocks in front of BLOCK */
    double inside = 0; /* the amplitudes of BLOCK in front of FROM */
    size_t last = 0;   /* the last block with anything in it */
    size_t block = 0;
    size_t from = 0;

    for (size_t i = 0; i < blocks; i++) {
        total += state->sums[2 * i];
        last = state->sums[2 * i] > 0 ? i : last;
    }
    for (size_t i = 0; i < count; i++) {
        const double target = (double)draws[i] * (1.0 / ((uint64_t)1 << KS_DRAW_BITS)) * total;
        struct ks_view view;

        while (block < last && target >= before + state->sums[2 * block]) {
            before += state->sums[2 * block];
            block++;
            from = 0;
            inside = 0;
        }
        view = view_of(state, block << KS_BLOCK_LOG, block_size);
        from = state->kernels->find(&view, from, &inside, target - before);
        if (from == block_size) {
            /* The block's sum was rounded above the sum of its amplitudes one by one: its last
             * amplitude that is not zero takes the difference. */
            from = last_of_block(state, block, block_size);
        }
        draws[i] = (block << KS_BLOCK_LOG) + from;
    }
}

void ks_state_squares(const struct ks_state *state, double *out_squares)
{
    const size_t amps = (size_t)1 << state->slot_count;

    for (size_t i = 0; i < amps; i++) {
        const struct ks_view view = view_of(state, i, 1);
        const bool is_double = state->kernels->precision == KS_PRECISION_DOUBLE;
        const double re = is_double ? *(double *)view.re : (double)*(float *)view.re;
        const double im = is_double ? *(double *)view.im : (double)*(float *)view.im;

        out_squares[i] = re * re + im * im;
    }
}

void ks_state_amplitude(const struct ks_state *state, size_t index, double out_amplitude[2])
{
    if (state->kernels->precision == KS_PRECISION_DOUBLE) {
        out_amplitude[0] = ((const double *)state->re)[index];
        out_amplitude[1] = ((const double *)state->im)[index];
    } else {
        out_amplitude[0] = (double)((const float *)state->re)[index];
        out_amplitude[1] = (double)((const float *)state->im)[index];
    }
}
