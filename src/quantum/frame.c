/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/plan.h"

enum ks_err ks_frame_init(struct ks_frame *frame, uint32_t qubit_count)
{
    *frame = (struct ks_frame){.qubit_count = qubit_count};
    frame->qubits = ks_calloc(qubit_count, sizeof *frame->qubits);
    if (frame->qubits == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for a frame of %u qubits", qubit_count);
    }
    ks_frame_reset(frame);
    return KS_OK;
}

void ks_frame_done(struct ks_frame *frame)
{
    ks_free(frame->qubits);
    *frame = (struct ks_frame){0};
}

void ks_frame_reset(struct ks_frame *frame)
{
    frame->slot_count = 0;
    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        frame->qubits[q] = (struct ks_qubit){.slot = -1};
    }
}

void ks_frame_copy(struct ks_frame *target, const struct ks_frame *source)
{
    KS_ASSERT(target->qubit_count == source->qubit_count);
    target->slot_count = source->slot_count;
    ks_copy(target->qubits, source->qubits, source->qubit_count * sizeof *source->qubits);
}

bool ks_frame_value(const struct ks_frame *frame, uint32_t qubit, uint64_t index)
{
    return (ks_parity(frame->qubits[qubit].parity & index) != 0) != frame->qubits[qubit].bit;
}

/* BITS without bit SLOT, those above moved down. */
static uint64_t squeeze(uint64_t bits, unsigned slot)
{
    const uint64_t low = ((uint64_t)1 << slot) - 1;

    return (bits & low) | (bits >> 1 & ~low);
}

void ks_frame_collapse(struct ks_frame *frame, uint32_t qubit, bool outcome)
{
    const struct ks_qubit old = frame->qubits[qubit];
    const bool value = outcome != old.bit; /* of the slot */

    frame->qubits[qubit] = (struct ks_qubit){.slot = -1, .bit = outcome};
    if (old.slot < 0) {
        return;
    }
    KS_ASSERT(old.parity == (uint64_t)1 << old.slot);
    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        struct ks_qubit *other = &frame->qubits[q];

        if ((other->parity & old.parity) != 0) {
            other->bit = other->bit != value;
        }
        ks_qubit_set_parity(other, squeeze(other->parity, (unsigned)old.slot));
        other->flips = squeeze(other->flips, (unsigned)old.slot);
    }
    frame->slot_count--;
}
