/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/state.h"

#include "quantum/philox.h"
#include "quantum/places.h"
#include "quantum/spread_state.h"

#define ALIGNMENT 64
/* Between the two arrays, so that equal indices do not fall into the same cache set. */
#define GAP 1088
/* Tiles begin where a huge page may. */
#define TILES_ALIGNMENT ((size_t)2 << 20)
#define PARTS           64
#define MOVED_RUN_LOG   9
/* A state of so many bytes is written around the caches where it has not been read before. */
#define PAST_MIN ((uint64_t)32 << 20)

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
    ks_free(state->entries);
    ks_free(state->spare);
    ks_free(state->rows);
    ks_free(state->tiles);
    *state =
        (struct ks_state){.kernels = state->kernels, .pool = state->pool, .team = state->team};
}

/* Slots of the amplitudes here. */
static uint32_t held(const struct ks_state *state)
{
    return state->team == NULL ? state->slot_count : state->spread.local;
}

static size_t block_count(size_t amps)
{
    return amps <= KS_BLOCK ? 1 : amps >> KS_BLOCK_LOG;
}

enum ks_err ks_state_reserve(struct ks_state *state, uint32_t slots)
{
    return state->team != NULL ? ks_spread_reserve(state, slots) : ks_state_room(state, slots);
}

enum ks_err ks_state_room(struct ks_state *state, uint32_t slots)
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
    grown.memory = ks_calloc_huge(1, 2 * size * amps_of(slots) + GAP + ALIGNMENT);
    KS_CHECK(grown.sums != NULL && grown.memory != NULL, KS_ERR_NOMEM,
             "no memory for the amplitudes of %u qubits", slots);
    grown.re =
        (void *)(((uintptr_t)grown.memory + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
    grown.im = (char *)grown.re + size * amps_of(slots) + GAP;
    grown.slot_cap = slots;
    if (state->memory != NULL) {
        ks_copy(grown.re, state->re, size * amps_of(held(state)));
        ks_copy(grown.im, state->im, size * amps_of(held(state)));
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

enum ks_err ks_state_reserve_half(const struct ks_state *state, struct ks_state *target)
{
    return state->team != NULL ? ks_spread_reserve_half(state, target)
                               : ks_state_room(target, state->slot_count - 1);
}

void ks_state_reset(struct ks_state *state)
{
    const size_t size = real_size(state->kernels->precision);

    state->slot_count = 0;
    state->spread = (struct ks_spread){0};
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

struct pass_run {
    const struct ks_state *state;
    const struct ks_plan *plan;
    const struct ks_pass *pass;
    const struct ks_outside *outside; /* NULL: the number of a tile is what is outside */
    bool past;                        /* the caches, when tiles are stored */
    bool once;                        /* there is one tile: entries are made chain by chain */
    size_t slices;
};

/* Where the entries of GROUP are, of the chain that begins with FIRST. */
static void *entries_of(const struct pass_run *run, const struct ks_group *first,
                        const struct ks_group *group)
{
    const size_t size = real_size(run->plan->precision);

    return run->once
               ? (char *)run->state->spare + (group->first_entry - first->first_entry) * size
               : (char *)run->state->entries + group->first_entry * size;
}

/* Does a chain of groups, all of them to a block before the next. */
static void do_chain(const struct pass_run *run, const struct ks_group *groups,
                     const struct ks_tile *tile, uint64_t outside)
{
    const struct ks_kernels *kernels = run->state->kernels;
    const unsigned shift = run->pass->tile_after - KS_LANES_LOG(kernels->precision);
    uint32_t parities[UINT8_MAX];

    for (unsigned i = 0; i < groups->chain; i++) {
        parities[i] = outside == 0 ? 0 : ks_group_parities(&groups[i], outside << shift);
    }
    for (size_t block = 0; block < (size_t)1 << groups->outer; block++) {
        for (unsigned i = 0; i < groups->chain; i++) {
            const struct ks_group *group = &groups[i];

            kernels->group(group, entries_of(run, groups, group), tile, parities[i],
                           block << group->inner, (block + 1) << group->inner);
        }
    }
}

static void do_groups(const struct pass_run *run, const struct ks_tile *tile, uint64_t outside)
{
    const struct ks_group *group = &run->plan->groups[run->pass->first_group];
    const struct ks_group *end = group + run->pass->group_count;

    for (; group < end && !ks_pool_cancelled(run->state->pool); group += group->chain) {
        for (unsigned i = 0; run->once && i < group->chain; i++) {
            run->state->kernels->fill(run->plan, group + i, run->state->rows,
                                      entries_of(run, group, group + i));
        }
        if (group->small) {
            run->state->kernels->small(group, entries_of(run, group, group), tile);
        } else {
            do_chain(run, group, tile, outside);
        }
    }
}

/* Copies the tile at ORIGIN of the state into TILE. */
static void load_tile(const struct pass_run *run, size_t origin, const struct ks_tile *tile)
{
    const struct ks_pass *pass = run->pass;
    const struct ks_kernels *kernels = run->state->kernels;
    const size_t size = real_size(kernels->precision);
    const size_t count = ks_places_run(pass->sources, pass->tile_before);

    if ((size_t)1 << pass->tile_before < KS_AMPS_MIN) { /* zeros behind, as in a state */
        ks_zero(tile->re, KS_AMPS_MIN * size);
        ks_zero(tile->im, KS_AMPS_MIN * size);
    }
    for (size_t i = 0; i < (size_t)1 << pass->tile_before; i += count) {
        const size_t from = origin | ks_places_index(i, pass->sources);

        kernels->load((const char *)run->state->re + from * size, i, count, tile->re);
        kernels->load((const char *)run->state->im + from * size, i, count, tile->im);
    }
}

/* How a tile is put back when its bits change places: the places in order, and for each the bit
 * of the tile that goes there. */
struct moved {
    uint8_t places[KS_SLOTS_MAX];
    uint8_t bits[KS_SLOTS_MAX];
    unsigned run_log;                 /* so many places are 0, 1, … */
    uint32_t low[1 << MOVED_RUN_LOG]; /* where the amplitudes of a run come from */
    bool picked;                      /* by the kernels' own way: */
    struct ks_move move;
};

/* Where amplitude INDEX of a folded tile lies. */
static size_t folded(size_t index, unsigned lanes)
{
    return ks_tile_fold(index >> lanes) << lanes | (index & (((size_t)1 << lanes) - 1));
}

static void moved_init(struct moved *moved, const struct ks_pass *pass,
                       const struct ks_kernels *kernels)
{
    const unsigned lanes = KS_LANES_LOG(kernels->precision);
    unsigned count = 0;

    for (uint8_t place = 0; place < pass->slots_after; place++) {
        for (uint8_t b = 0; b < pass->tile_after; b++) {
            if (pass->targets[b] == place) {
                moved->places[count] = place;
                moved->bits[count++] = b;
            }
        }
    }
    moved->run_log = 0;
    while (moved->run_log < count && moved->run_log < MOVED_RUN_LOG &&
           moved->places[moved->run_log] == moved->run_log) {
        moved->run_log++;
    }
    for (size_t i = 0; i < (size_t)1 << moved->run_log; i++) {
        moved->low[i] = (uint32_t)folded(ks_places_index(i, moved->bits), lanes);
    }
    moved->picked = kernels->move != NULL &&
                    ks_move_make(&moved->move, moved->bits, moved->places, count, lanes);
}

static void store_moved(const struct pass_run *run, const struct moved *moved, size_t origin,
                        const struct ks_tile *tile)
{
    const struct ks_kernels *kernels = run->state->kernels;
    const unsigned lanes = KS_LANES_LOG(kernels->precision);
    const size_t count = (size_t)1 << moved->run_log;
    const size_t size = real_size(kernels->precision);

    if (moved->picked) {
        kernels->move(tile->re, &moved->move, (char *)run->state->re + origin * size);
        kernels->move(tile->im, &moved->move, (char *)run->state->im + origin * size);
        return;
    }
    for (size_t i = 0; i < (size_t)1 << run->pass->tile_after; i += count) {
        const size_t to = origin | ks_places_index(i, moved->places);
        const size_t from = folded(ks_places_index(i, moved->bits), lanes);

        kernels->gather(tile->re, from, moved->low, count, (char *)run->state->re + to * size);
        kernels->gather(tile->im, from, moved->low, count, (char *)run->state->im + to * size);
    }
}

static void store_tile(const struct pass_run *run, size_t origin, const struct ks_tile *tile)
{
    const struct ks_pass *pass = run->pass;
    const struct ks_kernels *kernels = run->state->kernels;
    const size_t size = real_size(kernels->precision);
    const size_t count = ks_places_run(pass->targets, pass->tile_after);

    for (size_t i = 0; i < (size_t)1 << pass->tile_after; i += count) {
        const size_t to = origin | ks_places_index(i, pass->targets);

        kernels->store(tile->re, i, count, (char *)run->state->re + to * size, run->past);
        kernels->store(tile->im, i, count, (char *)run->state->im + to * size, run->past);
    }
    if (run->past) {
        kernels->drain();
    }
}

/* Where SLICE of the tiles' memory begins. */
static struct ks_tile tile_of(const struct ks_state *state, size_t slice, unsigned log)
{
    const size_t size = real_size(state->kernels->precision);
    const size_t part = (size << log) + GAP;
    const uintptr_t start =
        ((uintptr_t)state->tiles + TILES_ALIGNMENT - 1) & ~(uintptr_t)(TILES_ALIGNMENT - 1);

    return (struct ks_tile){
        .folded = true,
        .re = (char *)start + 2 * slice * part,
        .im = (char *)start + (2 * slice + 1) * part,
    };
}

static uint64_t outside_of(const struct pass_run *run, size_t tile)
{
    return run->outside == NULL
               ? tile
               : run->outside->base | ks_places_index(tile, run->outside->places);
}

static void tiles_task(void *context, size_t slice)
{
    const struct pass_run *run = context;
    const struct ks_pass *pass = run->pass;
    const size_t tiles = (size_t)1 << (pass->slots_before - pass->tile_before);
    const size_t end = tiles * (slice + 1) / run->slices;
    struct ks_tile tile =
        tile_of(run->state, slice, KS_TILE_LOG(run->state->kernels->precision));

    struct moved moved;

    if (pass->moves) {
        moved_init(&moved, pass, run->state->kernels);
    }
    for (size_t i = tiles * slice / run->slices;
         i < end && !ks_pool_cancelled(run->state->pool); i++) {
        const size_t origin = ks_places_index(i, pass->sources + pass->tile_after);

        load_tile(run, origin, &tile);
        do_groups(run, &tile, outside_of(run, i));
        if (pass->moves) {
            store_moved(run, &moved, origin, &tile);
        } else {
            store_tile(run, origin, &tile);
        }
    }
}

/* The whole state is one tile, and stays where it is. */
static bool is_whole(const struct ks_pass *pass)
{
    return pass->tile_before == pass->slots_before && !pass->moves &&
           ks_places_run(pass->sources, pass->tile_before) == (size_t)1 << pass->tile_before;
}

static void run_whole(struct pass_run *run)
{
    const struct ks_tile tile = {
        .re = run->state->re,
        .im = run->state->im,
    };

    run->once = true;
    do_groups(run, &tile, outside_of(run, 0));
}

static void run_tiles(struct pass_run *run)
{
    const struct ks_pass *pass = run->pass;
    const size_t threads = ks_pool_threads(run->state->pool);
    const size_t tiles = (size_t)1 << (pass->slots_before - pass->tile_before);

    if (is_whole(pass)) {
        run_whole(run);
        return;
    }
    run->past = pass->slots_after > pass->slots_before &&
                ks_state_bytes(pass->slots_after, run->state->kernels->precision) >= PAST_MIN;
    run->slices = threads < tiles ? threads : tiles;
    ks_pool_run(run->state->pool, tiles_task, run, run->slices);
}

struct shear_run {
    const struct ks_state *state;
    const struct ks_pass *pass;
    bool odd;
};

static void swap_reals(void *part, size_t a, size_t b, bool is_double)
{
    if (is_double) {
        const double kept = ((double *)part)[a];

        ((double *)part)[a] = ((double *)part)[b];
        ((double *)part)[b] = kept;
    } else {
        const float kept = ((float *)part)[a];

        ((float *)part)[a] = ((float *)part)[b];
        ((float *)part)[b] = kept;
    }
}

static void shear_task(void *context, size_t slice)
{
    const struct shear_run *run = context;
    const struct ks_pass *pass = run->pass;
    const size_t count = (size_t)1 << pass->slots_before;
    const size_t slices = count < PARTS ? 1 : PARTS;
    const bool is_double = run->state->kernels->precision == KS_PRECISION_DOUBLE;

    for (size_t i = count / slices * slice; i < count / slices * (slice + 1); i++) {
        const size_t other = i ^ (size_t)pass->shear_flips;

        if (i < other && (ks_parity(i & pass->shear_mask) != 0) != run->odd) {
            swap_reals(run->state->re, i, other, is_double);
            swap_reals(run->state->im, i, other, is_double);
        }
    }
}

/* Room for COUNT numbers at *MEMORY, which has room for *CAP; what was there is gone. */
static enum ks_err numbers_room(void **memory, size_t *cap, size_t count, size_t size)
{
    if (*cap < count) {
        ks_free(*memory);
        *cap = 0;
        *memory = ks_calloc(count, size);
        if (*memory == NULL) {
            return ks_fail(KS_ERR_NOMEM, "no memory for a plan's factors");
        }
        *cap = count;
    }
    return KS_OK;
}

/* Whether PASS goes over tiles, whose entries are all made before. */
static bool has_tiles(const struct ks_state *state, const struct ks_pass *pass)
{
    return pass->kind == KS_PASS_TILES && (state->team != NULL || !is_whole(pass));
}

static enum ks_err run_room(struct ks_state *state, const struct ks_plan *plan)
{
    const size_t size = real_size(state->kernels->precision);
    const unsigned tile = KS_TILE_LOG(state->kernels->precision);
    const size_t threads = ks_pool_threads(state->pool);
    enum ks_err err = KS_OK;
    void *rows = state->rows;
    bool tiles = false;

    for (size_t i = 0; i < plan->pass_count; i++) {
        tiles = tiles || has_tiles(state, &plan->passes[i]);
    }
    if (tiles) {
        KS_TRY(numbers_room(&state->entries, &state->entry_cap, plan->entry_count, size));
    }
    KS_TRY(numbers_room(&state->spare, &state->spare_cap, plan->chain_max, size));
    err = numbers_room(&rows, &state->row_cap, plan->row_max, sizeof *state->rows);
    state->rows = rows;
    KS_TRY(err);
    if (tiles && state->tiles == NULL) {
        state->tiles =
            ks_calloc_huge(1, ((2 * threads * ((size << tile) + GAP) / TILES_ALIGNMENT) + 2) *
                                  TILES_ALIGNMENT);
        KS_CHECK(state->tiles != NULL, KS_ERR_NOMEM, "no memory for the tiles of %zu threads",
                 threads);
    }
out:
    return err;
}

enum ks_err ks_state_prepare(struct ks_state *state, const struct ks_plan *plan)
{
    const size_t size = real_size(state->kernels->precision);
    enum ks_err err = KS_OK;

    KS_ASSERT(plan->precision == state->kernels->precision);
    KS_ASSERT(plan->slots_first == state->slot_count);
    KS_TRY(run_room(state, plan));
    for (size_t i = 0; i < plan->pass_count; i++) {
        const struct ks_pass *pass = &plan->passes[i];

        for (size_t g = pass->first_group;
             has_tiles(state, pass) && g < pass->first_group + pass->group_count; g++) {
            state->kernels->fill(plan, &plan->groups[g], state->rows,
                                 (char *)state->entries + plan->groups[g].first_entry * size);
        }
    }
out:
    return err;
}

void ks_state_pass(struct ks_state *state, const struct ks_plan *plan,
                   const struct ks_pass *pass, const struct ks_outside *outside, bool odd)
{
    struct pass_run run = {.state = state, .plan = plan, .pass = pass, .outside = outside};
    struct shear_run shear = {.state = state, .pass = pass, .odd = odd};

    if (pass->kind == KS_PASS_SHEAR) {
        ks_pool_run(pass->slots_before < 14 ? NULL : state->pool, shear_task, &shear,
                    (size_t)1 << pass->slots_before < PARTS ? 1 : PARTS);
    } else {
        run_tiles(&run);
    }
}

enum ks_err ks_state_run(struct ks_state *state, const struct ks_plan *plan)
{
    enum ks_err err = KS_OK;

    if (state->team != NULL) {
        return ks_spread_run(state, plan);
    }
    KS_ASSERT(plan->slots_peak <= state->slot_cap);
    KS_TRY(ks_state_prepare(state, plan));
    for (size_t i = 0; i < plan->pass_count && !ks_pool_cancelled(state->pool); i++) {
        ks_state_pass(state, plan, &plan->passes[i], NULL, false);
        state->slot_count = plan->passes[i].slots_after;
    }
out:
    return err;
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
    double weights[2] = {0, 0};
    size_t blocks = 0;

    if (state->team != NULL) {
        ks_spread_weights(state, slot, out_weights);
        return;
    }
    blocks = sum_blocks(state, slot);
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

    if (state->team != NULL) {
        ks_spread_halve_into(state, slot, value, scale, target);
        return;
    }
    KS_ASSERT(slot < state->slot_count && state->slot_count - 1 <= target->slot_cap);
    target->slot_count = state->slot_count - 1;
    to = view_all(target);
    state->kernels->halve(&from, slot, value, scale, &to);
}

size_t ks_state_last(const struct ks_state *state, const struct ks_view *view)
{
    const size_t size = real_size(state->kernels->precision);
    size_t i = view->count - 1;

    for (; i > 0; i--) {
        const struct ks_view one = {
            .re = (char *)view->re + i * size, .im = (char *)view->im + i * size, .count = 1};
        double sum = 0;

        if (state->kernels->find(&one, 0, &sum, 0) == 0) {
            break;
        }
    }
    return i;
}

void ks_state_sample(struct ks_state *state, uint64_t *draws, size_t count)
{
    size_t blocks = 0;
    const size_t amps = (size_t)1 << state->slot_count;
    const size_t block_size = amps < KS_BLOCK ? amps : KS_BLOCK;
    double total = 0;
    double before = 0; /* the blocks in front of BLOCK */
    double inside = 0; /* the amplitudes of BLOCK in front of FROM */
    size_t last = 0;   /* the last block with anything in it */
    size_t block = 0;
    size_t from = 0;

    if (state->team != NULL) {
        ks_spread_sample(state, draws, count);
        return;
    }
    blocks = sum_blocks(state, KS_NO_SLOT);
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
            from = ks_state_last(state, &view);
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
