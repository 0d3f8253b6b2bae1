/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What attackers send. Those that know the honest changes come after them in a round. */

#include <math.h>
#include <string.h>

#include "cli/flsim_work.h"

const char *ks_flsim_attack_word(enum ks_flsim_attack attack)
{
    static const char *const words[KS_FLSIM_ATTACKS] = {
#define WORD(name, word) [KS_FLSIM_##name] = (word),
        KS_FLSIM_ATTACK_LIST(WORD)
#undef WORD
    };

    KS_ASSERT(attack < KS_FLSIM_ATTACKS);
    return words[attack];
}

enum ks_err ks_flsim_attack_of(const char *word, enum ks_flsim_attack *out_attack)
{
    for (unsigned i = 0; i < KS_FLSIM_ATTACKS; i++) {
        if (strcmp(ks_flsim_attack_word((enum ks_flsim_attack)i), word) == 0) {
            *out_attack = (enum ks_flsim_attack)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE,
                   "none, sign-flip, label-flip, mimic, ipm, alie or gaussian, not '%s'", word);
}

bool ks_flsim_attacks(const struct ks_flsim_plan *plan, size_t index)
{
    return plan->attack != KS_FLSIM_NONE &&
           (index + 1) * plan->attackers / plan->count > index * plan->attackers / plan->count;
}

void ks_flsim_note_honest(struct ks_flsim *sim)
{
    double *sum = sim->honest;
    double *squares = sim->honest + sim->params;
    double *first = sim->honest + 2 * sim->params;

    for (size_t i = 0; i < sim->params; i++) {
        const double value = (double)sim->change[i];

        sum[i] += value;
        squares[i] += value * value;
        first[i] = sim->honest_count == 0 ? value : first[i];
    }
    sim->honest_count++;
}

/* The share below which ALIE's value has to lie so that the honest ones beyond it and the liars
 * are a majority (Baruch, Baruch, Goldberg, NeurIPS 2019), as a normal quantile. */
static double alie_strength(size_t count, size_t attackers)
{
    const double supporters = floor((double)count / 2 + 1) - (double)attackers;
    const double honest = (double)(count - attackers);
    double low = 0;
    double high = 8;

    for (unsigned i = 0; i < 64; i++) {
        const double z = (low + high) / 2;
        const bool below = erfc(-z / sqrt(2)) / 2 < (honest - supporters) / honest;

        low = below ? z : low;
        high = below ? high : z;
    }
    return low;
}

static double normal(const struct ks_flsim *sim, size_t client, uint64_t round, size_t place)
{
    uint32_t words[4];

    ks_flsim_draw(sim->plan, KS_FLSIM_DRAW_NOISE, round << 32 | client, place, words);
    return sqrt(-2 * log((words[0] + 0.5) / 4294967296.0)) *
           cos(6.283185307179586 * words[1] / 4294967296.0);
}

/* What an attacker sends in place of its own VALUE at PLACE. */
static double attacked(const struct ks_flsim *sim, double strength, size_t place, double value)
{
    const double count = sim->honest_count == 0 ? 1 : (double)sim->honest_count;
    const double mean = sim->honest == NULL ? 0 : sim->honest[place] / count;

    switch (sim->plan->attack) {
    case KS_FLSIM_SIGN_FLIP:
        return -strength * value;
    case KS_FLSIM_MIMIC:
        return sim->honest[2 * sim->params + place];
    case KS_FLSIM_IPM:
        return -strength * mean;
    case KS_FLSIM_ALIE:
        return mean -
               strength * sqrt(fmax(sim->honest[sim->params + place] / count - mean * mean, 0));
    default:
        return value;
    }
}

void ks_flsim_attack(struct ks_flsim *sim, size_t client, uint64_t round)
{
    const struct ks_flsim_plan *plan = sim->plan;
    const double strength =
        plan->attack == KS_FLSIM_ALIE && plan->strength == 0
            ? alie_strength(plan->wanted, plan->wanted * plan->attackers / plan->count)
            : plan->strength;

    for (size_t i = 0; i < sim->params; i++) {
        sim->change[i] = (float)(plan->attack == KS_FLSIM_GAUSSIAN
                                     ? strength * normal(sim, client, round, i)
                                     : attacked(sim, strength, i, (double)sim->change[i]));
    }
}
