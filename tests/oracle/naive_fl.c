/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "oracle/naive_fl.h"

#include <math.h>
#include <stdlib.h>

#include "base/philox.h"

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double squared(const double *a, const double *b, size_t params)
{
    double sum = 0;

    for (size_t j = 0; j < params; j++) {
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    }
    return sum;
}

static double dot(const double *a, const double *b, size_t params)
{
    double sum = 0;

    for (size_t j = 0; j < params; j++) {
        sum += a[j] * b[j];
    }
    return sum;
}

/* --- by coordinate ------------------------------------------------------------------------ */

static void sorted_column(double *const *rows, size_t count, size_t column, double *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = rows[i][column];
    }
    qsort(out, count, sizeof *out, by_value);
}

static double middle(const double *sorted, size_t count)
{
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static void trimmed(double *const *rows, size_t count, size_t params, size_t cut, double *out)
{
    double sorted[NAIVE_ROWS_MAX];

    for (size_t j = 0; j < params; j++) {
        out[j] = 0;
        sorted_column(rows, count, j, sorted);
        for (size_t i = cut; i < count - cut; i++) {
            out[j] += sorted[i] / (double)(count - 2 * cut);
        }
    }
}

static void medians(double *const *rows, size_t count, size_t params, double *out)
{
    double sorted[NAIVE_ROWS_MAX];

    for (size_t j = 0; j < params; j++) {
        sorted_column(rows, count, j, sorted);
        out[j] = middle(sorted, count);
    }
}

/* --- Krum and Bulyan ---------------------------------------------------------------------- */

static double krum_score(double *const *rows, const size_t *left, size_t count, size_t index,
                         size_t params, size_t attackers)
{
    const size_t others = count > attackers + 3 ? count - attackers - 2 : 1;
    double apart[NAIVE_ROWS_MAX];
    size_t found = 0;
    double score = 0;

    for (size_t i = 0; i < count; i++) {
        if (i != index) {
            apart[found++] = squared(rows[left[index]], rows[left[i]], params);
        }
    }
    qsort(apart, found, sizeof *apart, by_value);
    for (size_t i = 0; i < others && i < found; i++) {
        score += apart[i];
    }
    return score;
}

/* The place in LEFT of Krum's choice among the COUNT rows it names. */
static size_t krum_choice(double *const *rows, const size_t *left, size_t count, size_t params,
                          size_t attackers)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++) {
        if (krum_score(rows, left, count, i, params, attackers) <
            krum_score(rows, left, count, best, params, attackers)) {
            best = i;
        }
    }
    return best;
}

static void multi_krum(double *const *rows, size_t count, size_t params, size_t attackers,
                       size_t keep, double *out)
{
    size_t all[NAIVE_ROWS_MAX];
    double scores[NAIVE_ROWS_MAX];

    for (size_t i = 0; i < count; i++) {
        all[i] = i;
    }
    for (size_t i = 0; i < count; i++) {
        scores[i] = krum_score(rows, all, count, i, params, attackers);
    }
    for (size_t j = 0; j < params; j++) {
        out[j] = 0;
    }
    for (size_t k = 0; k < keep; k++) {
        size_t best = 0;

        for (size_t i = 1; i < count; i++) {
            best = scores[i] < scores[best] ? i : best;
        }
        scores[best] = INFINITY;
        for (size_t j = 0; j < params; j++) {
            out[j] += rows[best][j] / (double)keep;
        }
    }
}

static void bulyan(double *const *rows, size_t count, size_t params, size_t attackers,
                   double *out)
{
    const size_t chosen_count = count - 2 * attackers;
    const size_t keep = count - 4 * attackers;
    double *chosen[NAIVE_ROWS_MAX];
    size_t left[NAIVE_ROWS_MAX];
    size_t left_count = count;

    for (size_t i = 0; i < count; i++) {
        left[i] = i;
    }
    for (size_t i = 0; i < chosen_count; i++) {
        const size_t at = krum_choice(rows, left, left_count, params, attackers);

        chosen[i] = rows[left[at]];
        for (size_t k = at; k + 1 < left_count; k++) {
            left[k] = left[k + 1];
        }
        left_count--;
    }
    for (size_t j = 0; j < params; j++) {
        double sorted[NAIVE_ROWS_MAX];
        double best = INFINITY;

        /* Of all runs of KEEP values the one whose farthest is nearest to the median. */
        sorted_column(chosen, chosen_count, j, sorted);
        for (size_t first = 0; first + keep <= chosen_count; first++) {
            const double median = middle(sorted, chosen_count);
            const double reach =
                fmax(median - sorted[first], sorted[first + keep - 1] - median);
            double sum = 0;

            for (size_t i = first; i < first + keep; i++) {
                sum += sorted[i];
            }
            if (reach < best) {
                best = reach;
                out[j] = sum / (double)keep;
            }
        }
    }
}

/* --- centers ------------------------------------------------------------------------------ */

static void weiszfeld(const struct ks_fl_robust *robust, double *const *rows, size_t count,
                      size_t params, double *out)
{
    double weights[NAIVE_ROWS_MAX];
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        weights[i] = 1 / fmax(robust->smoothing, sqrt(squared(rows[i], out, params)));
        sum += weights[i];
    }
    for (size_t j = 0; j < params; j++) {
        out[j] = 0;
        for (size_t i = 0; i < count; i++) {
            out[j] += weights[i] / sum * rows[i][j];
        }
    }
}

static void clip(const struct ks_fl_robust *robust, double *const *rows, size_t count,
                 size_t params, double *out)
{
    double factors[NAIVE_ROWS_MAX];

    for (size_t i = 0; i < count; i++) {
        factors[i] = fmin(1, robust->radius / sqrt(squared(rows[i], out, params)));
    }
    for (size_t j = 0; j < params; j++) {
        double step = 0;

        for (size_t i = 0; i < count; i++) {
            step += factors[i] * (rows[i][j] - out[j]) / (double)count;
        }
        out[j] += step;
    }
}

static void fltrust(double *const *rows, size_t count, size_t params, const double *root,
                    double *out)
{
    const double root_norm = sqrt(dot(root, root, params));
    double trusted = 0;

    for (size_t j = 0; j < params; j++) {
        out[j] = 0;
    }
    for (size_t i = 0; i < count; i++) {
        const double norm = sqrt(dot(rows[i], rows[i], params));
        const double trust = fmax(0, dot(rows[i], root, params) / norm / root_norm);

        trusted += trust;
        for (size_t j = 0; j < params; j++) {
            out[j] += trust * root_norm / norm * rows[i][j];
        }
    }
    for (size_t j = 0; j < params; j++) {
        out[j] /= trusted;
    }
}

void naive_robust(const struct ks_fl_robust *robust, double *const *rows, size_t count,
                  size_t params, const double *center, const double *root, double *out)
{
    switch (robust->rule) {
    case KS_FL_MEAN:
        trimmed(rows, count, params, 0, out);
        break;
    case KS_FL_MEDIAN:
        medians(rows, count, params, out);
        break;
    case KS_FL_TRIMMED_MEAN:
        trimmed(rows, count, params, robust->attackers, out);
        break;
    case KS_FL_KRUM:
        multi_krum(rows, count, params, robust->attackers, 1, out);
        break;
    case KS_FL_MULTI_KRUM:
        multi_krum(rows, count, params, robust->attackers, robust->keep, out);
        break;
    case KS_FL_BULYAN:
        bulyan(rows, count, params, robust->attackers, out);
        break;
    case KS_FL_FLTRUST:
        fltrust(rows, count, params, root, out);
        break;
    default:
        for (size_t j = 0; j < params; j++) {
            out[j] = center == NULL ? 0 : center[j];
        }
        for (unsigned i = 0; i < robust->iterations; i++) {
            (robust->rule == KS_FL_RFA ? weiszfeld : clip)(robust, rows, count, params, out);
        }
    }
}

/* --- attacks ------------------------------------------------------------------------------ */

double fl_normal(uint64_t seed, uint64_t index)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), 0, 0};
    uint32_t words[4];

    ks_philox(key, counter, words);
    return sqrt(-2 * log((words[0] + 0.5) / 4294967296.0)) *
           cos(6.283185307179586 * words[1] / 4294967296.0);
}

double fl_alie_strength(size_t count, size_t attackers)
{
    const double supporters = floor((double)count / 2 + 1) - (double)attackers;
    const double honest = (double)(count - attackers);
    const double share = (honest - supporters) / honest;
    double low = -10;
    double high = 10;

    for (unsigned i = 0; i < 100; i++) {
        const double z = (low + high) / 2;

        if (erfc(-z / sqrt(2)) / 2 < share) {
            low = z;
        } else {
            high = z;
        }
    }
    return low;
}

struct moments {
    double mean;
    double deviation;
};

static struct moments moments_of(float *const *rows, size_t honest, size_t column)
{
    struct moments moments = {0};

    for (size_t i = 0; i < honest; i++) {
        moments.mean += (double)rows[i][column] / (double)honest;
    }
    for (size_t i = 0; i < honest; i++) {
        const double apart = (double)rows[i][column] - moments.mean;

        moments.deviation += apart * apart / (double)honest;
    }
    moments.deviation = sqrt(moments.deviation);
    return moments;
}

void fl_attack(enum fl_attack attack, float *const *rows, size_t honest, size_t count,
               size_t params, double strength, uint64_t seed)
{
    for (size_t j = 0; j < params; j++) {
        const struct moments moments = moments_of(rows, honest, j);

        for (size_t i = honest; i < count; i++) {
            double value = 0;

            switch (attack) {
            case FL_ATTACK_SIGN_FLIP:
                value = -strength * (double)rows[i][j];
                break;
            case FL_ATTACK_MIMIC:
                value = (double)rows[0][j];
                break;
            case FL_ATTACK_IPM:
                value = -strength * moments.mean;
                break;
            case FL_ATTACK_ALIE:
                value = moments.mean - strength * moments.deviation;
                break;
            case FL_ATTACK_GAUSSIAN:
                value = strength * fl_normal(seed, i * params + j);
                break;
            }
            rows[i][j] = (float)value;
        }
    }
}
