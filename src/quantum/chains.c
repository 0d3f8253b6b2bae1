/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* chains.c: groups that follow each other and together reach few vectors are done to blocks
 * that fit the first-level cache, one group after the other, before the next block. Which
 * vectors come first changes no bit of any of them. */

#include "quantum/plan.h"

#define CHAIN_MAX 16
#define ROWS_MAX  16

/* A basis; the lowest bit of each row, its pivot, is in no other row. */
struct echelon {
    unsigned count;
    uint32_t pivots;
    uint32_t rows[ROWS_MAX];
};

/* VECTOR and a sum of rows: without the pivots. */
static uint32_t reduced(const struct echelon *echelon, uint32_t vector)
{
    for (unsigned i = 0; i < echelon->count; i++) {
        const uint32_t row = echelon->rows[i];

        vector ^= (vector & (row & -row)) != 0 ? row : 0;
    }
    return vector;
}

/* Returns what of VECTOR the basis did not have: 0 if all. */
static uint32_t add(struct echelon *echelon, uint32_t vector)
{
    const uint32_t rest = reduced(echelon, vector);
    const uint32_t pivot = rest & -rest;

    if (rest == 0) {
        return 0;
    }
    KS_ASSERT(echelon->count < ROWS_MAX);
    for (unsigned i = 0; i < echelon->count; i++) {
        echelon->rows[i] ^= (echelon->rows[i] & pivot) != 0 ? rest : 0;
    }
    echelon->rows[echelon->count++] = rest;
    echelon->pivots |= pivot;
    return rest;
}

static void add_dimensions(struct echelon *echelon, const struct ks_group *group)
{
    for (unsigned d = 0; d < KS_MEMBERS_LOG; d++) {
        (void)add(echelon, group->places[0].members[1u << d]);
    }
}

/* The steps of GROUP, which has BITS bits of vectors: those within BLOCK first. */
static void set_steps(struct ks_group *group, const struct echelon *block, unsigned bits)
{
    const uint32_t inside = ((uint32_t)1 << bits) - 1;
    struct echelon own = {0};
    struct echelon filled;
    unsigned count = 0;

    add_dimensions(&own, group);
    filled = own;
    for (unsigned i = 0; i < block->count; i++) {
        const uint32_t rest = add(&filled, block->rows[i] & inside);

        if (rest != 0) {
            group->places[0].steps[count++] = rest;
        }
    }
    group->inner = (uint8_t)count;
    for (unsigned bit = 0; bit < bits; bit++) {
        const uint32_t unit = (uint32_t)1 << bit;

        if ((block->pivots & unit) == 0) {
            KS_ASSERT(count < KS_BASE_LOG_MAX);
            group->places[0].steps[count++] = reduced(&own, unit);
        }
    }
    KS_ASSERT(count == bits - KS_MEMBERS_LOG);
    group->outer = (uint8_t)(count - group->inner);
    for (unsigned i = 0; i < count; i++) {
        group->step_parities[i] = ks_group_parities(group, group->places[0].steps[i]);
        group->places[1].steps[i] = (uint32_t)ks_tile_fold(group->places[0].steps[i]);
    }
}

static void set_members(struct ks_group *group)
{
    struct ks_places *places = &group->places[0];
    unsigned count = 0;

    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        places->sources[k] = places->members[k] & group->old_bits;
        group->places[1].members[k] = (uint32_t)ks_tile_fold(places->members[k]);
        group->places[1].sources[k] = (uint32_t)ks_tile_fold(places->sources[k]);
    }
    for (unsigned fresh = 2; fresh-- > 0;) {
        for (uint8_t k = 0; k < KS_MEMBERS; k++) {
            if (((unsigned)group->fresh >> k & 1) == fresh) {
                group->order[count++] = k;
            }
        }
    }
}

/* How many groups from the first one on make a chain; BLOCK is what they reach. */
static size_t find_chain(const struct ks_group *groups, size_t group_count,
                         struct echelon *block)
{
    size_t chain = 1;

    *block = (struct echelon){0};
    add_dimensions(block, &groups[0]);
    for (; chain < group_count && chain < CHAIN_MAX && !groups[chain].small; chain++) {
        struct echelon wider = *block;

        add_dimensions(&wider, &groups[chain]);
        if (wider.count > KS_CHAIN_LOG) {
            break;
        }
        *block = wider;
    }
    return chain;
}

/* Entries of the groups of the longest chain, by these. */
static size_t find_entries(const struct ks_group *groups, size_t group_count)
{
    size_t most = 0;

    for (size_t first = 0; first < group_count; first += groups[first].chain) {
        size_t entries = 0;

        for (size_t i = first; i < first + groups[first].chain; i++) {
            entries += groups[i].entry_count;
        }
        most = entries > most ? entries : most;
    }
    return most;
}

size_t ks_chains_make(struct ks_group *groups, size_t group_count, unsigned lanes)
{
    for (size_t first = 0; first < group_count;) {
        struct echelon block;
        size_t chain = 1;

        if (!groups[first].small) {
            chain = find_chain(&groups[first], group_count - first, &block);
            for (size_t i = first; i < first + chain; i++) {
                set_members(&groups[i]);
                set_steps(&groups[i], &block, groups[i].log - lanes);
            }
        }
        groups[first].chain = (uint8_t)chain;
        for (size_t i = first; i < first + chain && groups[first].outer == 0; i++) {
            groups[i].chain = 1; /* one block has all vectors */
        }
        first += chain;
    }
    return find_entries(groups, group_count);
}
