/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/method.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "quantum/live.h"
#include "quantum/mps.h"
#include "quantum/simulate.h"
#include "quantum/sparse.h"
#include "quantum/stabilizer.h"
#include "quantum/state.h"
#include "quantum/watch.h"

static const char *const names[KS_METHOD_COUNT] = {
#define METHOD_NAME(name, text) [KS_METHOD_##name] = text,
    KS_METHOD_LIST(METHOD_NAME)
#undef METHOD_NAME
};

static const struct method {
    uint32_t numerics;
    const struct ks_engine *engine; /* NULL for the state vector */
} methods[KS_METHOD_COUNT] = {
    [KS_METHOD_STATEVECTOR] = {KS_NUMERICS, NULL},
    [KS_METHOD_STABILIZER] = {KS_NUMERICS_STABILIZER, &ks_stabilizer_engine},
    [KS_METHOD_SPARSE] = {KS_NUMERICS_SPARSE, &ks_sparse_engine},
    [KS_METHOD_MPS] = {KS_NUMERICS_MPS, &ks_mps_engine},
};

const char *ks_method_name(enum ks_method method)
{
    KS_ASSERT((unsigned)method < KS_METHOD_COUNT);
    return names[method];
}

enum ks_err ks_method_find(const char *name, enum ks_method *out_method)
{
    for (unsigned i = 0; i < KS_METHOD_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *out_method = (enum ks_method)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "auto, statevector, stabilizer, sparse or mps, not '%s'",
                   name);
}

uint32_t ks_method_numerics(enum ks_method method)
{
    KS_ASSERT(method != KS_METHOD_AUTO && (unsigned)method < KS_METHOD_COUNT);
    return methods[method].numerics;
}

static enum ks_err check_spec(const struct ks_simulate_spec *spec)
{
    enum ks_err err = KS_OK;

    KS_CHECK(spec->version == 1, KS_ERR_USAGE, "simulation spec version %u", spec->version);
    KS_CHECK((unsigned)spec->method < KS_METHOD_COUNT, KS_ERR_USAGE, "method %u",
             (unsigned)spec->method);
    KS_CHECK(spec->shots >= 1 && spec->shots <= KS_SHOTS_MAX, KS_ERR_LIMIT,
             "%" PRIu64 " shots, limit 1 to %d", spec->shots, KS_SHOTS_MAX);
    KS_CHECK(spec->bond_max <= KS_BOND_MAX, KS_ERR_LIMIT, "bond %u, limit 1 to %d",
             spec->bond_max, KS_BOND_MAX);
    KS_CHECK(spec->cutoff >= 0 && spec->cutoff < 1, KS_ERR_LIMIT,
             "the cutoff is not from 0 to below 1");
    KS_CHECK(spec->noise == NULL || methods[spec->method].engine == NULL, KS_ERR_USAGE,
             "noise takes the state vector, not '%s'", names[spec->method]);
out:
    return err;
}

static uint64_t memory_limit(const struct ks_simulate_spec *spec)
{
    return spec->memory_max == 0 ? KS_AUTO_MEMORY : spec->memory_max;
}

/* --- auto --------------------------------------------------------------------------------- */

static void say(struct ks_method_choice *choice, enum ks_method method, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct ks_method_choice *choice, enum ks_method method, const char *format, ...)
{
    va_list arguments;

    choice->method = method;
    va_start(arguments, format);
    (void)vsnprintf(choice->why, sizeof choice->why, format, arguments);
    va_end(arguments);
}

/* What a trial leaves to the run. */
struct trial {
    bool whole; /* all shots end in one state: they are drawn at once, within the same bounds */
    struct ks_counts *counts; /* the caller's, where it was whole; else NULL */
};

/* One shot by METHOD within bounds, or the whole run. */
static enum ks_err try_out(const struct ks_circuit *circuit,
                           const struct ks_simulate_spec *spec, enum ks_method method,
                           struct trial *trial, struct ks_simulate_facts *out_facts)
{
    const bool sparse = method == KS_METHOD_SPARSE;
    const uint64_t limit = sparse ? KS_AUTO_SPARSE_MEMORY : KS_AUTO_MEMORY;
    const uint64_t memory_max = memory_limit(spec) < limit ? memory_limit(spec) : limit;
    struct ks_simulate_spec one = *spec;
    struct ks_budget budget = ks_budget_of(memory_max);
    const struct ks_engine_context context = {circuit, &one, &budget};
    struct ks_counts *counts = NULL;
    enum ks_err err = KS_OK;

    one.shots = trial->whole ? spec->shots : 1;
    budget.pool = spec->pool;
    budget.work_max = sparse ? KS_AUTO_SPARSE_WORK : KS_AUTO_MPS_WORK;
    KS_TRY(ks_tree_simulate(methods[method].engine, &context, &counts));
    *out_facts = *ks_counts_facts(counts);
    KS_CHECK(out_facts->discarded_weight <= KS_AUTO_DISCARDED, KS_ERR_LIMIT,
             "discards %.1e of the weight at bond %u", out_facts->discarded_weight,
             out_facts->bond);
    if (trial->whole) {
        trial->counts = counts;
        counts = NULL; /* transferred */
    }
out:
    ks_counts_free(counts);
    return err;
}

/* Nothing but gates before the measurements at the end. */
static enum ks_err measures_at_end(const struct ks_circuit *circuit, bool *out_at_end)
{
    uint8_t *roles = NULL;
    const enum ks_err err = ks_roles_new(circuit, &roles);
    bool at_end = true;

    for (size_t i = 0; err == KS_OK && i < circuit->op_count; i++) {
        at_end = at_end && (roles[i] == KS_ROLE_DEAD || roles[i] == KS_ROLE_GATE ||
                            roles[i] == KS_ROLE_FINAL);
    }
    ks_free(roles);
    *out_at_end = at_end;
    return err;
}

#define REASON_MAX 200 /* of one method's refusal */

/* Keeps what the last failure said, cut to fit. */
static void keep_reason(char target[REASON_MAX])
{
    (void)snprintf(target, REASON_MAX, "%s", ks_err_detail());
}

/* Whether ERR says nothing about the method that was tried. */
static bool is_fatal(enum ks_err err)
{
    return err == KS_ERR_NOMEM || err == KS_ERR_CANCELLED;
}

/* SPEC's pool is watched. */
static enum ks_err choose_without_vector(const struct ks_circuit *circuit,
                                         const struct ks_simulate_spec *spec,
                                         const char *needed, const char *limit,
                                         struct trial *trial, struct ks_method_choice *choice)
{
    char reasons[3][REASON_MAX];
    struct ks_simulate_facts facts;
    enum ks_err err = ks_stabilizer_check(circuit);

    if (err == KS_OK) {
        say(choice, KS_METHOD_STABILIZER,
            "every gate is a Clifford gate, and the state vector needs %s, limit %s", needed,
            limit);
        return KS_OK;
    }
    keep_reason(reasons[0]);
    err = is_fatal(err) ? err : try_out(circuit, spec, KS_METHOD_SPARSE, trial, &facts);
    if (err == KS_OK) {
        say(choice, KS_METHOD_SPARSE,
            "a trial shot held %" PRIu64 " amplitudes, and the state vector needs %s, limit %s",
            facts.amplitudes, needed, limit);
        return KS_OK;
    }
    keep_reason(reasons[1]);
    err = is_fatal(err) ? err : try_out(circuit, spec, KS_METHOD_MPS, trial, &facts);
    if (err == KS_OK) {
        say(choice, KS_METHOD_MPS,
            "a trial shot took bond %u, and the state vector needs %s, limit %s", facts.bond,
            needed, limit);
        return KS_OK;
    }
    keep_reason(reasons[2]);
    return is_fatal(err)
               ? err
               : ks_fail(KS_ERR_LIMIT,
                         "no method fits: statevector needs %s, limit %s; stabilizer: %s; "
                         "sparse %s; mps %s",
                         needed, limit, reasons[0], reasons[1], reasons[2]);
}

static enum ks_err choose(const struct ks_circuit *circuit, const struct ks_simulate_spec *spec,
                          struct trial *trial, struct ks_method_choice *out_choice)
{
    const uint64_t limit_bytes = memory_limit(spec);
    enum ks_err err = check_spec(spec);
    struct ks_method_choice choice = {0};
    uint64_t needed_bytes = 0;
    char needed[KS_SIZE_TEXT_MAX];
    char limit[KS_SIZE_TEXT_MAX];

    if (err != KS_OK) {
        return err;
    }
    if (spec->method != KS_METHOD_AUTO) {
        say(&choice, spec->method, "asked for");
        *out_choice = choice;
        return KS_OK;
    }
    if (spec->noise != NULL) {
        say(&choice, KS_METHOD_STATEVECTOR, "noise takes the state vector");
        *out_choice = choice;
        return KS_OK;
    }
    needed_bytes = ks_simulate_memory(circuit, spec->precision);
    ks_size_text(needed_bytes, needed);
    ks_size_text(limit_bytes, limit);
    if (needed_bytes <= limit_bytes) {
        say(&choice, KS_METHOD_STATEVECTOR, "the state vector needs at most %s, limit %s",
            needed, limit);
    } else {
        struct ks_watch watch;

        err = ks_watch_begin(&watch, spec);
        if (err == KS_OK) {
            err = choose_without_vector(circuit, &watch.spec, needed, limit, trial, &choice);
        }
        ks_watch_end(&watch);
    }
    if (err == KS_OK) {
        *out_choice = choice;
    }
    return err;
}

enum ks_err ks_method_choose(const struct ks_circuit *circuit,
                             const struct ks_simulate_spec *spec,
                             struct ks_method_choice *out_choice)
{
    struct trial trial = {0};

    return choose(circuit, spec, &trial, out_choice);
}

/* --- running ------------------------------------------------------------------------------ */

/* The method of SPEC where that is plain, else AUTO: many small circuits are run for their
 * parameters. */
static enum ks_err find_plain(const struct ks_circuit *circuit,
                              const struct ks_simulate_spec *spec, enum ks_method *out_method)
{
    const enum ks_err err = check_spec(spec);

    if (err == KS_OK) {
        *out_method = spec->method;
        if (spec->method == KS_METHOD_AUTO &&
            (spec->noise != NULL ||
             ks_state_bytes(circuit->qubit_count, spec->precision) <= memory_limit(spec))) {
            *out_method = KS_METHOD_STATEVECTOR;
        }
    }
    return err;
}

/* Runs METHOD, which is not the state vector; the distribution where OUT_PROBABILITIES is
 * given, else counts. */
static enum ks_err run_engine(enum ks_method method, const struct ks_circuit *circuit,
                              const struct ks_simulate_spec *spec, double *out_probabilities,
                              struct ks_counts **out_counts)
{
    struct ks_watch watch;
    struct ks_budget budget = ks_budget_of(spec->memory_max);
    const struct ks_engine_context context = {circuit, &watch.spec, &budget};
    enum ks_err err = KS_OK;

    KS_TRY(ks_watch_begin(&watch, spec));
    budget.pool = watch.spec.pool;
    if (out_probabilities != NULL) {
        KS_TRY(ks_tree_probabilities(methods[method].engine, &context, out_probabilities));
    } else if (method == KS_METHOD_STABILIZER) {
        KS_TRY(ks_stabilizer_simulate(&context, out_counts));
    } else {
        KS_TRY(ks_tree_simulate(methods[method].engine, &context, out_counts));
    }
out:
    ks_watch_end(&watch);
    return err;
}

static enum ks_err run(enum ks_method method, const struct ks_circuit *circuit,
                       const struct ks_simulate_spec *spec, struct ks_counts **out_counts)
{
    return methods[method].engine == NULL ? ks_statevector_simulate(circuit, spec, out_counts)
                                          : run_engine(method, circuit, spec, NULL, out_counts);
}

enum ks_err ks_simulate_explained(const struct ks_circuit *circuit,
                                  const struct ks_simulate_spec *spec,
                                  struct ks_method_choice *out_choice,
                                  struct ks_counts **out_counts)
{
    enum ks_err err = KS_OK;
    struct trial trial = {0};

    if (spec->method == KS_METHOD_AUTO) {
        KS_TRY(measures_at_end(circuit, &trial.whole));
    }
    KS_TRY(choose(circuit, spec, &trial, out_choice));
    if (trial.counts != NULL) {
        *out_counts = trial.counts;
    } else {
        KS_TRY(run(out_choice->method, circuit, spec, out_counts));
    }
out:
    return err;
}

enum ks_err ks_simulate(const struct ks_circuit *circuit, const struct ks_simulate_spec *spec,
                        struct ks_counts **out_counts)
{
    struct ks_method_choice choice = {.method = KS_METHOD_AUTO};
    enum ks_err err = find_plain(circuit, spec, &choice.method);

    if (err != KS_OK) {
        return err;
    }
    return choice.method == KS_METHOD_AUTO
               ? ks_simulate_explained(circuit, spec, &choice, out_counts)
               : run(choice.method, circuit, spec, out_counts);
}

enum ks_err ks_simulate_probabilities(const struct ks_circuit *circuit,
                                      const struct ks_simulate_spec *spec,
                                      double *out_probabilities)
{
    const enum ks_err err = check_spec(spec);

    if (err != KS_OK) {
        return err;
    }
    if (methods[spec->method].engine == NULL) {
        return ks_statevector_probabilities(circuit, spec, out_probabilities);
    }
    if (circuit->clbit_count > KS_PROBABILITIES_CLBITS_MAX) {
        return ks_fail(KS_ERR_LIMIT, "%u classical bits, limit %d", circuit->clbit_count,
                       KS_PROBABILITIES_CLBITS_MAX);
    }
    return run_engine(spec->method, circuit, spec, out_probabilities, NULL);
}
