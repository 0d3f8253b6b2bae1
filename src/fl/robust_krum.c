/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Rules that look at which updates lie close together: Krum and multi-Krum (Blanchard, El
 * Mhamdi, Guerraoui, Stainer, NeurIPS 2017), and Bulyan, which repeats the first. */

#include <stdlib.h>

#include "fl/robust_work.h"

struct neighbour {
    double apart;
    uint32_t row;
};

struct krum {
    struct ks_fl_work *work;
    double *partial;              /* of each slice, rows x rows */
    struct neighbour *neighbours; /* of each row, the nearest first */
    double *scores;
    bool *gone;
    uint32_t *chosen;
    size_t chosen_count;
};

uint64_t ks_fl_krum_bytes(size_t rows)
{
    const uint64_t pairs = (uint64_t)rows * rows;

    return pairs * ((KS_FL_SLICES + 1) * sizeof(double) + sizeof(struct neighbour)) +
           rows * (sizeof(double) + sizeof(bool) + sizeof(uint32_t));
}

/* --- distances ---------------------------------------------------------------------------- */

static void compare_piece(const struct krum *krum, size_t at, size_t width, double *partial)
{
    const struct ks_fl_rows *rows = &krum->work->rows;

    for (size_t i = 0; i < rows->count; i++) {
        for (size_t j = i + 1; j < rows->count; j += KS_FL_PAIRS) {
            const float *others[KS_FL_PAIRS];
            double sums[KS_FL_PAIRS] = {0};

            for (size_t p = 0; p < KS_FL_PAIRS; p++) {
                others[p] = rows->rows[j + p < rows->count ? j + p : i] + at;
            }
            krum->work->kernels->pairs(rows->rows[i] + at, others, width, sums);
            for (size_t p = 0; p < KS_FL_PAIRS && j + p < rows->count; p++) {
                partial[i * rows->count + j + p] += sums[p];
            }
        }
    }
}

static void compare_slice(void *context, size_t slice)
{
    const struct krum *krum = context;
    const struct ks_fl_work *work = krum->work;
    const size_t end = ks_fl_slice_begin(&work->slices, slice + 1, work->rows.params);

    for (size_t at = ks_fl_slice_begin(&work->slices, slice, work->rows.params); at < end;
         at += KS_FL_PIECE) {
        compare_piece(krum, at, end - at < KS_FL_PIECE ? end - at : KS_FL_PIECE,
                      &krum->partial[slice * work->rows.count * work->rows.count]);
    }
}

static void sum_up(const struct krum *krum)
{
    const size_t rows = krum->work->rows.count;

    for (size_t i = 0; i < rows; i++) {
        for (size_t j = i + 1; j < rows; j++) {
            double sum = 0;

            for (size_t slice = 0; slice < krum->work->slices.count; slice++) {
                sum += krum->partial[(slice * rows + i) * rows + j];
            }
            krum->work->apart[i * rows + j] = sum;
            krum->work->apart[j * rows + i] = sum;
        }
    }
}

/* --- scores ------------------------------------------------------------------------------- */

static int by_distance(const void *left, const void *right)
{
    const struct neighbour *a = left;
    const struct neighbour *b = right;
    const int order = (a->apart > b->apart) - (a->apart < b->apart);

    return order != 0 ? order : (a->row > b->row) - (a->row < b->row);
}

static void find_neighbours(const struct krum *krum)
{
    const size_t rows = krum->work->rows.count;

    for (size_t i = 0; i < rows; i++) {
        struct neighbour *neighbours = &krum->neighbours[i * rows];

        for (size_t j = 0; j < rows; j++) {
            neighbours[j] = (struct neighbour){krum->work->apart[i * rows + j], (uint32_t)j};
        }
        qsort(neighbours, rows, sizeof *neighbours, by_distance);
    }
}

/* The sum of the squared distances to the COUNT nearest rows that are not gone. */
static double score_of(const struct krum *krum, size_t row, size_t count)
{
    const size_t rows = krum->work->rows.count;
    const struct neighbour *neighbours = &krum->neighbours[row * rows];
    double score = 0;

    for (size_t i = 0; i < rows && count > 0; i++) {
        if (neighbours[i].row != row && !krum->gone[neighbours[i].row]) {
            score += neighbours[i].apart;
            count--;
        }
    }
    return score;
}

static void score_all(const struct krum *krum, size_t remaining)
{
    const size_t others = remaining > (size_t)krum->work->robust.attackers + 3
                              ? remaining - krum->work->robust.attackers - 2
                              : 1;

    for (size_t i = 0; i < krum->work->rows.count; i++) {
        if (!krum->gone[i]) {
            krum->scores[i] = score_of(krum, i, others);
        }
    }
}

/* Takes the row of the smallest score, the first where several have it, out of those that are
 * not gone. */
static void choose(struct krum *krum)
{
    size_t best = krum->work->rows.count;

    for (size_t i = 0; i < krum->work->rows.count; i++) {
        if (!krum->gone[i] &&
            (best == krum->work->rows.count || krum->scores[i] < krum->scores[best])) {
            best = i;
        }
    }
    krum->gone[best] = true;
    krum->chosen[krum->chosen_count] = (uint32_t)best;
    krum->chosen_count++;
}

/* --- the rules ---------------------------------------------------------------------------- */

/* The mean of the KEEP rows of smallest scores. */
static void average_best(struct krum *krum, size_t keep)
{
    struct ks_fl_work *work = krum->work;

    score_all(krum, work->rows.count);
    for (size_t i = 0; i < keep; i++) {
        choose(krum);
        work->shares[krum->chosen[i]] = 1;
    }
    ks_fl_weighted_rows(work, work->shares, (double)keep);
}

/* Krum is asked n - 2f times, each time without those that it has chosen before; where few are
 * left it looks at one neighbour at least. Of each parameter's n - 2f values, the n - 4f that
 * are nearest to their median are averaged. */
static enum ks_err bulyan(struct krum *krum)
{
    const size_t rows = krum->work->rows.count;
    const size_t chosen = rows - 2 * (size_t)krum->work->robust.attackers;

    for (size_t i = 0; i < chosen; i++) {
        score_all(krum, rows - i);
        choose(krum);
    }
    return ks_fl_kept_by_coordinate(krum->work, krum->chosen, chosen);
}

static enum ks_err krum_new(struct krum *krum)
{
    enum ks_err err = KS_OK;
    const size_t rows = krum->work->rows.count;

    krum->work->apart = ks_calloc(rows * rows, sizeof *krum->work->apart);
    krum->partial = ks_calloc(krum->work->slices.count * rows * rows, sizeof *krum->partial);
    krum->neighbours = ks_calloc(rows * rows, sizeof *krum->neighbours);
    krum->scores = ks_calloc(rows, sizeof *krum->scores);
    krum->gone = ks_calloc(rows, sizeof *krum->gone);
    krum->chosen = ks_calloc(rows, sizeof *krum->chosen);
    KS_CHECK(krum->work->apart != NULL && krum->partial != NULL && krum->neighbours != NULL &&
                 krum->scores != NULL && krum->gone != NULL && krum->chosen != NULL,
             KS_ERR_NOMEM, "%s: out of memory", ks_fl_rule_word(krum->work->robust.rule));
out:
    return err;
}

enum ks_err ks_fl_rule_krum(struct ks_fl_work *work)
{
    enum ks_err err = KS_OK;
    struct krum krum = {.work = work};

    KS_TRY(krum_new(&krum));
    ks_pool_run(work->pool, compare_slice, &krum, work->slices.count);
    sum_up(&krum);
    find_neighbours(&krum);
    if (work->robust.rule == KS_FL_BULYAN) {
        KS_TRY(bulyan(&krum));
    } else {
        average_best(&krum, work->robust.rule == KS_FL_KRUM ? 1 : work->robust.keep);
    }
out:
    ks_free(krum.partial);
    ks_free(krum.neighbours);
    ks_free(krum.scores);
    ks_free(krum.gone);
    ks_free(krum.chosen);
    return err;
}
