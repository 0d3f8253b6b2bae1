/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/qasm_names.h"

#include "quantum/array.h"

#define SLOTS_FIRST 512 /* a power of two, like all sizes of the table */

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 32) * UINT64_C(0xd6e8feb86659fd93);
    value = (value ^ value >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return value ^ value >> 32;
}

static uint64_t hash_of(uint64_t seed, struct ks_bytes bytes)
{
    uint64_t hash = seed;
    size_t at = 0;

    for (; bytes.len - at >= 8; at += 8) {
        uint64_t word;
        ks_copy(&word, bytes.data + at, sizeof word);
        hash = mix(hash ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    }
    uint64_t tail = bytes.len;
    for (; at < bytes.len; at++) {
        tail = tail << 8 | bytes.data[at];
    }
    return mix(hash ^ tail);
}

void ks_qasm_names_init(struct ks_qasm_names *names, struct ks_bytes source)
{
    *names = (struct ks_qasm_names){.seed = hash_of(0, source)};
}

void ks_qasm_names_done(struct ks_qasm_names *names)
{
    ks_free(names->symbols);
    ks_free(names->slots);
    *names = (struct ks_qasm_names){0};
}

static uint32_t symbol_hash(const struct ks_qasm_names *names, struct ks_bytes name, bool local)
{
    return (uint32_t)hash_of(names->seed + local, name);
}

/* Index of a symbol, or count. */
static size_t find(const struct ks_qasm_names *names, struct ks_bytes name, bool local)
{
    if (names->slot_count == 0) {
        return names->count;
    }
    const size_t mask = names->slot_count - 1;
    const uint32_t hash = symbol_hash(names, name, local);

    for (size_t slot = hash & mask; names->slots[slot] != 0; slot = (slot + 1) & mask) {
        const struct ks_qasm_symbol *symbol = &names->symbols[names->slots[slot] - 1];
        if (symbol->hash == hash && symbol->local == local &&
            ks_bytes_equal(symbol->name, name)) {
            return names->slots[slot] - 1;
        }
    }
    return names->count;
}

const struct ks_qasm_symbol *ks_qasm_names_find(const struct ks_qasm_names *names,
                                                struct ks_bytes name, bool local)
{
    const size_t index = find(names, name, local);
    return index < names->count ? &names->symbols[index] : NULL;
}

void ks_qasm_names_rebind(struct ks_qasm_names *names, struct ks_bytes name, uint32_t index)
{
    const size_t at = find(names, name, false);

    KS_ASSERT(at < names->count);
    names->symbols[at].index = index;
}

static void occupy(struct ks_qasm_names *names, size_t index)
{
    const size_t mask = names->slot_count - 1;
    size_t slot = names->symbols[index].hash & mask;

    while (names->slots[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    names->slots[slot] = (uint32_t)(index + 1);
}

static enum ks_err enlarge(struct ks_qasm_names *names)
{
    const size_t count = names->slot_count == 0 ? SLOTS_FIRST : 2 * names->slot_count;
    uint32_t *slots = ks_calloc(count, sizeof *slots);

    if (slots == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu names", names->count);
    }
    ks_free(names->slots);
    names->slots = slots;
    names->slot_count = count;
    for (size_t i = 0; i < names->count; i++) {
        occupy(names, i);
    }
    return KS_OK;
}

enum ks_err ks_qasm_names_add(struct ks_qasm_names *names, struct ks_bytes name, bool local,
                              enum ks_qasm_meaning meaning, uint32_t index)
{
    if (2 * (names->count + 1) > names->slot_count) {
        const enum ks_err err = enlarge(names);
        if (err != KS_OK) {
            return err;
        }
    }
    struct ks_qasm_symbol *grown =
        ks_array_room(names->symbols, &names->cap, names->count + 1, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu names", names->count);
    }
    names->symbols = grown;
    names->symbols[names->count++] =
        (struct ks_qasm_symbol){.name = name,
                                .hash = symbol_hash(names, name, local),
                                .index = index,
                                .meaning = meaning,
                                .local = local};
    occupy(names, names->count - 1);
    return KS_OK;
}

/* Linear probing without holes: names leave in the reverse of the order in which they came (a
 * larger table was filled in that order too), so the slot of the youngest ends its chain. */
void ks_qasm_names_drop_to(struct ks_qasm_names *names, size_t count)
{
    while (names->count > count) {
        const size_t mask = names->slot_count - 1;
        size_t slot = names->symbols[names->count - 1].hash & mask;
        while (names->slots[slot] != names->count) {
            slot = (slot + 1) & mask;
        }
        names->slots[slot] = 0;
        names->count--;
    }
}

void ks_qasm_names_drop_locals(struct ks_qasm_names *names)
{
    size_t count = names->count;

    while (count > 0 && names->symbols[count - 1].local) {
        count--;
    }
    ks_qasm_names_drop_to(names, count);
}
