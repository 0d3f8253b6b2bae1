/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/spread.h"

#include "quantum/array.h"

/* The next use of a place is looked for in so many passes. */
#define AHEAD_MAX 4096

static uint64_t places_below(uint32_t count)
{
    return ((uint64_t)1 << count) - 1;
}

/* --- where the places are ----------------------------------------------------------------- */

uint64_t ks_spread_local(const struct ks_spread *spread)
{
    uint64_t local = 0;

    KS_ASSERT(spread->slots <= KS_SLOTS_MAX);
    for (unsigned place = 0; place < spread->slots; place++) {
        local |= (uint64_t)(spread->at[place] < KS_AT_RANK) << place;
    }
    return local;
}

/* The local bit of PLACE is gone. */
static void close_gap(struct ks_spread *spread, unsigned place)
{
    const uint8_t bit = spread->at[place];

    KS_ASSERT(bit < KS_AT_RANK);
    for (unsigned other = 0; other < spread->slots; other++) {
        if (spread->at[other] < KS_AT_RANK && spread->at[other] > bit) {
            spread->at[other]--;
        }
    }
    spread->local--;
}

void ks_spread_apply(struct ks_spread *spread, const struct ks_shift *shift)
{
    if (shift->kind == KS_SHIFT_DIVIDE) {
        close_gap(spread, shift->locals[0]);
        spread->at[shift->locals[0]] = (uint8_t)(KS_AT_RANK + shift->others[0]);
        spread->used |= 1u << shift->others[0];
    } else if (shift->kind == KS_SHIFT_JOIN) {
        spread->used &= ~(1u << (spread->at[shift->others[0]] - KS_AT_RANK));
        spread->at[shift->others[0]] = spread->local++;
    } else {
        for (unsigned i = 0; i < shift->count; i++) {
            const uint8_t bit = spread->at[shift->locals[i]];

            spread->at[shift->locals[i]] = spread->at[shift->others[i]];
            spread->at[shift->others[i]] = bit;
        }
    }
}

void ks_spread_grow(struct ks_spread *spread, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        spread->at[spread->slots++] = spread->local++;
    }
}

void ks_spread_drop(struct ks_spread *spread, uint32_t place)
{
    close_gap(spread, place);
    for (unsigned other = place; other + 1 < spread->slots; other++) {
        spread->at[other] = spread->at[other + 1];
    }
    spread->slots--;
}

uint32_t ks_spread_share(uint32_t slots, uint32_t rank_bits, uint32_t tile)
{
    const uint32_t least = slots < tile ? slots : tile;

    return slots >= rank_bits && slots - rank_bits > least ? slots - rank_bits : least;
}

/* --- what changes roles ------------------------------------------------------------------- */

/* The place of SET that is used last; among equals the one with the highest bit. */
static unsigned furthest(const struct ks_spread *spread, uint64_t set,
                         const size_t uses[KS_SLOTS_MAX])
{
    unsigned best = (unsigned)__builtin_ctzll(set);

    for (; set != 0; set &= set - 1) {
        const unsigned place = (unsigned)__builtin_ctzll(set);

        if (uses[place] > uses[best] ||
            (uses[place] == uses[best] && spread->at[place] > spread->at[best])) {
            best = place;
        }
    }
    return best;
}

/* Places of NEED are in the rank: brings all of them in, by a join while there are more than
 * the ranks have room for. With EAGER, also others that are used before what they replace. */
static void choose_shift(const struct ks_spread *spread, uint64_t need,
                         const size_t uses[KS_SLOTS_MAX], bool eager, struct ks_shift *shift)
{
    uint64_t local = ks_spread_local(spread);
    uint64_t missing = need & ~local;
    uint64_t others = places_below(spread->slots) & ~local & ~need;

    *shift = (struct ks_shift){.kind = KS_SHIFT_SWAP};
    if ((uint32_t)__builtin_popcountll(need) > spread->local) {
        shift->kind = KS_SHIFT_JOIN;
        shift->others[shift->count++] = (uint8_t)__builtin_ctzll(missing);
        return;
    }
    local &= ~need;
    for (; missing != 0; missing &= missing - 1) {
        const unsigned place = furthest(spread, local, uses);

        shift->locals[shift->count] = (uint8_t)place;
        shift->others[shift->count++] = (uint8_t)__builtin_ctzll(missing);
        local &= ~((uint64_t)1 << place);
    }
    while (eager && local != 0 && others != 0) {
        const unsigned place = furthest(spread, local, uses);
        unsigned next = (unsigned)__builtin_ctzll(others);

        for (uint64_t set = others; set != 0; set &= set - 1) {
            const unsigned other = (unsigned)__builtin_ctzll(set);

            next = uses[other] < uses[next] ? other : next;
        }
        if (uses[next] >= uses[place]) {
            break;
        }
        shift->locals[shift->count] = (uint8_t)place;
        shift->others[shift->count++] = (uint8_t)next;
        local &= ~((uint64_t)1 << place);
        others &= ~((uint64_t)1 << next);
    }
}

bool ks_spread_next(const struct ks_spread *spread, uint64_t need, struct ks_shift *out_shift)
{
    static const size_t never[KS_SLOTS_MAX] = {0};

    if ((need & ~ks_spread_local(spread)) == 0) {
        return false;
    }
    choose_shift(spread, need, never, false, out_shift);
    return true;
}

/* --- all of a plan ------------------------------------------------------------------------ */

struct outlook {
    const struct ks_plan *plan;
    uint64_t *needs; /* by pass, and behind the last what the end needs */
    struct ks_spread spread;
    uint32_t rank_bits;
    uint32_t share;
    bool eager;
    struct ks_exchanges *out;
};

/* Where each place is needed after pass AT. */
static void next_uses(const struct outlook *outlook, size_t at, size_t uses[KS_SLOTS_MAX])
{
    const size_t count = outlook->plan->pass_count + 1;
    uint64_t open = places_below(outlook->spread.slots);

    for (unsigned place = 0; place < KS_SLOTS_MAX; place++) {
        uses[place] = count;
    }
    for (size_t i = at + 1; i < count && i <= at + AHEAD_MAX && open != 0; i++) {
        for (uint64_t set = open & outlook->needs[i]; set != 0; set &= set - 1) {
            uses[__builtin_ctzll(set)] = i;
        }
        open &= ~outlook->needs[i];
    }
}

/* On all ranks: those that differ in unused bits have the same. */
static double all_amplitudes(const struct outlook *outlook)
{
    return (double)((uint64_t)1 << (outlook->spread.local + outlook->rank_bits));
}

static enum ks_err put_shift(struct outlook *outlook, const struct ks_shift *shift)
{
    struct ks_exchanges *out = outlook->out;
    struct ks_shift *shifts =
        ks_array_room(out->shifts, &out->cap, out->count + 1, sizeof *shifts);
    const double all = all_amplitudes(outlook);

    if (shifts == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for %zu exchanges", out->count);
    }
    out->shifts = shifts;
    shifts[out->count++] = *shift;
    if (shift->kind == KS_SHIFT_SWAP) {
        out->volume += all * (1 - 1.0 / (double)((uint64_t)1 << shift->count));
    } else if (shift->kind == KS_SHIFT_JOIN) {
        out->volume += all;
    }
    out->exchanges += shift->kind != KS_SHIFT_DIVIDE;
    ks_spread_apply(&outlook->spread, shift);
    if (out->local_peak < outlook->spread.local) {
        out->local_peak = outlook->spread.local;
    }
    return KS_OK;
}

/* Each rank keeps a part, so that GROWN slots more have room. */
static enum ks_err divide(struct outlook *outlook, size_t at, uint32_t grown)
{
    struct ks_spread *spread = &outlook->spread;
    const uint32_t all = (1u << outlook->rank_bits) - 1;
    size_t uses[KS_SLOTS_MAX];
    enum ks_err err = KS_OK;

    if (spread->local + grown > outlook->share && spread->used != all) {
        next_uses(outlook, at, uses);
    }
    while (spread->local + grown > outlook->share && spread->used != all) {
        const uint64_t local = ks_spread_local(spread) & ~outlook->needs[at];
        struct ks_shift shift = {.pass = at, .kind = KS_SHIFT_DIVIDE, .count = 1};

        if (local == 0) {
            break;
        }
        shift.locals[0] = (uint8_t)furthest(spread, local, uses);
        shift.others[0] = (uint8_t)__builtin_ctz(~spread->used);
        KS_TRY(put_shift(outlook, &shift));
    }
out:
    return err;
}

/* A shear sends half of the amplitudes when it flips bits of the rank. */
static void note_shear(struct outlook *outlook, const struct ks_pass *pass)
{
    if ((pass->shear_flips & ~ks_spread_local(&outlook->spread)) != 0) {
        outlook->out->volume += all_amplitudes(outlook) / 2;
        outlook->out->exchanges++;
    }
}

static enum ks_err before_pass(struct outlook *outlook, size_t at)
{
    struct ks_spread *spread = &outlook->spread;
    size_t uses[KS_SLOTS_MAX];
    enum ks_err err = KS_OK;

    while ((outlook->needs[at] & ~ks_spread_local(spread)) != 0) {
        struct ks_shift shift;

        next_uses(outlook, at, uses);
        choose_shift(spread, outlook->needs[at], uses, outlook->eager, &shift);
        shift.pass = at;
        KS_TRY(put_shift(outlook, &shift));
    }
out:
    return err;
}

static uint64_t need_of(const struct ks_pass *pass)
{
    uint64_t need = 0;

    for (unsigned b = 0; pass->kind == KS_PASS_TILES && b < pass->tile_before; b++) {
        need |= (uint64_t)1 << pass->sources[b];
    }
    return need;
}

static enum ks_err look_out(struct outlook *outlook)
{
    const struct ks_plan *plan = outlook->plan;
    enum ks_err err = KS_OK;

    outlook->out->local_peak = outlook->spread.local;
    for (size_t i = 0; i < plan->pass_count; i++) {
        const struct ks_pass *pass = &plan->passes[i];

        if (pass->kind == KS_PASS_SHEAR) {
            note_shear(outlook, pass);
            continue;
        }
        KS_TRY(divide(outlook, i, (uint32_t)(pass->slots_after - pass->slots_before)));
        KS_TRY(before_pass(outlook, i));
        ks_spread_grow(&outlook->spread, (uint32_t)(pass->slots_after - pass->slots_before));
        if (outlook->out->local_peak < outlook->spread.local) {
            outlook->out->local_peak = outlook->spread.local;
        }
    }
    KS_TRY(before_pass(outlook, plan->pass_count));
out:
    return err;
}

void ks_exchanges_done(struct ks_exchanges *exchanges)
{
    ks_free(exchanges->shifts);
    *exchanges = (struct ks_exchanges){0};
}

enum ks_err ks_exchanges_make(const struct ks_plan *plan, const struct ks_spread *spread,
                              uint32_t rank_bits, struct ks_exchanges *out_exchanges)
{
    const uint32_t last =
        plan->pass_count == 0 ? spread->slots : plan->passes[plan->pass_count - 1].slots_after;
    struct ks_exchanges choices[2] = {{0}, {0}}; /* what is needed alone, and eager */
    enum ks_err err = KS_OK;
    unsigned best = 0;
    uint64_t *needs = ks_calloc(plan->pass_count + 1, sizeof *needs);

    KS_CHECK(needs != NULL, KS_ERR_NOMEM, "no memory for the needs of %zu passes",
             plan->pass_count);
    for (size_t i = 0; i < plan->pass_count; i++) {
        needs[i] = need_of(&plan->passes[i]);
    }
    needs[plan->pass_count] =
        places_below(last < KS_SPREAD_BLOCK_LOG ? last : KS_SPREAD_BLOCK_LOG);
    for (unsigned i = 0; i < 2; i++) {
        struct outlook outlook = {
            .plan = plan,
            .needs = needs,
            .spread = *spread,
            .rank_bits = rank_bits,
            .share = ks_spread_share(plan->slots_peak, rank_bits, ks_plan_tile(plan)),
            .eager = i == 1,
            .out = &choices[i],
        };

        KS_TRY(look_out(&outlook));
    }
    best = choices[1].volume < choices[0].volume;
    *out_exchanges = choices[best];
    choices[best] = (struct ks_exchanges){0};
out:
    ks_exchanges_done(&choices[0]);
    ks_exchanges_done(&choices[1]);
    ks_free(needs);
    return err;
}
