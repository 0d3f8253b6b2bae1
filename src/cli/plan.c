/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/plan.h"

#include <string.h>

#include "base/philox.h"

#define QUANTUM_PERMILLE  150 /* of the normal ones */
#define FRESH_PERMILLE    300 /* of those where it may be either */
#define ROWS_PER_KIND_MIN 4
#define ROWS_PER_ROUND    1250
#define SEED_BITS         53 /* what a job takes */

struct ks_plan {
    size_t count;
    struct ks_plan_step *steps;
};

/* --- names -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum ks_plan_room room;
    const char *what;
} kinds[] = {
#define KS_PLAN_KIND_ROW(name, word, room, what) {word, KS_PLAN_ROOM_##room, what},
    KS_PLAN_KIND_LIST(KS_PLAN_KIND_ROW)
#undef KS_PLAN_KIND_ROW
};

static const char *const rooms[] = {
#define KS_PLAN_ROOM_TEXT(name, text) text,
    KS_PLAN_ROOM_LIST(KS_PLAN_ROOM_TEXT)
#undef KS_PLAN_ROOM_TEXT
};

const char *ks_plan_room_name(enum ks_plan_room room)
{
    KS_ASSERT((unsigned)room < KS_PLAN_ROOMS);
    return rooms[room];
}

const char *ks_plan_kind_name(enum ks_plan_kind kind)
{
    KS_ASSERT((unsigned)kind < KS_PLAN_KINDS);
    return kinds[kind].name;
}

const char *ks_plan_kind_what(enum ks_plan_kind kind)
{
    KS_ASSERT((unsigned)kind < KS_PLAN_KINDS);
    return kinds[kind].what;
}

enum ks_err ks_plan_kind_find(const char *name, enum ks_plan_kind *out_kind)
{
    for (unsigned i = 0; i < KS_PLAN_KINDS; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            *out_kind = (enum ks_plan_kind)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "'%s' is no kind of trace", name);
}

/* --- random numbers ----------------------------------------------------------------------- */

/* Draws of one purpose: the same whatever was drawn for others. */
struct dice {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t words[4];
    unsigned left;
};

static struct dice dice_of(uint64_t seed, uint32_t purpose, uint64_t index)
{
    return (struct dice){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, purpose, (uint32_t)index, (uint32_t)(index >> 32)},
    };
}

static uint32_t draw_bits(struct dice *dice)
{
    if (dice->left == 0) {
        ks_philox(dice->key, dice->counter, dice->words);
        dice->counter[0]++;
        dice->left = 4;
    }
    return dice->words[--dice->left];
}

/* The bias, below 2^-11 for what is drawn here, matters to nobody. */
static uint32_t draw(struct dice *dice, uint32_t below)
{
    return (uint32_t)(((uint64_t)draw_bits(dice) * below) >> 32);
}

static uint32_t draw_between(struct dice *dice, uint32_t low, uint32_t high)
{
    return low + draw(dice, high - low + 1);
}

static uint64_t draw_seed(struct dice *dice)
{
    const uint64_t high = draw_bits(dice);

    return (high << 32 | draw_bits(dice)) >> (64 - SEED_BITS);
}

/* --- one step ----------------------------------------------------------------------------- */

enum { PURPOSE_ORDER = 1, PURPOSE_JOB, PURPOSE_KIND };

#define PICK(dice, table) ((table)[draw(dice, sizeof(table) / sizeof(table)[0])])

/* A point of the grid. */
static void draw_job(struct dice *dice, struct ks_plan_step *step)
{
    static const char *const templates[] = {"bell", "ghz", "qft",
                                            "hea",  "rqc", "clifford_t_sampling"};
    static const uint32_t qubits[] = {2, 3, 4, 5, 6, 8, 10, 12};
    static const uint32_t depths[] = {1, 2, 4, 8, 12};
    static const uint64_t shots[] = {64, 256, 1024, 4096};
    /* A Clifford circuit takes any of them. */
    static const char *const methods[] = {"auto", "statevector", "sparse", "mps", "stabilizer"};
    const uint32_t template = draw(dice, sizeof templates / sizeof templates[0]);
    const bool clifford = template <2;

    step->template = templates[template];
    step->qubits = PICK(dice, qubits);
    step->qubits = template == 0 ? 2 : step->qubits;
    step->depth = PICK(dice, depths);
    step->shots = PICK(dice, shots);
    step->single = draw(dice, 2) == 0;
    step->method = methods[draw(dice, clifford ? 5 : 4)];
    step->template_seed = draw_seed(dice);
    step->seed = draw_seed(dice);
}

/* What is done to it. */
static void draw_kind(struct dice *dice, struct ks_plan_step *step)
{
    step->fresh = draw(dice, 1000) < FRESH_PERMILLE;
    switch (step->kind) {
    case KS_PLAN_DELAY:
        step->amount = draw_between(dice, 20000, 120000);
        step->more = draw(dice, step->amount / 2);
        break;
    case KS_PLAN_LOSS:
        step->amount = draw_between(dice, 200, 500);
        step->more = 200000; /* the least retransmission timeout of Linux */
        break;
    case KS_PLAN_THROTTLE:
        step->amount = draw_between(dice, 40000, 200000);
        break;
    case KS_PLAN_CUT:
    case KS_PLAN_TAMPER:
        step->amount = draw(dice, 4000);
        break;
    case KS_PLAN_DOWNGRADE:
    case KS_PLAN_MITM:
    case KS_PLAN_MITM_CLASSICAL:
        step->fresh = true; /* it is in the handshake that it shows */
        break;
    case KS_PLAN_SHOTS:
        step->amount = draw_between(dice, 20, 60);
        step->shots *= step->amount;
        break;
    case KS_PLAN_EXHAUSTION:
        step->amount = 4;
        step->more = 64;
        break;
    default:
        break;
    }
}

/* --- the whole ---------------------------------------------------------------------------- */

/* Steps that are alike but for their jobs, and how many of them. */
struct portion {
    enum ks_plan_kind kind;
    enum ks_plan_room room;
    unsigned phase; /* portions of one are mixed */
    uint64_t count;
};

#define PORTIONS_MAX (KS_PLAN_KINDS + 1) /* normal ones in two rooms */

/* In this order: so the eavesdropper comes after those who were not listened to. */
enum {
    PHASE_PATH,
    PHASE_EXHAUSTION,
    PHASE_QUANTUM,
    PHASE_ROOMS,
    PHASES = PHASE_ROOMS + KS_PLAN_KINDS
};

/* Those of one surrounding: what is done to a connection mixes with jobs that nothing is done
 * to. */
static unsigned phase_of(enum ks_plan_kind kind, enum ks_plan_room room)
{
    if (room == KS_PLAN_ROOM_HONEST) {
        return kind == KS_PLAN_EXHAUSTION ? PHASE_EXHAUSTION : PHASE_PATH;
    }
    return kind == KS_PLAN_NORMAL ? PHASE_QUANTUM : PHASE_ROOMS + (unsigned)kind;
}

static enum ks_err divide(const struct ks_plan_spec *spec, struct portion *portions,
                          size_t *out_count)
{
    enum ks_err err = KS_OK;
    size_t wanted = 0;
    size_t count = 0;
    uint64_t normal = spec->rows;
    uint64_t quantum = 0;
    uint64_t each = 0;

    for (size_t kind = 1; kind < KS_PLAN_KINDS; kind++) {
        wanted += spec->kinds[kind];
    }
    KS_CHECK(spec->rows <= KS_PLAN_ROWS_MAX, KS_ERR_USAGE, "rows: at most %d",
             KS_PLAN_ROWS_MAX);
    KS_CHECK(spec->rows >= ROWS_PER_KIND_MIN * (wanted + 1), KS_ERR_USAGE,
             "rows: at least %zu for %zu kinds", ROWS_PER_KIND_MIN * (wanted + 1), wanted + 1);
    KS_CHECK(spec->anomalies_percent <= KS_PLAN_ANOMALIES_MAX, KS_ERR_USAGE,
             "anomalies: at most %d of 100 rows", KS_PLAN_ANOMALIES_MAX);
    each = wanted == 0 ? 0 : spec->rows * spec->anomalies_percent / 100 / wanted;
    each = each == 0 ? 1 : each;
    for (size_t kind = 1; kind < KS_PLAN_KINDS; kind++) {
        if (spec->kinds[kind]) {
            portions[count++] =
                (struct portion){(enum ks_plan_kind)kind, kinds[kind].room,
                                 phase_of((enum ks_plan_kind)kind, kinds[kind].room), each};
            normal -= each;
        }
    }
    quantum = spec->quantum ? normal * QUANTUM_PERMILLE / 1000 : 0;
    portions[count++] =
        (struct portion){KS_PLAN_NORMAL, KS_PLAN_ROOM_HONEST, 0, normal - quantum};
    portions[count++] =
        (struct portion){KS_PLAN_NORMAL, KS_PLAN_ROOM_QUANTUM,
                         phase_of(KS_PLAN_NORMAL, KS_PLAN_ROOM_QUANTUM), quantum};
    *out_count = count;
out:
    return err;
}

/* Fisher and Yates. */
static void shuffle(struct dice *dice, struct ks_plan_step *steps, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        const size_t other = draw(dice, (uint32_t)i);
        const struct ks_plan_step step = steps[i - 1];

        steps[i - 1] = steps[other];
        steps[other] = step;
    }
}

/* The phase PHASE of round ROUND of ROUNDS, behind what there is. */
static void add_phase(const struct portion *portions, size_t count, unsigned phase,
                      uint64_t round, uint64_t rounds, struct ks_plan *plan)
{
    for (size_t i = 0; i < count; i++) {
        const struct portion *portion = &portions[i];
        const uint64_t begin = portion->count * round / rounds;
        const uint64_t end = portion->count * (round + 1) / rounds;

        for (uint64_t n = begin; portion->phase == phase && n < end; n++) {
            plan->steps[plan->count++] =
                (struct ks_plan_step){.kind = portion->kind, .room = portion->room};
        }
    }
}

enum ks_err ks_plan_new(const struct ks_plan_spec *spec, struct ks_plan **out_plan)
{
    enum ks_err err = KS_OK;
    struct portion portions[PORTIONS_MAX];
    size_t count = 0;
    unsigned segment = 0;
    const uint64_t rounds = 1 + (spec->rows - 1) / ROWS_PER_ROUND;
    struct dice order = dice_of(spec->seed, PURPOSE_ORDER, 0);
    struct ks_plan *plan = ks_calloc(1, sizeof *plan);

    KS_CHECK(plan != NULL, KS_ERR_NOMEM, "plan");
    KS_TRY(divide(spec, portions, &count));
    plan->steps = ks_calloc(spec->rows, sizeof *plan->steps);
    KS_CHECK(plan->steps != NULL, KS_ERR_NOMEM, "%llu rows", (unsigned long long)spec->rows);
    for (uint64_t round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < PHASES; i++) {
            const size_t begin = plan->count;

            add_phase(portions, count, i, round, rounds, plan);
            shuffle(&order, &plan->steps[begin], plan->count - begin);
            for (size_t n = begin; n < plan->count; n++) {
                plan->steps[n].segment = segment;
            }
            segment += plan->count > begin;
        }
    }
    KS_ASSERT(plan->count == spec->rows);
    for (size_t i = 0; i < plan->count; i++) {
        struct dice job = dice_of(spec->seed, PURPOSE_JOB, i);
        struct dice kind = dice_of(spec->seed, PURPOSE_KIND, i);

        draw_job(&job, &plan->steps[i]);
        draw_kind(&kind, &plan->steps[i]);
    }
    *out_plan = plan;
    plan = NULL; /* transferred */
out:
    ks_plan_free(plan);
    return err;
}

void ks_plan_free(struct ks_plan *plan)
{
    if (plan != NULL) {
        ks_free(plan->steps);
    }
    ks_free(plan);
}

size_t ks_plan_count(const struct ks_plan *plan)
{
    return plan->count;
}

const struct ks_plan_step *ks_plan_at(const struct ks_plan *plan, size_t index)
{
    KS_ASSERT(index < plan->count);
    return &plan->steps[index];
}

void ks_plan_put(const struct ks_plan *plan, struct ks_buf *out)
{
    ks_buf_put_text(out, "row,segment,room,kind,fresh,template,qubits,depth,template_seed,"
                         "shots,seed,precision,method,amount,more\n");
    for (size_t i = 0; i < plan->count; i++) {
        const struct ks_plan_step *step = &plan->steps[i];

        ks_buf_put_format(
            out, "%zu,%u,%s,%s,%d,%s,%u,%u,%llu,%llu,%llu,%s,%s,%u,%u\n", i + 1, step->segment,
            rooms[step->room], kinds[step->kind].name, step->fresh, step->template,
            step->qubits, step->depth, (unsigned long long)step->template_seed,
            (unsigned long long)step->shots, (unsigned long long)step->seed,
            step->single ? "single" : "double", step->method, step->amount, step->more);
    }
}
