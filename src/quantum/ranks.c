/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/ranks.h"

#include "quantum/live.h"
#include "quantum/simulate.h"
#include "quantum/spread_state.h"

/* --- together ----------------------------------------------------------------------------- */

enum ks_err ks_ranks_agree(const struct ks_ranks *ranks, enum ks_err err)
{
    struct ks_team team = {.ranks = ranks};

    return ks_team_agree(&team, err);
}

enum ks_err ks_ranks_share(const struct ks_ranks *ranks, void *data, size_t len)
{
    enum ks_err err = KS_OK;
    uint64_t words[512];
    const size_t step = sizeof words;

    for (size_t at = 0; at < len; at += step) {
        const size_t count = len - at < step ? len - at : step;

        ks_zero(words, sizeof words);
        if (ranks->rank == 0) {
            ks_copy(words, (const char *)data + at, count);
        }
        KS_TRY(ranks->merge(ranks->context, words, sizeof words / sizeof words[0]));
        ks_copy((char *)data + at, words, count);
    }
out:
    return err;
}

enum ks_err ks_ranks_simulate(const struct ks_circuit *circuit,
                              const struct ks_simulate_spec *spec, const struct ks_ranks *ranks,
                              struct ks_counts **out_counts, struct ks_traffic *out_traffic)
{
    struct ks_team team;
    struct ks_counts *counts = NULL;
    enum ks_err err = ks_team_init(&team, ranks);

    KS_TRY(ks_team_agree(&team, err));
    err = ks_statevector_share(circuit, spec, &team, &counts);
    KS_TRY(ks_team_agree(&team, err));
    KS_TRY(ks_team_traffic(&team, out_traffic));
    *out_counts = counts;
    counts = NULL;
out:
    ks_counts_free(counts);
    ks_team_done(&team);
    return err;
}

/* --- forecast ----------------------------------------------------------------------------- */

enum ks_err ks_ranks_plan(const struct ks_circuit *circuit, struct ks_plan *plan,
                          bool *out_whole)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    uint8_t *roles = NULL;
    size_t end = 0;

    KS_TRY(ks_roles_new(circuit, &roles));
    KS_TRY(ks_frame_init(&frame, circuit->qubit_count));
    ks_plan_begin(plan, &frame);
    for (; end < circuit->op_count && circuit->ops[end].condition == 0; end++) {
        if (roles[end] == KS_ROLE_GATE) {
            ks_plan_gate(plan, &frame, circuit, &circuit->ops[end]);
        } else if (roles[end] != KS_ROLE_FINAL && roles[end] != KS_ROLE_DEAD) {
            break;
        }
    }
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (roles[i] == KS_ROLE_FINAL) {
            ks_plan_resolve(plan, &frame, circuit->ops[i].qubits[0]);
        }
    }
    *out_whole = end == circuit->op_count;
    if (*out_whole) {
        ks_plan_drop_phases(plan);
    }
    KS_TRY(ks_plan_end(plan));
    KS_CHECK(plan->slots_peak <= KS_SLOTS_MAX, KS_ERR_LIMIT,
             "needs %u qubits at once, limit %d", plan->slots_peak, KS_SLOTS_MAX);
out:
    ks_frame_done(&frame);
    ks_free(roles);
    return err;
}

enum ks_err ks_ranks_predict(const struct ks_circuit *circuit, enum ks_precision precision,
                             uint32_t count, struct ks_ranks_forecast *out_forecast)
{
    enum ks_err err = KS_OK;
    const struct ks_spread nothing = {0};
    struct ks_team team = {0};
    struct ks_exchanges exchanges = {0};
    struct ks_plan plan;
    bool whole = false;

    ks_plan_init(&plan);
    plan.precision = precision;
    KS_CHECK(count >= 1 && count <= KS_RANKS_MAX && (count & (count - 1)) == 0, KS_ERR_USAGE,
             "%u ranks: not a power of two up to %u", count, KS_RANKS_MAX);
    team.rank_bits = (uint32_t)__builtin_ctz(count);
    KS_TRY(ks_ranks_plan(circuit, &plan, &whole));
    KS_TRY(ks_exchanges_make(&plan, &nothing, team.rank_bits, &exchanges));
    *out_forecast = (struct ks_ranks_forecast){
        .traffic.exchanges = exchanges.exchanges,
        .traffic.bytes =
            (uint64_t)exchanges.volume * (precision == KS_PRECISION_DOUBLE ? 16 : 8),
        .slots = plan.slots_peak,
        .local = exchanges.local_peak,
        .passes = (uint32_t)plan.pass_count,
        .memory = ks_spread_bytes(&team, plan.slots_peak, precision),
        .whole = whole,
    };
out:
    ks_exchanges_done(&exchanges);
    ks_plan_done(&plan);
    return err;
}
