/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm_names.h: the words of one OpenQASM program and what they stand for, in two scopes:
 * global, and local to the gate being defined. */
#ifndef KS_QUANTUM_QASM_NAMES_H
#define KS_QUANTUM_QASM_NAMES_H

#include "base/mem.h"

enum ks_qasm_meaning {
    KS_QASM_KEYWORD,
    KS_QASM_FUNCTION,
    KS_QASM_GATE,
    KS_QASM_QREG,
    KS_QASM_CREG,
    KS_QASM_CONSTANT, /* OpenQASM 3: known before the run */
    KS_QASM_VARIABLE, /* OpenQASM 3: of the run */
    KS_QASM_PARAM,    /* local */
    KS_QASM_QUBIT,    /* local */
};

struct ks_qasm_symbol {
    struct ks_bytes name; /* borrowed */
    uint32_t hash;
    uint32_t index; /* among those of its meaning */
    enum ks_qasm_meaning meaning;
    bool local;
};

struct ks_qasm_names {
    struct ks_qasm_symbol *symbols;
    size_t count;
    size_t cap;
    uint32_t *slots; /* open hash table: 0 or 1 + index of a symbol */
    size_t slot_count;
    uint64_t seed;
};

/* SEED comes from the whole source, so that no source can be made of names that collide. */
void ks_qasm_names_init(struct ks_qasm_names *names, struct ks_bytes source);
void ks_qasm_names_done(struct ks_qasm_names *names);
/* Borrowed until the next add or drop; NULL if there is none. */
const struct ks_qasm_symbol *ks_qasm_names_find(const struct ks_qasm_names *names,
                                                struct ks_bytes name, bool local);
/* NAME must not be there yet in that scope. */
KS_MUST_CHECK enum ks_err ks_qasm_names_add(struct ks_qasm_names *names, struct ks_bytes name,
                                            bool local, enum ks_qasm_meaning meaning,
                                            uint32_t index);
/* Gives a global name that is there a new index. */
void ks_qasm_names_rebind(struct ks_qasm_names *names, struct ks_bytes name, uint32_t index);
/* Forgets all local names; no global one may have been added after the first of them. */
void ks_qasm_names_drop_locals(struct ks_qasm_names *names);
/* Forgets all names but the first COUNT. */
void ks_qasm_names_drop_to(struct ks_qasm_names *names, size_t count);

#endif
