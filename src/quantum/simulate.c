/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/simulate.h"

#include <inttypes.h>

#include "quantum/control.h"
#include "quantum/counts.h"
#include "quantum/draws.h"
#include "quantum/live.h"
#include "quantum/noise.h"
#include "quantum/philox.h"
#include "quantum/spread_state.h"
#include "quantum/watch.h"

/* Bytes of waiting copies of states where the caller gives no limit. */
#define COPIES_MAX  ((uint64_t)1 << 30)
#define DRAW_SLICES 64
/* Loops may go on for ever with a probability that falls: what is left then is nothing. */
#define WEIGHT_MIN 0x1p-70

/* --- how much memory ---------------------------------------------------------------------- */

void ks_size_text(uint64_t bytes, char target[KS_SIZE_TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct ks_buf text;
    unsigned unit = 0;
    uint64_t tenths = bytes;

    ks_buf_init(&text, KS_SIZE_TEXT_MAX);
    if (bytes == UINT64_MAX) {
        ks_buf_put_text(&text, "more than 8.0 EiB");
    } else if (bytes < 1024) {
        ks_buf_put_format(&text, "%u B", (unsigned)bytes);
    } else {
        for (; tenths >= 1024 * 1024; tenths /= 1024) {
            unit++;
        }
        tenths = tenths * 10 / 1024;
        ks_buf_put_format(&text, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
                          units[unit + 1]);
    }
    ks_buf_put_u8(&text, 0);
    if (ks_buf_check(&text) == KS_OK) {
        ks_copy(target, text.data, text.len);
    } else {
        target[0] = '\0';
    }
    ks_buf_done(&text);
}

/* Bytes for 2^SLOTS amplitudes, of a rank's share where a TEAM has them. */
static uint64_t need_of(uint32_t slots, const struct ks_simulate_spec *spec,
                        const struct ks_team *team)
{
    return team == NULL ? ks_state_bytes(slots, spec->precision)
                        : ks_spread_bytes(team, slots, spec->precision);
}

/* Refuses SLOTS slots where they do not fit the limits of SPEC. */
static enum ks_err check_memory(uint32_t slots, const struct ks_simulate_spec *spec,
                                const struct ks_team *team)
{
    const uint64_t bytes = need_of(slots, spec, team);
    const char *precision = spec->precision == KS_PRECISION_DOUBLE ? "double" : "single";
    const bool too_large = spec->memory_max != 0 && bytes > spec->memory_max;
    char needed[KS_SIZE_TEXT_MAX];
    char limit[KS_SIZE_TEXT_MAX];

    if (!too_large && slots <= KS_SLOTS_MAX) {
        return KS_OK;
    }
    ks_size_text(bytes, needed);
    ks_size_text(spec->memory_max, limit);
    if (too_large && team != NULL) {
        return ks_spread_refuse(team, slots, spec->precision, spec->memory_max);
    }
    if (too_large) {
        return ks_fail(KS_ERR_LIMIT, "needs %s for %u qubits in %s precision, limit %s", needed,
                       slots, precision, limit);
    }
    return ks_fail(KS_ERR_LIMIT, "needs %s for %u qubits in %s precision, limit %d qubits",
                   needed, slots, precision, KS_SLOTS_MAX);
}

/* The most slots that CIRCUIT can take: no measurement or reset gives one back, every condition
 * may hold. */
static enum ks_err slots_bound(const struct ks_circuit *circuit, uint32_t *out_slots)
{
    enum ks_err err = KS_OK;
    struct ks_plan plan;
    struct ks_frame frame = {0};
    uint8_t *roles = NULL;
    bool flow = false; /* what follows may happen or not */

    ks_plan_init(&plan);
    KS_TRY(ks_roles_new(circuit, &roles));
    KS_TRY(ks_frame_init(&frame, circuit->qubit_count));
    ks_plan_begin(&plan, &frame);
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        const enum ks_role role = (enum ks_role)roles[i];
        const unsigned qubits = ks_gate_info((enum ks_gate)op->gate)->qubits;

        plan.step_count = 0; /* only the slots are wanted */
        flow = flow || role == KS_ROLE_CONTROL;
        if (role == KS_ROLE_GATE && op->condition == 0 && !flow) {
            ks_plan_gate(&plan, &frame, circuit, op);
        } else if (role == KS_ROLE_FINAL) {
            ks_plan_resolve(&plan, &frame, op->qubits[0]);
        } else if (role != KS_ROLE_DEAD && role != KS_ROLE_TIDY) {
            for (unsigned q = 0; q < qubits; q++) {
                ks_plan_activate(&plan, &frame, op->qubits[q]);
            }
        }
    }
    plan.step_count = 0;
    KS_TRY(ks_plan_end(&plan));
    *out_slots = plan.slots_peak;
out:
    ks_plan_done(&plan);
    ks_frame_done(&frame);
    ks_free(roles);
    return err;
}

uint64_t ks_simulate_memory(const struct ks_circuit *circuit, enum ks_precision precision)
{
    uint32_t slots = circuit->qubit_count;

    /* Without memory to look closer the bound that always holds remains: all qubits. */
    if (slots_bound(circuit, &slots) != KS_OK) {
        slots = circuit->qubit_count;
    }
    return ks_state_bytes(slots, precision);
}

/* --- branches ----------------------------------------------------------------------------- */

/* One course of measurement outcomes so far, and the shots that took it. */
struct branch {
    struct branch *next; /* on the stack */
    struct ks_state state;
    bool has_state; /* else it starts again from the front and takes the outcomes known */
    struct ks_frame frame;
    struct ks_classical classical;
    size_t op; /* the next one */
    uint32_t draws;
    uint32_t noise_draws;
    bool measured;     /* just now, and the operation is its READOUT */
    uint8_t *outcomes; /* of the draws so far, and beyond them those to be taken again */
    uint32_t outcome_count;
    uint32_t outcome_cap;
    uint32_t *shots; /* into run.shots */
    size_t shot_count;
    double weight; /* its probability, where no shots are taken */
};

/* A measurement done by sampling. */
struct final {
    uint32_t qubit;
    uint32_t clbit;
    const double *readout; /* probabilities that 0 and 1 are flipped, or NULL */
};

struct run {
    const struct ks_circuit *circuit;
    const struct ks_simulate_spec *spec;
    struct ks_watch watch;
    struct ks_team *team; /* borrowed; NULL: this process has the whole state */
    const struct ks_kernels *kernels;
    uint8_t *roles;
    struct final *finals;
    size_t final_count;
    struct ks_plan plan;
    struct branch *stack;
    uint64_t copied;          /* bytes of the states on the stack */
    uint32_t *shots;          /* all; NULL with PROBABILITIES */
    struct ks_circuit *noisy; /* owned, or NULL */
    uint8_t *choices;         /* of errors, beside shots; NULL without noise */
    bool reads_wrong;         /* a final measurement may be flipped */
    uint64_t *draws;
    uint64_t *draws_spare;
    struct ks_tally *tally;
    double *probabilities; /* or NULL */
    size_t words;
    uint64_t *outcome; /* scratch, WORDS long */
};

/* --- cancellation ------------------------------------------------------------------------- */

#define OPS_BETWEEN   256   /* operations planned between two questions */
#define SHOTS_BETWEEN 16384 /* shots drawn */

static enum ks_err go_on(const struct run *run)
{
    return run->team != NULL && run->team->err != KS_OK ? ks_team_check(run->team)
                                                        : ks_watch_go_on(run->spec->pool);
}

/* --- the life of a branch ----------------------------------------------------------------- */

static void branch_free(struct branch *branch)
{
    if (branch != NULL) {
        ks_state_done(&branch->state);
        ks_frame_done(&branch->frame);
        ks_classical_done(&branch->classical);
        ks_free(branch->outcomes);
        ks_free(branch);
    }
}

/* What a branch needs once it is run: those that begin again wait without it. */
static enum ks_err branch_prepare(const struct run *run, struct branch *branch)
{
    enum ks_err err = KS_OK;

    if (branch->frame.qubits == NULL) {
        ks_state_init(&branch->state, run->kernels, run->spec->pool);
        branch->state.team = run->team;
        KS_TRY(ks_frame_init(&branch->frame, run->circuit->qubit_count));
        KS_TRY(ks_classical_init(&branch->classical, run->circuit));
    }
out:
    return err;
}

static enum ks_err branch_new(const struct run *run, struct branch **out_branch)
{
    enum ks_err err = KS_OK;
    struct branch *branch = ks_calloc(1, sizeof *branch);

    KS_CHECK(branch != NULL, KS_ERR_NOMEM, "no memory for a branch");
    KS_TRY(branch_prepare(run, branch));
    *out_branch = branch;
    branch = NULL;
out:
    branch_free(branch);
    return err;
}

static enum ks_err add_outcome(struct branch *branch, bool outcome)
{
    if (branch->outcome_count == branch->outcome_cap) {
        const uint32_t cap = branch->outcome_cap == 0 ? 64 : 2 * branch->outcome_cap;
        uint8_t *outcomes = ks_realloc(branch->outcomes, cap, sizeof *outcomes);

        if (outcomes == NULL) {
            return ks_fail(KS_ERR_NOMEM, "no memory for %u outcomes", cap);
        }
        branch->outcomes = outcomes;
        branch->outcome_cap = cap;
    }
    branch->outcomes[branch->outcome_count++] = outcome;
    return KS_OK;
}

static uint64_t branch_bytes(const struct branch *branch)
{
    return ks_state_bytes(branch->state.slot_cap, branch->state.kernels->precision);
}

/* Gives up BRANCH's state: its course will be taken again from the front. */
static void drop_state(struct run *run, struct branch *branch)
{
    if (branch->has_state) {
        run->copied -= branch_bytes(branch);
        ks_state_done(&branch->state);
        branch->has_state = false;
        ks_frame_reset(&branch->frame);
        ks_classical_reset(&branch->classical, run->circuit);
        branch->op = 0;
        branch->draws = 0;
        branch->noise_draws = 0;
        branch->measured = false;
    }
}

/* Whether BYTES more fit beside what is on the stack. */
static bool copies_fit(const struct run *run, uint64_t bytes, uint64_t current)
{
    const uint64_t max = run->spec->memory_max;

    if (max == 0) {
        return bytes <= COPIES_MAX && run->copied <= COPIES_MAX - bytes;
    }
    return bytes <= max && current <= max - bytes && run->copied <= max - bytes - current;
}

/* Room for the plan at hand in BRANCH; waiting copies give way to it. */
static enum ks_err reserve(struct run *run, struct branch *branch)
{
    const uint32_t slots = run->plan.slots_peak;
    enum ks_err err = check_memory(slots, run->spec, run->team);

    if (err != KS_OK) {
        return err;
    }
    const uint64_t bytes = need_of(slots, run->spec, run->team);
    for (struct branch *b = run->stack;
         b != NULL && run->spec->memory_max != 0 && !copies_fit(run, 0, bytes); b = b->next) {
        drop_state(run, b);
    }
    err = ks_state_reserve(&branch->state, slots);
    if (err != KS_OK) {
        char needed[KS_SIZE_TEXT_MAX];

        ks_size_text(bytes, needed);
        return ks_fail_prefix(err, "needs %s", needed);
    }
    return KS_OK;
}

/* --- noise -------------------------------------------------------------------------------- */

static double unit(uint64_t draw)
{
    return (double)draw * (1.0 / ((uint64_t)1 << KS_DRAW_BITS));
}

/* Moves the shots of BRANCH that chose CHOICE behind the others; returns where they begin. */
static size_t gather(const struct run *run, const struct branch *branch, unsigned choice)
{
    uint8_t *choices = run->choices + (branch->shots - run->shots);
    size_t kept = 0;

    for (size_t i = 0; i < branch->shot_count; i++) {
        if (choices[i] != choice) {
            const uint32_t shot = branch->shots[i];

            const uint8_t other = choices[i];

            branch->shots[i] = branch->shots[kept];
            branch->shots[kept] = shot;
            choices[i] = choices[kept];
            choices[kept++] = other;
        }
    }
    return kept;
}

/* Puts the shots of BRANCH from FIRST on on the stack as a branch of their own, which begins
 * again: its shots make the same draws. */
static enum ks_err push_again(struct run *run, struct branch *branch, size_t first)
{
    enum ks_err err = KS_OK;
    struct branch *again = ks_calloc(1, sizeof *again);

    KS_CHECK(again != NULL, KS_ERR_NOMEM, "no memory for a branch");
    for (uint32_t i = 0; i < branch->draws; i++) {
        KS_TRY(add_outcome(again, branch->outcomes[i] != 0));
    }
    again->shots = branch->shots + first;
    again->shot_count = branch->shot_count - first;
    branch->shot_count = first;
    again->next = run->stack;
    run->stack = again;
    again = NULL;
out:
    branch_free(again);
    return err;
}

#define CHOICES 16 /* errors that one operation chooses from, none included */

/* Each shot of BRANCH has its choice in run->choices: the branch keeps those of the most
 * frequent one, which is returned, the others go their own ways. */
static enum ks_err part_ways(struct run *run, struct branch *branch,
                             const size_t counts[CHOICES], unsigned *out_choice)
{
    enum ks_err err = KS_OK;
    unsigned kept = 0;

    for (unsigned choice = 1; choice < CHOICES; choice++) {
        kept = counts[choice] > counts[kept] ? choice : kept;
    }
    *out_choice = kept;
    for (unsigned choice = 0; choice < CHOICES; choice++) {
        if (choice != kept && counts[choice] > 0) {
            KS_TRY(push_again(run, branch, gather(run, branch, choice)));
        }
    }
out:
    return err;
}

/* Draws what happens at the noise OP to each shot of BRANCH, which goes on as *OUT_CHOICE. For
 * a READOUT that is 1 for a flip, with probability FLIP. */
static enum ks_err draw_noise(struct run *run, struct branch *branch, const struct ks_op *op,
                              double flip, unsigned *out_choice)
{
    uint8_t *choices = run->choices + (branch->shots - run->shots);
    const double *params = &run->circuit->params[op->param];
    size_t counts[CHOICES] = {0};

    for (size_t i = 0; i < branch->shot_count; i++) {
        if (i % SHOTS_BETWEEN == 0 && ks_pool_cancelled(run->spec->pool)) {
            return go_on(run);
        }
        const uint64_t draw = ks_philox_draw(run->spec->seed, branch->shots[i],
                                             branch->noise_draws, KS_DRAW_NOISE);

        choices[i] = (uint8_t)(op->gate == KS_GATE_READOUT ? unit(draw) < flip
                                                           : ks_noise_choice(op, params, draw));
        counts[choices[i]]++;
    }
    branch->noise_draws++;
    return part_ways(run, branch, counts, out_choice);
}

/* The result that has just been written down may be wrong. */
static enum ks_err read_out(struct run *run, struct branch *branch)
{
    const struct ks_op *op = &run->circuit->ops[branch->op];
    const bool value = ks_classical_bit(&branch->classical, op->clbit);
    unsigned flipped = 0;
    enum ks_err err = KS_OK;

    branch->measured = false;
    KS_TRY(draw_noise(run, branch, op, run->circuit->params[op->param + value], &flipped));
    ks_classical_set(&branch->classical, op->clbit, value != (flipped == 1));
out:
    return err;
}

/* Draws the error of PAULI or PAIR and plans it. */
static enum ks_err plan_noise(struct run *run, struct branch *branch, const struct ks_op *op)
{
    static const uint8_t paulis[4] = {KS_GATE_ID, KS_GATE_X, KS_GATE_Y, KS_GATE_Z};
    unsigned choice = 0;
    enum ks_err err = KS_OK;

    KS_TRY(draw_noise(run, branch, op, 0, &choice));
    for (unsigned i = 0; i < 2; i++) {
        const struct ks_op error = {.gate = paulis[choice >> 2 * i & 3],
                                    .qubits = {op->qubits[i]}};

        if (error.gate != KS_GATE_ID) {
            ks_plan_gate(&run->plan, &branch->frame, run->circuit, &error);
        }
    }
out:
    return err;
}

/* Plans and runs the gates up to the next measurement or reset that is to be done in its place;
 * branch->op is that operation then, or behind the last. */
static enum ks_err advance(struct run *run, struct branch *branch)
{
    const struct ks_circuit *circuit = run->circuit;
    enum ks_err err = KS_OK;
    bool stop = false;
    uint64_t count = 0;

    if (branch->measured) {
        KS_TRY(read_out(run, branch));
    }
    ks_plan_begin(&run->plan, &branch->frame);
    while (branch->op < circuit->op_count) {
        if (count++ % OPS_BETWEEN == 0) {
            KS_TRY(go_on(run));
        }
        const struct ks_op *op = &circuit->ops[branch->op];
        const enum ks_role role = (enum ks_role)run->roles[branch->op];

        if (role == KS_ROLE_CONTROL) {
            KS_TRY(ks_classical_step(&branch->classical, circuit, &branch->op));
            continue;
        }
        stop = role == KS_ROLE_MEASURE || role == KS_ROLE_RESET || role == KS_ROLE_TIDY;
        if (role == KS_ROLE_DEAD || role == KS_ROLE_FINAL || op->gate == KS_GATE_READOUT ||
            !ks_classical_holds(&branch->classical, circuit, op)) {
            stop = false;
        } else if (stop) {
            ks_plan_settle(&run->plan, &branch->frame, op->qubits[0]);
            break;
        } else if (role == KS_ROLE_NOISE) {
            KS_TRY(plan_noise(run, branch, op));
        } else {
            ks_plan_gate(&run->plan, &branch->frame, circuit, op);
        }
        branch->op++;
    }
    for (size_t i = 0; !stop && i < run->final_count; i++) {
        ks_plan_resolve(&run->plan, &branch->frame, run->finals[i].qubit);
    }
    if (!stop) {
        ks_plan_drop_phases(&run->plan);
    }
    KS_TRY(ks_plan_end(&run->plan));
    KS_TRY(reserve(run, branch));
    if (!branch->has_state) {
        ks_state_reset(&branch->state);
        branch->has_state = true;
    }
    KS_TRY(ks_state_run(&branch->state, &run->plan));
    KS_TRY(go_on(run)); /* what was stopped is garbage */
out:
    return err;
}

/* The measured operation of BRANCH came out as OUTCOME; its qubit has lost its slot in STATE.
 */
static void take_outcome(const struct run *run, struct branch *branch, bool outcome)
{
    const struct ks_op *op = &run->circuit->ops[branch->op];

    if (op->gate == KS_GATE_MEASURE) {
        ks_classical_set(&branch->classical, op->clbit, outcome);
    }
    ks_frame_collapse(&branch->frame, op->qubits[0], outcome);
    if (op->gate == KS_GATE_RESET) {
        branch->frame.qubits[op->qubits[0]].bit = false;
    }
    branch->op++;
    branch->measured = branch->op < run->circuit->op_count &&
                       run->circuit->ops[branch->op].gate == KS_GATE_READOUT;
}

/* --- splitting ---------------------------------------------------------------------------- */

/* Moves the shots whose draw gives 1 behind the others; returns how many gave 0. */
static size_t divide_shots(const struct run *run, const struct branch *branch, double p1)
{
    size_t zeros = 0;

    for (size_t i = 0; i < branch->shot_count; i++) {
        const uint32_t shot = branch->shots[i];
        const uint64_t draw =
            ks_philox_draw(run->spec->seed, shot, branch->draws, KS_DRAW_SPLIT);

        if ((double)draw * (1.0 / ((uint64_t)1 << KS_DRAW_BITS)) >= p1) {
            branch->shots[i] = branch->shots[zeros];
            branch->shots[zeros++] = shot;
        }
    }
    return zeros;
}

/* Puts on the stack what OTHER becomes when the operation comes out as 1: its own copy of
 * everything, of the state only when that fits. The shots from ZEROS on are its. */
static enum ks_err push_one(struct run *run, const struct branch *branch, uint32_t slot,
                            double p1, size_t zeros)
{
    const struct ks_qubit *qubit =
        &branch->frame.qubits[run->circuit->ops[branch->op].qubits[0]];
    const uint64_t bytes = need_of(branch->state.slot_count - 1, run->spec, run->team);
    const double scale = 1 / __builtin_sqrt(p1);
    enum ks_err err = KS_OK;
    struct branch *one = NULL;

    KS_TRY(branch_new(run, &one));
    for (uint32_t i = 0; i < branch->draws; i++) {
        KS_TRY(add_outcome(one, branch->outcomes[i] != 0));
    }
    KS_TRY(add_outcome(one, true));
    if (run->shots != NULL) {
        one->shots = branch->shots + zeros;
        one->shot_count = branch->shot_count - zeros;
    }
    one->weight = branch->weight * p1;
    if (copies_fit(run, bytes, branch_bytes(branch)) &&
        ks_state_reserve_half(&branch->state, &one->state) == KS_OK) {
        ks_state_halve_into(&branch->state, slot, !qubit->bit, scale, &one->state);
        one->has_state = true;
        run->copied += branch_bytes(one);
        ks_frame_copy(&one->frame, &branch->frame);
        ks_classical_copy(&one->classical, &branch->classical, run->circuit);
        one->op = branch->op;
        one->draws = branch->draws + 1;
        one->noise_draws = branch->noise_draws;
        take_outcome(run, one, true);
    }
    one->next = run->stack;
    run->stack = one;
    one = NULL;
out:
    branch_free(one);
    return err;
}

/* Decides an operation that can come out either way, with probability P1 as 1. */
static enum ks_err split(struct run *run, struct branch *branch, uint32_t slot, double p1,
                         bool *out_outcome)
{
    enum ks_err err = KS_OK;
    size_t zeros = 0;
    bool outcome = false;

    if (branch->draws < branch->outcome_count) {
        outcome = branch->outcomes[branch->draws] != 0;
        branch->draws++;
        *out_outcome = outcome;
        return KS_OK;
    }
    if (run->shots != NULL) {
        zeros = divide_shots(run, branch, p1);
        outcome = zeros == 0;
    }
    if (run->shots == NULL || (zeros > 0 && zeros < branch->shot_count)) {
        KS_TRY(push_one(run, branch, slot, p1, zeros));
        branch->shot_count = zeros;
    }
    branch->weight *= 1 - p1;
    KS_TRY(add_outcome(branch, outcome));
    branch->draws++;
    *out_outcome = outcome;
out:
    return err;
}

static enum ks_err measure(struct run *run, struct branch *branch)
{
    const struct ks_qubit *qubit =
        &branch->frame.qubits[run->circuit->ops[branch->op].qubits[0]];
    const double certain =
        run->spec->precision == KS_PRECISION_DOUBLE ? KS_CERTAIN_DOUBLE : KS_CERTAIN_SINGLE;
    const uint32_t slot = (uint32_t)qubit->slot;
    double weights[2];
    enum ks_err err = KS_OK;
    double p1;
    double scale = 1;
    bool outcome = qubit->bit;

    if (qubit->slot >= 0) {
        ks_state_weights(&branch->state, slot, weights);
        err = go_on(run);
        if (err != KS_OK) {
            return err;
        }
        if (!(weights[0] + weights[1] > 0)) {
            return ks_fail(KS_ERR_INTERNAL, "the state has no amplitude left");
        }
        p1 = weights[!qubit->bit] / (weights[0] + weights[1]);
        if (p1 <= certain) {
            outcome = false;
        } else if (weights[qubit->bit] / (weights[0] + weights[1]) <= certain) {
            outcome = true;
        } else if (run->roles[branch->op] == KS_ROLE_TIDY) {
            branch->op++; /* nobody would notice */
            return KS_OK;
        } else {
            err = split(run, branch, slot, p1, &outcome);
            if (err != KS_OK) {
                return err;
            }
            scale = 1 / __builtin_sqrt(outcome ? p1 : 1 - p1);
        }
        ks_state_halve(&branch->state, slot, outcome != qubit->bit, scale);
    }
    take_outcome(run, branch, outcome);
    return KS_OK;
}

/* --- the end of a branch ------------------------------------------------------------------ */

/* Writes to run->outcome the classical bits when the final measurements find amplitude INDEX.
 */
static void outcome_of(const struct run *run, const struct branch *branch, uint64_t index)
{
    struct ks_classical outcome = {.clbits = run->outcome};

    ks_copy(run->outcome, branch->classical.clbits, run->words * sizeof *run->outcome);
    for (size_t i = 0; i < run->final_count; i++) {
        ks_classical_set(&outcome, run->finals[i].clbit,
                         ks_frame_value(&branch->frame, run->finals[i].qubit, index));
    }
}

struct draw_pass {
    const struct run *run;
    const struct branch *branch;
};

static void draw_task(void *context, size_t slice)
{
    const struct draw_pass *pass = context;
    const struct branch *branch = pass->branch;
    const size_t begin = branch->shot_count / DRAW_SLICES * slice +
                         branch->shot_count % DRAW_SLICES * slice / DRAW_SLICES;
    const size_t end = branch->shot_count / DRAW_SLICES * (slice + 1) +
                       branch->shot_count % DRAW_SLICES * (slice + 1) / DRAW_SLICES;

    for (size_t i = begin; i < end; i++) {
        pass->run->draws[i] = ks_philox_draw(pass->run->spec->seed, branch->shots[i],
                                             branch->draws, KS_DRAW_SAMPLE);
    }
}

/* Counts the amplitude INDEX for shot SHOT, each bit of which may be read wrongly. */
static enum ks_err add_flipped(struct run *run, const struct branch *branch, uint64_t index,
                               uint32_t shot)
{
    struct ks_classical outcome = {.clbits = run->outcome};

    outcome_of(run, branch, index);
    for (size_t i = 0; i < run->final_count; i++) {
        const struct final *final = &run->finals[i];

        if (final->readout != NULL) {
            const bool bit = ks_classical_bit(&outcome, final->clbit);
            const uint64_t draw = ks_philox_draw(
                run->spec->seed, shot, branch->noise_draws + (uint32_t)i, KS_DRAW_NOISE);

            ks_classical_set(&outcome, final->clbit, bit != (unit(draw) < final->readout[bit]));
        }
    }
    return ks_tally_add(run->tally, run->outcome, 1);
}

static enum ks_err sample(struct run *run, struct branch *branch)
{
    struct draw_pass pass = {.run = run, .branch = branch};
    enum ks_err err = KS_OK;
    size_t i = 0;

    if (branch->state.slot_count == 0 && !run->reads_wrong) {
        outcome_of(run, branch, 0); /* nothing is left to chance */
        return ks_tally_add(run->tally, run->outcome, branch->shot_count);
    }
    ks_pool_run(branch->shot_count < DRAW_SLICES * 16 ? NULL : run->spec->pool, draw_task,
                &pass, DRAW_SLICES);
    ks_draws_sort(&run->draws, &run->draws_spare, branch->shot_count, run->spec->pool);
    KS_TRY(go_on(run)); /* unsorted draws are none */
    ks_state_sample(&branch->state, run->draws, branch->shot_count);
    KS_TRY(go_on(run));
    for (; i < branch->shot_count && run->reads_wrong; i++) {
        if (i % SHOTS_BETWEEN == 0) {
            KS_TRY(go_on(run));
        }
        KS_TRY(add_flipped(run, branch, run->draws[i], branch->shots[i]));
    }
    while (i < branch->shot_count) {
        const uint64_t index = run->draws[i];
        const size_t first = i;

        while (i < branch->shot_count && run->draws[i] == index) {
            i++;
        }
        outcome_of(run, branch, index);
        KS_TRY(ks_tally_add(run->tally, run->outcome, i - first));
    }
out:
    return err;
}

static enum ks_err add_probabilities(struct run *run, struct branch *branch)
{
    const size_t amps = (size_t)1 << branch->state.slot_count;
    double *squares = ks_calloc(amps, sizeof *squares);
    double weights[2];

    if (squares == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for %zu probabilities", amps);
    }
    ks_state_squares(&branch->state, squares);
    ks_state_weights(&branch->state, KS_NO_SLOT, weights);
    for (size_t i = 0; i < amps; i++) {
        outcome_of(run, branch, i);
        run->probabilities[run->outcome[0]] += branch->weight * (squares[i] / weights[0]);
    }
    ks_free(squares);
    return KS_OK;
}

/* --- all of it ---------------------------------------------------------------------------- */

static enum ks_err run_branch(struct run *run, struct branch *branch)
{
    enum ks_err err = KS_OK;

    KS_TRY(advance(run, branch));
    while (branch->op < run->circuit->op_count) {
        if (run->shots == NULL && branch->weight < WEIGHT_MIN) {
            return KS_OK;
        }
        KS_TRY(measure(run, branch));
        KS_TRY(advance(run, branch));
    }
    KS_TRY(run->probabilities != NULL ? add_probabilities(run, branch) : sample(run, branch));
out:
    return err;
}

static enum ks_err run_all(struct run *run)
{
    enum ks_err err = KS_OK;
    struct branch *branch = NULL;

    KS_TRY(branch_new(run, &branch));
    branch->shots = run->shots;
    branch->shot_count = (size_t)run->spec->shots;
    branch->weight = 1;
    while (branch != NULL) {
        KS_TRY(branch_prepare(run, branch));
        KS_TRY(run_branch(run, branch));
        branch_free(branch);
        branch = run->stack;
        if (branch != NULL) {
            run->stack = branch->next;
            run->copied -= branch->has_state ? branch_bytes(branch) : 0;
        }
    }
out:
    branch_free(branch);
    return err;
}

static enum ks_err list_finals(struct run *run)
{
    size_t count = 0;

    for (size_t i = 0; i < run->circuit->op_count; i++) {
        count += run->roles[i] == KS_ROLE_FINAL;
    }
    run->finals = ks_calloc(count, sizeof *run->finals);
    if (run->finals == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for %zu measurements", count);
    }
    for (size_t i = 0; i < run->circuit->op_count; i++) {
        const struct ks_op *op = &run->circuit->ops[i];

        if (run->roles[i] == KS_ROLE_FINAL) {
            const bool wrong = i + 1 < run->circuit->op_count && op[1].gate == KS_GATE_READOUT;

            run->finals[run->final_count++] = (struct final){
                op->qubits[0], op->clbit, wrong ? &run->circuit->params[op[1].param] : NULL};
            run->reads_wrong = run->reads_wrong || wrong;
        }
    }
    return KS_OK;
}

static enum ks_err run_init(struct run *run, const struct ks_circuit *circuit,
                            const struct ks_simulate_spec *spec, struct ks_team *team)
{
    enum ks_err err = KS_OK;

    *run = (struct run){.circuit = circuit, .team = team};
    run->spec = &run->watch.spec;
    ks_plan_init(&run->plan);
    run->plan.precision = spec->precision;
    run->plan.tile = team == NULL ? 0 : team->tile;
    KS_TRY(ks_watch_begin(&run->watch, spec));
    KS_CHECK(spec->version == 1, KS_ERR_USAGE, "simulation spec version %u", spec->version);
    KS_CHECK((unsigned)spec->precision <= KS_PRECISION_SINGLE, KS_ERR_USAGE, "precision %u",
             (unsigned)spec->precision);
    KS_TRY(ks_kernels_find(spec->kernels, spec->precision, &run->kernels));
    if (spec->noise != NULL) {
        KS_TRY(ks_noisy_new(circuit, spec->noise, &run->noisy));
        run->circuit = run->noisy;
    }
    KS_TRY(ks_roles_new(run->circuit, &run->roles));
    KS_TRY(list_finals(run));
    KS_TRY(ks_tally_new(circuit->clbit_count, run->spec->pool, &run->tally));
    run->words = ks_tally_words(run->tally);
    run->outcome = ks_calloc(run->words, sizeof *run->outcome);
    KS_CHECK(run->outcome != NULL, KS_ERR_NOMEM, "no memory for an outcome");
out:
    return err;
}

static void run_done(struct run *run)
{
    while (run->stack != NULL) {
        struct branch *branch = run->stack;

        run->stack = branch->next;
        branch_free(branch);
    }
    ks_watch_end(&run->watch);
    ks_plan_done(&run->plan);
    ks_tally_free(run->tally);
    ks_free(run->roles);
    ks_free(run->finals);
    ks_free(run->shots);
    ks_free(run->draws);
    ks_free(run->draws_spare);
    ks_free(run->outcome);
    ks_free(run->choices);
    ks_noisy_free(run->noisy);
}

enum ks_err ks_statevector_simulate(const struct ks_circuit *circuit,
                                    const struct ks_simulate_spec *spec,
                                    struct ks_counts **out_counts)
{
    return ks_statevector_share(circuit, spec, NULL, out_counts);
}

enum ks_err ks_statevector_share(const struct ks_circuit *circuit,
                                 const struct ks_simulate_spec *spec, struct ks_team *team,
                                 struct ks_counts **out_counts)
{
    enum ks_err err = KS_OK;
    struct run run;

    KS_TRY(run_init(&run, circuit, spec, team));
    KS_CHECK(spec->shots >= 1 && spec->shots <= KS_SHOTS_MAX, KS_ERR_LIMIT,
             "%" PRIu64 " shots, limit 1 to %d", spec->shots, KS_SHOTS_MAX);
    run.shots = ks_calloc((size_t)spec->shots, sizeof *run.shots);
    run.draws = ks_calloc((size_t)spec->shots, sizeof *run.draws);
    run.draws_spare = ks_calloc((size_t)spec->shots, sizeof *run.draws_spare);
    KS_CHECK(run.shots != NULL && run.draws != NULL && run.draws_spare != NULL, KS_ERR_NOMEM,
             "no memory for %" PRIu64 " shots", spec->shots);
    if (spec->noise != NULL) {
        run.choices = ks_calloc((size_t)spec->shots, sizeof *run.choices);
        KS_CHECK(run.choices != NULL, KS_ERR_NOMEM, "no memory for %" PRIu64 " shots",
                 spec->shots);
    }
    for (uint32_t i = 0; i < (uint32_t)spec->shots; i++) {
        run.shots[i] = i;
    }
    KS_TRY(run_all(&run));
    KS_TRY(ks_tally_finish(run.tally, out_counts));
out:
    run_done(&run);
    return err;
}

enum ks_err ks_statevector_probabilities(const struct ks_circuit *circuit,
                                         const struct ks_simulate_spec *spec,
                                         double *out_probabilities)
{
    enum ks_err err = KS_OK;
    struct run run;

    KS_TRY(run_init(&run, circuit, spec, NULL));
    KS_CHECK(spec->noise == NULL, KS_ERR_USAGE,
             "noise by trajectories has no exact probabilities: ks_density_probabilities");
    KS_CHECK(circuit->clbit_count <= KS_PROBABILITIES_CLBITS_MAX, KS_ERR_LIMIT,
             "%u classical bits, limit %d", circuit->clbit_count, KS_PROBABILITIES_CLBITS_MAX);
    ks_zero(out_probabilities, ((size_t)1 << circuit->clbit_count) * sizeof *out_probabilities);
    run.probabilities = out_probabilities;
    KS_TRY(run_all(&run));
out:
    run_done(&run);
    return err;
}
