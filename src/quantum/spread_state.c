/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/spread_state.h"

#include "quantum/philox.h"
#include "quantum/places.h"
#include "quantum/simulate.h"
#include "quantum/watch.h"

static size_t real_size(const struct ks_state *state)
{
    return state->kernels->precision == KS_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);
}

static uint32_t rank_of(const struct ks_state *state)
{
    return state->team->ranks->rank;
}

static uint32_t tile_of(const struct ks_team *team, enum ks_precision precision)
{
    const struct ks_plan plan = {.precision = precision, .tile = team->tile};

    return ks_plan_tile(&plan);
}

static uint64_t sum_count(uint32_t slots)
{
    return slots <= KS_BLOCK_LOG ? 2 : (uint64_t)2 << (slots - KS_BLOCK_LOG);
}

/* --- memory ------------------------------------------------------------------------------- */

uint64_t ks_spread_bytes(const struct ks_team *team, uint32_t slots,
                         enum ks_precision precision)
{
    const uint32_t share = ks_spread_share(slots, team->rank_bits, tile_of(team, precision));
    const uint64_t bytes = ks_state_bytes(share, precision);
    const uint64_t sums = slots > KS_SLOTS_MAX ? 0 : sum_count(slots) * sizeof(double);

    return bytes > UINT64_MAX - sums ? UINT64_MAX : bytes + sums;
}

enum ks_err ks_spread_refuse(const struct ks_team *team, uint32_t slots,
                             enum ks_precision precision, uint64_t limit)
{
    const char *name = precision == KS_PRECISION_DOUBLE ? "double" : "single";
    struct ks_team more = *team;
    char needed[KS_SIZE_TEXT_MAX];
    char most[KS_SIZE_TEXT_MAX];

    ks_size_text(ks_spread_bytes(team, slots, precision), needed);
    ks_size_text(limit, most);
    while (more.rank_bits < KS_RANK_BITS_MAX &&
           ks_spread_bytes(&more, slots, precision) > limit) {
        more.rank_bits++;
    }
    if (ks_spread_bytes(&more, slots, precision) > limit) {
        return ks_fail(KS_ERR_LIMIT,
                       "needs %s on each of %u ranks for %u qubits in %s precision, limit %s; "
                       "%u ranks need more, too",
                       needed, team->ranks->count, slots, name, most, KS_RANKS_MAX);
    }
    return ks_fail(KS_ERR_LIMIT,
                   "needs %s on each of %u ranks for %u qubits in %s precision, limit %s; %u "
                   "ranks would do",
                   needed, team->ranks->count, slots, name, most, 1u << more.rank_bits);
}

/* Room for LOCAL slots here on all ranks, or on none. */
static enum ks_err room(struct ks_state *state, uint32_t local, uint32_t slots)
{
    enum ks_err err = ks_state_room(state, local);
    bool all = false;

    if (err == KS_OK) {
        err = ks_team_sums(state->team, (size_t)sum_count(slots));
    }
    KS_TRY(ks_team_vote(state->team, err == KS_OK, &all));
    KS_CHECK(all, KS_ERR_NOMEM,
             "a rank has no memory for its share of the amplitudes of %u qubits", slots);
out:
    return err;
}

enum ks_err ks_spread_reserve(struct ks_state *state, uint32_t slots)
{
    const uint32_t share = ks_spread_share(slots, state->team->rank_bits,
                                           tile_of(state->team, state->kernels->precision));

    return room(state, share > state->spread.local ? share : state->spread.local, slots);
}

enum ks_err ks_spread_reserve_half(const struct ks_state *state, struct ks_state *target)
{
    return room(target, state->spread.local - 1u, state->slot_count);
}

/* --- exchanging --------------------------------------------------------------------------- */

/* Amplitudes that lie at FIXED and any bits at PLACES, COUNT of these. */
struct part {
    size_t fixed;
    uint8_t places[KS_SLOTS_MAX];
    unsigned count;
};

/* Local bits but those of TAKEN. */
static void part_init(struct part *part, const struct ks_state *state, uint64_t taken)
{
    *part = (struct part){0};
    for (uint8_t bit = 0; bit < state->spread.local; bit++) {
        if ((taken >> bit & 1) == 0) {
            part->places[part->count++] = bit;
        }
    }
}

/* Amplitudes that go at one time. */
static size_t chunk_of(const struct ks_state *state)
{
    return KS_EXCHANGE_MAX / (2 * real_size(state));
}

/* COUNT amplitudes of PART from its number FIRST on, to BUFFER or from there. */
static void copy_out(const struct ks_state *state, const struct part *part, size_t first,
                     size_t count)
{
    const size_t size = real_size(state);
    const size_t whole = ks_places_run(part->places, part->count);
    const size_t run = whole < count ? whole : count;
    char *buffer = state->team->send;

    for (size_t i = 0; i < count; i += run) {
        const size_t at = part->fixed | ks_places_index(first + i, part->places);

        ks_copy(buffer + i * size, (const char *)state->re + at * size, run * size);
        ks_copy(buffer + (count + i) * size, (const char *)state->im + at * size, run * size);
    }
}

static void copy_in(const struct ks_state *state, const struct part *part, size_t first,
                    size_t count)
{
    const size_t size = real_size(state);
    const size_t whole = ks_places_run(part->places, part->count);
    const size_t run = whole < count ? whole : count;
    const char *buffer = state->team->receive;

    for (size_t i = 0; i < count; i += run) {
        const size_t at = part->fixed | ks_places_index(first + i, part->places);

        ks_copy((char *)state->re + at * size, buffer + i * size, run * size);
        ks_copy((char *)state->im + at * size, buffer + (count + i) * size, run * size);
    }
}

/* What is in GIVES goes to PARTNER, what comes goes to TAKES. */
static enum ks_err exchange_parts(struct ks_state *state, uint32_t partner,
                                  const struct part *gives, const struct part *takes)
{
    const size_t all = (size_t)1 << gives->count;
    const size_t chunk = chunk_of(state) < all ? chunk_of(state) : all;
    enum ks_err err = KS_OK;

    for (size_t first = 0; first < all; first += chunk) {
        copy_out(state, gives, first, chunk);
        KS_TRY(ks_team_exchange(state->team, partner, 2 * chunk * real_size(state)));
        copy_in(state, takes, first, chunk);
    }
out:
    return err;
}

/* Every rank keeps what has its own bits at the local places; what has those of another rank
 * goes there. */
static enum ks_err swap_places(struct ks_state *state, const struct ks_shift *shift)
{
    const struct ks_spread *spread = &state->spread;
    struct part part;
    uint64_t taken = 0;
    enum ks_err err = KS_OK;

    for (unsigned i = 0; i < shift->count; i++) {
        taken |= (uint64_t)1 << spread->at[shift->locals[i]];
    }
    part_init(&part, state, taken);
    for (uint32_t m = 1; m < 1u << shift->count; m++) {
        uint32_t partner = rank_of(state);

        part.fixed = 0;
        for (unsigned i = 0; i < shift->count; i++) {
            partner ^= (m >> i & 1) << (spread->at[shift->others[i]] - KS_AT_RANK);
        }
        for (unsigned i = 0; i < shift->count; i++) {
            const uint32_t bit = partner >> (spread->at[shift->others[i]] - KS_AT_RANK) & 1;

            part.fixed |= (size_t)bit << spread->at[shift->locals[i]];
        }
        KS_TRY(exchange_parts(state, partner, &part, &part));
    }
out:
    return err;
}

/* Two ranks put together what they have; the place's bit is the highest. */
static enum ks_err join_place(struct ks_state *state, const struct ks_shift *shift)
{
    const uint32_t bit = state->spread.at[shift->others[0]] - KS_AT_RANK;
    const bool upper = (rank_of(state) >> bit & 1) != 0;
    const size_t size = real_size(state);
    const size_t half = (size_t)1 << state->spread.local;
    struct part low;
    struct part high;
    enum ks_err err = KS_OK;

    part_init(&low, state, 0);
    high = low;
    high.fixed = half;
    if (upper) {
        ks_copy((char *)state->re + half * size, state->re, half * size);
        ks_copy((char *)state->im + half * size, state->im, half * size);
    }
    KS_TRY(exchange_parts(state, rank_of(state) ^ 1u << bit, upper ? &high : &low,
                          upper ? &low : &high));
out:
    return err;
}

/* Each rank keeps its half. */
static void divide_place(struct ks_state *state, const struct ks_shift *shift)
{
    const struct ks_view view = {
        .re = state->re, .im = state->im, .count = (size_t)1 << state->spread.local};

    state->kernels->halve(&view, state->spread.at[shift->locals[0]],
                          (rank_of(state) >> shift->others[0] & 1) != 0, 1, &view);
}

/* Together. */
static enum ks_err do_shift(struct ks_state *state, const struct ks_shift *shift)
{
    enum ks_err err = KS_OK;

    if (shift->kind == KS_SHIFT_DIVIDE) {
        divide_place(state, shift);
        ks_spread_apply(&state->spread, shift);
        return KS_OK;
    }
    if (shift->kind == KS_SHIFT_JOIN) {
        KS_TRY(room(state, state->spread.local + 1u, state->slot_count));
    }
    KS_TRY(ks_team_agree(state->team, ks_watch_go_on(state->pool)));
    state->team->traffic.exchanges++;
    KS_TRY(shift->kind == KS_SHIFT_JOIN ? join_place(state, shift) : swap_places(state, shift));
    ks_spread_apply(&state->spread, shift);
out:
    return err;
}

/* --- shears ------------------------------------------------------------------------------- */

/* A mask of places as it falls on local bits and on those of the rank. */
struct split_mask {
    uint64_t local;
    uint32_t rank;
};

static struct split_mask split(const struct ks_spread *spread, uint64_t mask)
{
    struct split_mask out = {0};

    for (; mask != 0; mask &= mask - 1) {
        const uint8_t at = spread->at[__builtin_ctzll(mask)];

        if (at < KS_AT_RANK) {
            out.local |= (uint64_t)1 << at;
        } else {
            out.rank |= 1u << (at - KS_AT_RANK);
        }
    }
    return out;
}

/* Number FROM of parts of BYTES becomes number TO. */
static void copy_run(char *target, size_t to, const char *source, size_t from, size_t bytes)
{
    ks_copy(target + to * bytes, source + from * bytes, bytes);
}

/* The lower of two ranks gives its amplitudes I with an odd parity, the upper one those at I ^
 * FLIPS, which are the ones that come here. */
static enum ks_err shear_across(struct ks_state *state, const struct split_mask *flips,
                                const struct split_mask *mask)
{
    const uint32_t partner = rank_of(state) ^ flips->rank;
    const uint32_t lower = partner < rank_of(state) ? partner : rank_of(state);
    const size_t turn = lower == rank_of(state) ? 0 : (size_t)flips->local;
    const unsigned odd = ks_parity(lower & mask->rank);
    const size_t all = (size_t)1 << state->spread.local;
    /* Neighbours up to the lowest bit that decides anything go the same way. */
    const size_t bits = (size_t)(mask->local | flips->local) | chunk_of(state) | all;
    const size_t run = bits & -bits;
    const size_t bytes = run * real_size(state);
    enum ks_err err = KS_OK;

    for (size_t first = 0; first < all;) {
        size_t end = first;
        size_t count = 0;

        for (; end < all && count < chunk_of(state) / run; end += run) {
            if ((ks_parity(end & mask->local) ^ odd) != 0) {
                const size_t from = (end ^ turn) / run;

                copy_run(state->team->send, 2 * count, state->re, from, bytes);
                copy_run(state->team->send, 2 * count + 1, state->im, from, bytes);
                count++;
            }
        }
        if (count > 0) {
            KS_TRY(ks_team_exchange(state->team, partner, 2 * count * bytes));
        }
        count = 0;
        for (size_t i = first; i < end; i += run) {
            if ((ks_parity(i & mask->local) ^ odd) != 0) {
                const size_t to = (i ^ turn) / run;

                copy_run(state->re, to, state->team->receive, 2 * count, bytes);
                copy_run(state->im, to, state->team->receive, 2 * count + 1, bytes);
                count++;
            }
        }
        first = end;
    }
out:
    return err;
}

static enum ks_err do_shear(struct ks_state *state, const struct ks_plan *plan,
                            const struct ks_pass *pass)
{
    const struct split_mask flips = split(&state->spread, pass->shear_flips);
    const struct split_mask mask = split(&state->spread, pass->shear_mask);
    struct ks_pass here = *pass;
    enum ks_err err = KS_OK;

    if (flips.rank == 0) {
        here.slots_before = state->spread.local;
        here.shear_flips = flips.local;
        here.shear_mask = mask.local;
        ks_state_pass(state, plan, &here, NULL, ks_parity(mask.rank & rank_of(state)) != 0);
        return KS_OK;
    }
    KS_TRY(ks_team_agree(state->team, ks_watch_go_on(state->pool)));
    state->team->traffic.exchanges++;
    KS_TRY(shear_across(state, &flips, &mask));
out:
    return err;
}

/* --- passes ------------------------------------------------------------------------------- */

/* PASS with its places as they are here. */
static void do_tiles(struct ks_state *state, const struct ks_plan *plan,
                     const struct ks_pass *pass)
{
    const struct ks_spread before = state->spread;
    const struct ks_spread *spread = &state->spread;
    struct ks_pass here = *pass;
    struct ks_outside outside = {0};
    unsigned bits = pass->tile_after;

    ks_spread_grow(&state->spread, (uint32_t)(pass->slots_after - pass->slots_before));
    here.slots_before = before.local;
    here.slots_after = spread->local;
    for (unsigned b = 0; b < pass->tile_after; b++) {
        here.sources[b] = spread->at[pass->sources[b]];
        here.targets[b] = spread->at[pass->targets[b]];
    }
    for (unsigned b = pass->tile_after; b < pass->slots_after; b++) {
        const uint8_t at = spread->at[pass->sources[b]];
        const unsigned bit = b - pass->tile_after; /* of what is outside */

        if (at < KS_AT_RANK) {
            outside.places[bits - pass->tile_after] = (uint8_t)bit;
            here.sources[bits] = at;
            here.targets[bits++] = at;
        } else {
            outside.base |= (uint64_t)(rank_of(state) >> (at - KS_AT_RANK) & 1) << bit;
        }
    }
    ks_state_pass(state, plan, &here, &outside, false);
}

enum ks_err ks_spread_run(struct ks_state *state, const struct ks_plan *plan)
{
    struct ks_exchanges exchanges = {0};
    enum ks_err err = KS_OK;
    size_t next = 0;

    KS_TRY(ks_team_check(state->team));
    err = ks_state_prepare(state, plan);
    if (err == KS_OK) {
        err = ks_exchanges_make(plan, &state->spread, state->team->rank_bits, &exchanges);
    }
    KS_TRY(ks_team_agree(state->team, err));
    if (exchanges.local_peak > state->slot_cap) { /* blocks larger than tiles: joins */
        KS_TRY(room(state, exchanges.local_peak, plan->slots_peak));
    }
    for (size_t i = 0; i <= plan->pass_count && !ks_pool_cancelled(state->pool); i++) {
        while (next < exchanges.count && exchanges.shifts[next].pass == i) {
            KS_TRY(do_shift(state, &exchanges.shifts[next++]));
        }
        if (i < plan->pass_count && plan->passes[i].kind == KS_PASS_SHEAR) {
            KS_TRY(do_shear(state, plan, &plan->passes[i]));
        } else if (i < plan->pass_count) {
            do_tiles(state, plan, &plan->passes[i]);
            state->slot_count = plan->passes[i].slots_after;
        }
    }
out:
    ks_exchanges_done(&exchanges);
    return err;
}

/* --- sums --------------------------------------------------------------------------------- */

/* The blocks of the whole state that are here. */
struct blocks {
    struct ks_state *state;
    uint32_t slot;
    unsigned log;                  /* of a block's amplitudes */
    struct part inside;            /* a block's amplitudes, in order */
    struct part here;              /* where the blocks that are here begin */
    uint8_t numbers[KS_SLOTS_MAX]; /* bit of a block's number, for each bit of HERE */
    size_t base;                   /* what the rank adds to the number */
    size_t count;
    bool owned; /* by this rank, of all that have them */
};

#define SLICES 64

static void blocks_init(struct blocks *blocks, struct ks_state *state, uint32_t slot)
{
    const struct ks_spread *spread = &state->spread;
    const unsigned slots = spread->slots;

    *blocks = (struct blocks){.state = state, .slot = slot};
    blocks->log = slots < KS_BLOCK_LOG ? slots : KS_BLOCK_LOG;
    for (unsigned place = 0; place < slots; place++) {
        const uint8_t at = spread->at[place];

        if (place < blocks->log) {
            blocks->inside.places[blocks->inside.count++] = at;
        } else if (at < KS_AT_RANK) {
            blocks->numbers[blocks->here.count] = (uint8_t)(place - blocks->log);
            blocks->here.places[blocks->here.count++] = at;
        } else {
            blocks->base |= (size_t)(rank_of(state) >> (at - KS_AT_RANK) & 1)
                            << (place - blocks->log);
        }
    }
    blocks->count = (size_t)1 << blocks->here.count;
    blocks->owned = (rank_of(state) & ~spread->used) == 0;
}

/* Room for one block in order. */
struct ordered {
    double re[KS_BLOCK];
    double im[KS_BLOCK];
};

/* Block NUMBER of those here, as it lies in one process's state; ORDERED is used where it does
 * not lie so here. */
static struct ks_view block_view(const struct blocks *blocks, size_t number,
                                 struct ordered *ordered)
{
    const struct ks_state *state = blocks->state;
    const size_t size = real_size(state);
    const size_t count = (size_t)1 << blocks->log;
    const size_t run = ks_places_run(blocks->inside.places, blocks->inside.count);
    const size_t from = ks_places_index(number, blocks->here.places);
    struct ks_view view = {
        .re = (char *)state->re + from * size,
        .im = (char *)state->im + from * size,
        .origin = (blocks->base | ks_places_index(number, blocks->numbers)) << blocks->log,
        .count = count,
    };

    if (run == count) {
        return view;
    }
    view.re = ordered->re;
    view.im = ordered->im;
    if (count < KS_AMPS_MIN) { /* zeros behind, as in a state */
        ks_zero(view.re, KS_AMPS_MIN * size);
        ks_zero(view.im, KS_AMPS_MIN * size);
    }
    for (size_t i = 0; i < count; i += run) {
        const size_t at = from | ks_places_index(i, blocks->inside.places);

        ks_copy((char *)view.re + i * size, (const char *)state->re + at * size, run * size);
        ks_copy((char *)view.im + i * size, (const char *)state->im + at * size, run * size);
    }
    return view;
}

static void blocks_task(void *context, size_t slice)
{
    const struct blocks *blocks = context;
    const size_t slices = blocks->count < SLICES ? 1 : SLICES;
    struct ordered ordered;

    for (size_t i = blocks->count / slices * slice; i < blocks->count / slices * (slice + 1);
         i++) {
        const struct ks_view view = block_view(blocks, i, &ordered);
        double *sums = &blocks->state->team->sums[2 * (view.origin >> blocks->log)];

        blocks->state->kernels->sums(&view, blocks->slot, sums);
    }
}

/* Together. The sums of all blocks, on all ranks; false where the team has failed. */
static bool sum_blocks(struct blocks *blocks)
{
    struct ks_state *state = blocks->state;
    struct ks_team *team = state->team;
    const size_t count = (size_t)sum_count(state->slot_count);

    ks_zero(team->sums, count * sizeof *team->sums);
    if (blocks->owned) {
        ks_pool_run(blocks->count <= 4 ? NULL : state->pool, blocks_task, blocks,
                    blocks->count < SLICES ? 1 : SLICES);
    }
    /* A sum is no negative number, so that its bits or zeros give its bits. */
    return ks_team_agree(team, ks_watch_go_on(state->pool)) == KS_OK &&
           ks_team_merge(team, (uint64_t *)(void *)team->sums, count) == KS_OK;
}

/* Together. All of NEED becomes local. */
static enum ks_err bring_in(struct ks_state *state, uint64_t need)
{
    struct ks_shift shift;
    enum ks_err err = ks_team_check(state->team);

    while (err == KS_OK && ks_spread_next(&state->spread, need, &shift)) {
        err = do_shift(state, &shift);
    }
    return err;
}

static uint64_t first_block(const struct ks_state *state)
{
    const uint32_t slots = state->slot_count;

    return ((uint64_t)1 << (slots < KS_BLOCK_LOG ? slots : KS_BLOCK_LOG)) - 1;
}

void ks_spread_weights(struct ks_state *state, uint32_t slot, double out_weights[2])
{
    const uint64_t bit = slot == KS_NO_SLOT ? 0 : (uint64_t)1 << slot;
    struct blocks blocks;
    double weights[2] = {0, 0};

    if (bring_in(state, first_block(state) | bit) == KS_OK) {
        blocks_init(&blocks, state, slot);
        if (sum_blocks(&blocks)) {
            for (size_t i = 0; i < sum_count(state->slot_count); i += 2) {
                weights[0] += state->team->sums[i];
                weights[1] += state->team->sums[i + 1];
            }
        }
    }
    out_weights[0] = weights[0];
    out_weights[1] = weights[1];
}

/* --- measuring ---------------------------------------------------------------------------- */

void ks_spread_halve_into(const struct ks_state *state, uint32_t slot, bool value, double scale,
                          struct ks_state *target)
{
    const struct ks_view from = {
        .re = state->re, .im = state->im, .count = (size_t)1 << state->spread.local};
    struct ks_view to = {.re = target->re, .im = target->im};
    const uint8_t bit = state->spread.at[slot];

    if (state->team->err != KS_OK) {
        return;
    }
    KS_ASSERT(bit < KS_AT_RANK && state->spread.local - 1u <= target->slot_cap);
    target->slot_count = state->slot_count - 1;
    target->spread = state->spread;
    ks_spread_drop(&target->spread, slot);
    to.count = (size_t)1 << target->spread.local;
    state->kernels->halve(&from, bit, value, scale, &to);
}

bool ks_spread_find(const struct ks_state *state, uint64_t index, size_t *out_local)
{
    const struct ks_spread *spread = &state->spread;
    size_t local = 0;

    for (unsigned place = 0; place < spread->slots; place++) {
        const uint32_t bit = (uint32_t)(index >> place & 1);

        if (spread->at[place] < KS_AT_RANK) {
            local |= (size_t)bit << spread->at[place];
        } else if ((rank_of(state) >> (spread->at[place] - KS_AT_RANK) & 1) != bit) {
            return false;
        }
    }
    *out_local = local;
    return true;
}

/* The number among the blocks here of block NUMBER, or false. */
static bool find_block(const struct blocks *blocks, size_t number, size_t *out_here)
{
    size_t here = 0;

    for (unsigned i = 0; i < blocks->here.count; i++) {
        here |= (number >> blocks->numbers[i] & 1) << i;
    }
    *out_here = here;
    return blocks->owned && (blocks->base | ks_places_index(here, blocks->numbers)) == number;
}

/* A block and how far it was gone through. */
struct cursor {
    size_t block;
    bool here;
    struct ks_view view;
    size_t from;
    double before; /* the blocks in front */
    double inside; /* the amplitudes of the block in front of FROM */
};

static void enter_block(const struct blocks *blocks, struct cursor *cursor,
                        struct ordered *ordered)
{
    size_t number = 0;

    cursor->from = 0;
    cursor->inside = 0;
    cursor->here = find_block(blocks, cursor->block, &number);
    if (cursor->here) {
        cursor->view = block_view(blocks, number, ordered);
    }
}

/* The same walk over the blocks on every rank; each looks into its own. */
static void find_draws(const struct blocks *blocks, uint64_t *draws, size_t count)
{
    const double *sums = blocks->state->team->sums;
    const size_t all = (size_t)sum_count(blocks->state->slot_count) / 2;
    struct cursor cursor = {0};
    struct ordered ordered;
    double total = 0;
    size_t last = 0; /* the last block with anything in it */
    bool fresh = true;

    for (size_t i = 0; i < all; i++) {
        total += sums[2 * i];
        last = sums[2 * i] > 0 ? i : last;
    }
    for (size_t i = 0; i < count; i++) {
        const double target = (double)draws[i] * (1.0 / ((uint64_t)1 << KS_DRAW_BITS)) * total;

        while (cursor.block < last && target >= cursor.before + sums[2 * cursor.block]) {
            cursor.before += sums[2 * cursor.block++];
            fresh = true;
        }
        if (fresh) {
            enter_block(blocks, &cursor, &ordered);
            fresh = false;
        }
        draws[i] = 0;
        if (cursor.here) {
            cursor.from = blocks->state->kernels->find(&cursor.view, cursor.from,
                                                       &cursor.inside, target - cursor.before);
            if (cursor.from == cursor.view.count) {
                cursor.from = ks_state_last(blocks->state, &cursor.view);
            }
            draws[i] = (cursor.block << blocks->log) + cursor.from;
        }
    }
}

void ks_spread_sample(struct ks_state *state, uint64_t *draws, size_t count)
{
    struct blocks blocks;

    if (bring_in(state, first_block(state)) != KS_OK) {
        return;
    }
    blocks_init(&blocks, state, KS_NO_SLOT);
    if (!sum_blocks(&blocks)) {
        return;
    }
    find_draws(&blocks, draws, count);
    /* Only the rank that has an amplitude has put its index there. */
    if (ks_team_agree(state->team, ks_watch_go_on(state->pool)) != KS_OK ||
        ks_team_merge(state->team, draws, count) != KS_OK) {
        return; /* the failure stays with the team */
    }
}
