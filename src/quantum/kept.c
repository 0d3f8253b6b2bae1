/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kept.c: a plan made again for other angles. What schedule.c and groups.c make of the steps
 * follows from what kind they are and which bits they touch, never from what they multiply
 * with: where that is the same, the passes are. */

#include "quantum/array.h"
#include "quantum/plan.h"

struct ks_kept {
    struct ks_step *steps; /* as they came: schedule.c may rewrite its own */
    size_t count;
    size_t cap;
    struct ks_frame before; /* the passes were made */
    struct ks_frame after;
    bool whole;   /* there is a plan */
    bool differs; /* the steps so far */
};

enum ks_err ks_plan_keep(struct ks_plan *plan, uint32_t qubit_count)
{
    enum ks_err err = KS_OK;
    struct ks_kept *kept = ks_calloc(1, sizeof *kept);

    KS_CHECK(kept != NULL, KS_ERR_NOMEM, "no memory to keep a plan");
    KS_TRY(ks_frame_init(&kept->before, qubit_count));
    KS_TRY(ks_frame_init(&kept->after, qubit_count));
    plan->kept = kept;
    kept = NULL;
out:
    ks_kept_free(kept);
    return err;
}

void ks_kept_free(struct ks_kept *kept)
{
    if (kept != NULL) {
        ks_free(kept->steps);
        ks_frame_done(&kept->before);
        ks_frame_done(&kept->after);
        ks_free(kept);
    }
}

enum ks_err ks_kept_before(struct ks_plan *plan)
{
    struct ks_kept *kept = plan->kept;
    struct ks_step *steps = NULL;

    if (kept == NULL) {
        return KS_OK;
    }
    kept->whole = false;
    steps = ks_array_room(kept->steps, &kept->cap, plan->step_count + 1, sizeof *steps);
    if (steps == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory to keep %zu steps", plan->step_count);
    }
    kept->steps = steps;
    kept->count = plan->step_count;
    ks_copy(steps, plan->steps, plan->step_count * sizeof *steps);
    ks_frame_copy(&kept->before, plan->frame);
    return KS_OK;
}

void ks_kept_after(struct ks_plan *plan)
{
    if (plan->kept != NULL) {
        ks_frame_copy(&plan->kept->after, plan->frame);
        plan->kept->whole = true;
    }
}

void ks_plan_begin_again(struct ks_plan *plan, struct ks_frame *frame)
{
    KS_ASSERT(plan->kept != NULL && frame->slot_count == plan->slots_first);
    plan->frame = frame;
    plan->step_count = 0;
    plan->again = true;
    plan->drop_phases = false;
    plan->kept->differs = !plan->kept->whole;
}

static bool same_shape(const struct ks_step *a, const struct ks_step *b)
{
    bool same = a->kind == b->kind && a->slot == b->slot && a->count == b->count &&
                a->flips == b->flips;

    for (unsigned i = 0; i < KS_FACTORS_MAX; i++) {
        same = same && a->masks[i] == b->masks[i];
    }
    return same;
}

void ks_kept_step(struct ks_plan *plan, const struct ks_step *step)
{
    struct ks_kept *kept = plan->kept;
    struct ks_step *target = NULL;

    if (kept->differs || plan->step_count == kept->count ||
        !same_shape(step, &kept->steps[plan->step_count])) {
        kept->differs = true;
        return;
    }
    target = &plan->steps[plan->step_count++];
    target->inverted = step->inverted;
    ks_copy(target->values, step->values, sizeof target->values);
}

/* Qubits are where they were; what value stands for 1 may differ. */
static bool same_frame(const struct ks_frame *a, const struct ks_frame *b)
{
    bool same = a->slot_count == b->slot_count;

    for (uint32_t q = 0; same && q < a->qubit_count; q++) {
        same = a->qubits[q].slot == b->qubits[q].slot &&
               a->qubits[q].parity == b->qubits[q].parity &&
               a->qubits[q].flips == b->qubits[q].flips;
    }
    return same;
}

bool ks_kept_holds(struct ks_plan *plan)
{
    const struct ks_kept *kept = plan->kept;

    if (kept->differs || plan->step_count != kept->count ||
        !same_frame(plan->frame, &kept->before)) {
        return false;
    }
    for (uint32_t q = 0; q < plan->frame->qubit_count; q++) {
        struct ks_qubit *qubit = &plan->frame->qubits[q];

        qubit->slot = kept->after.qubits[q].slot;
        qubit->parity = kept->after.qubits[q].parity;
        qubit->flips = kept->after.qubits[q].flips;
    }
    ks_groups_scale(plan);
    return true;
}
