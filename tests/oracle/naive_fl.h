/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* naive_fl.h: robust aggregation once more, as the papers write it, in double and in no hurry;
 * and what attackers send. For tests. */
#ifndef KS_TESTS_ORACLE_NAIVE_FL_H
#define KS_TESTS_ORACLE_NAIVE_FL_H

#include <stddef.h>
#include <stdint.h>

#include "fl/robust.h"

#define NAIVE_ROWS_MAX 64

/* ROWS[i] has PARAMS numbers. ROBUST has its defaults written out. */
void naive_robust(const struct ks_fl_robust *robust, double *const *rows, size_t count,
                  size_t params, const double *center, const double *root, double *out);

enum fl_attack {
    FL_ATTACK_SIGN_FLIP, /* its own update, times -STRENGTH */
    FL_ATTACK_MIMIC,     /* that of the first honest client (Karimireddy et al. 2022) */
    FL_ATTACK_IPM,       /* -STRENGTH times the honest mean (Xie et al. 2019) */
    FL_ATTACK_ALIE,      /* honest mean - STRENGTH standard deviations (Baruch et al. 2019) */
    FL_ATTACK_GAUSSIAN,  /* normal numbers of standard deviation STRENGTH */
};
/* Makes what the rows from HONEST on send out of what all would have sent. */
void fl_attack(enum fl_attack attack, float *const *rows, size_t honest, size_t count,
               size_t params, double strength, uint64_t seed);
/* ALIE's z for COUNT clients of whom ATTACKERS attack: the quantile of the normal distribution
 * at (count - attackers - s) / (count - attackers), s = floor(count / 2 + 1) - attackers. */
double fl_alie_strength(size_t count, size_t attackers);

/* A normal number: a function of SEED and INDEX. */
double fl_normal(uint64_t seed, uint64_t index);

#endif
