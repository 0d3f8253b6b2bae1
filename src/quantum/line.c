/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/line.h"

#include "quantum/engine.h"

#define HUB_DEGREE 8 /* fewer meetings make no hub, however narrow the circuit */

struct line {
    uint32_t count;
    size_t words;
    uint64_t *meets; /* a row of bits for each qubit */
    bool *placed;
    const uint32_t *degrees;
    uint32_t *order;
    uint32_t order_count;
};

static void find_meetings(const struct ks_circuit *circuit, const struct line *line,
                          uint32_t *degrees)
{
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        const unsigned qubits = ks_gate_info((enum ks_gate)op->gate)->qubits;

        for (unsigned a = 0; a < qubits; a++) {
            for (unsigned b = 0; b < qubits; b++) {
                if (a != b) {
                    ks_bit_set(line->meets + op->qubits[a] * line->words, op->qubits[b], true);
                }
            }
        }
    }
    for (uint32_t q = 0; q < line->count; q++) {
        degrees[q] = 0;
        for (size_t w = 0; w < line->words; w++) {
            degrees[q] += (uint32_t)__builtin_popcountll(line->meets[q * line->words + w]);
        }
    }
}

static void place(struct line *line, uint32_t qubit)
{
    line->placed[qubit] = true;
    line->order[line->order_count++] = qubit;
}

/* The qubit that is not placed yet and meets the fewest others, among those that NEAR meets
 * (all when NEAR is NULL); COUNT if there is none. */
static uint32_t next_qubit(const struct line *line, const uint64_t *near)
{
    uint32_t best = line->count;

    for (uint32_t q = 0; q < line->count; q++) {
        if (!line->placed[q] && (near == NULL || ks_bit(near, q)) &&
            (best == line->count || line->degrees[q] < line->degrees[best])) {
            best = q;
        }
    }
    return best;
}

static void place_all(struct line *line)
{
    const uint32_t hub = line->count / 4 > HUB_DEGREE ? line->count / 4 : HUB_DEGREE;
    uint32_t at;
    uint32_t qubit;

    for (uint32_t q = 0; q < line->count; q++) {
        if (line->degrees[q] > hub) {
            place(line, q);
        }
    }
    at = line->order_count;
    while (line->order_count < line->count) {
        if (at == line->order_count) {
            place(line, next_qubit(line, NULL));
        }
        while ((qubit = next_qubit(line, line->meets + line->order[at] * line->words)) <
               line->count) {
            place(line, qubit);
        }
        at++;
    }
}

enum ks_err ks_line_order(const struct ks_circuit *circuit, uint32_t *order, uint32_t *degrees)
{
    const uint32_t count = circuit->qubit_count;
    struct line line = {
        .count = count, .words = ((size_t)count + 63) / 64, .degrees = degrees, .order = order};
    enum ks_err err = KS_OK;

    if (count > KS_LINE_QUBITS_MAX) {
        for (uint32_t q = 0; q < count; q++) {
            order[q] = q;
            degrees[q] = 0;
        }
        return KS_OK;
    }
    line.meets = ks_calloc(count, line.words * sizeof *line.meets);
    line.placed = ks_calloc(count, sizeof *line.placed);
    KS_CHECK(line.meets != NULL && line.placed != NULL, KS_ERR_NOMEM,
             "no memory to order %u qubits", count);
    find_meetings(circuit, &line, degrees);
    place_all(&line);
out:
    ks_free(line.meets);
    ks_free(line.placed);
    return err;
}
