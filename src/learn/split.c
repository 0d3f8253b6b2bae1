/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Who has which samples. Each sample gets the number of a part first; then they are sorted by
 * it. */

#include <math.h>

#include "base/philox.h"
#include "learn/internal.h"

#define TWO_PI 6.283185307179586

/* What the shuffles are for, beside KS_DRAW_SPLIT. */
enum { ROUND_SAMPLES, ROUND_SHARDS, ROUND_GAMMA };

struct work {
    const struct ks_samples *samples;
    const struct ks_split_spec *spec;
    uint32_t *order;   /* of all samples */
    uint32_t *part_of; /* each sample's part */
    double *shares;    /* of the parts, of one class */
};

static enum ks_err check_spec(const struct ks_samples *samples,
                              const struct ks_split_spec *spec)
{
    enum ks_err err = KS_OK;

    KS_CHECK(spec->parts >= 1 && spec->parts <= KS_PARTS_MAX && spec->parts <= samples->count,
             KS_ERR_USAGE, "%zu parts of %zu samples", spec->parts, samples->count);
    KS_CHECK(spec->kind == KS_SPLIT_IID || samples->labels != NULL, KS_ERR_USAGE,
             "samples without labels are split iid only");
    KS_CHECK(spec->kind != KS_SPLIT_SHARDS ||
                 (spec->shards >= 1 && spec->shards <= samples->count / spec->parts),
             KS_ERR_USAGE, "%u shards for each of %zu parts of %zu samples", spec->shards,
             spec->parts, samples->count);
    KS_CHECK(spec->kind != KS_SPLIT_DIRICHLET || (spec->alpha >= 1e-3 && spec->alpha <= 1e6),
             KS_ERR_USAGE, "alpha: 0.001 to 1000000");
out:
    return err;
}

static void split_iid(struct work *work)
{
    const size_t count = work->samples->count;
    const size_t parts = work->spec->parts;

    for (size_t part = 0; part < parts; part++) {
        for (size_t i = count * part / parts; i < count * (part + 1) / parts; i++) {
            work->part_of[work->order[i]] = (uint32_t)part;
        }
    }
}

/* The shuffled samples sorted by label, those of one label as they were. BEGIN has room for one
 * more than the classes. */
static void sort_by_label(const struct work *work, uint32_t *sorted, size_t *begin)
{
    const struct ks_samples *samples = work->samples;

    for (unsigned c = 0; c <= KS_CLASSES_MAX; c++) {
        begin[c] = 0;
    }
    for (size_t i = 0; i < samples->count; i++) {
        begin[samples->labels[i] + 1]++;
    }
    for (unsigned c = 0; c < KS_CLASSES_MAX; c++) {
        begin[c + 1] += begin[c];
    }
    for (size_t i = 0; i < samples->count; i++) {
        sorted[begin[samples->labels[work->order[i]]]++] = work->order[i];
    }
    for (unsigned c = KS_CLASSES_MAX; c > 0; c--) { /* each stands at its end: move back */
        begin[c] = begin[c - 1];
    }
    begin[0] = 0;
}

static enum ks_err split_shards(struct work *work)
{
    enum ks_err err = KS_OK;
    const size_t count = work->samples->count;
    const size_t shards = work->spec->parts * work->spec->shards;
    size_t begin[KS_CLASSES_MAX + 1];
    uint32_t *sorted = ks_calloc(count, sizeof *sorted);
    uint32_t *deal = ks_calloc(shards, sizeof *deal);

    KS_CHECK(sorted != NULL && deal != NULL, KS_ERR_NOMEM, "split of %zu samples", count);
    sort_by_label(work, sorted, begin);
    ks_learn_shuffle(work->spec->seed, KS_DRAW_SPLIT, ROUND_SHARDS, deal, shards);
    for (size_t i = 0; i < shards; i++) {
        const size_t shard = deal[i];

        for (size_t k = count * shard / shards; k < count * (shard + 1) / shards; k++) {
            work->part_of[sorted[k]] = (uint32_t)(i / work->spec->shards);
        }
    }
out:
    ks_free(sorted);
    ks_free(deal);
    return err;
}

/* Two uniform numbers in (0, 1) for draw NUMBER. */
static void uniforms(uint64_t seed, uint64_t number, uint32_t attempt, double out_pair[2])
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)number, (uint32_t)(number >> 32),
                                 ROUND_GAMMA + attempt, KS_DRAW_SPLIT};
    uint32_t words[4];

    ks_philox(key, counter, words);
    out_pair[0] = (words[0] + 0.5) / 4294967296.0;
    out_pair[1] = (words[1] + 0.5) / 4294967296.0;
}

/* The logarithm of a draw from Gamma(ALPHA): of small alphas the numbers themselves would
 * vanish. Marsaglia and Tsang 2000; Gamma(a) is Gamma(a + 1) u^(1/a). */
static double log_gamma_draw(uint64_t seed, uint64_t number, double alpha)
{
    const double d = alpha + 1 - 1.0 / 3;
    const double c = 1 / sqrt(9 * d);
    double first[2];
    double value = 0;
    bool taken = false;

    uniforms(seed, number, 0, first);
    for (uint32_t attempt = 1; !taken; attempt += 2) {
        double normal[2];
        double check[2];
        double x = 0;
        double v = 0;

        uniforms(seed, number, attempt, normal);
        uniforms(seed, number, attempt + 1, check);
        x = sqrt(-2 * log(normal[0])) * cos(TWO_PI * normal[1]);
        v = (1 + c * x) * (1 + c * x) * (1 + c * x);
        taken = v > 0 && log(check[0]) < 0.5 * x * x + d - d * v + d * log(v);
        value = taken ? log(d * v) : 0;
    }
    return value + log(first[0]) / alpha;
}

/* Shares of all parts, which add up to 1. */
static void draw_shares(const struct work *work, unsigned class)
{
    const size_t parts = work->spec->parts;
    double largest = 0;
    double sum = 0;

    for (size_t p = 0; p < parts; p++) {
        work->shares[p] =
            log_gamma_draw(work->spec->seed, (uint64_t) class << 32 | p, work->spec->alpha);
        largest = p == 0 || work->shares[p] > largest ? work->shares[p] : largest;
    }
    for (size_t p = 0; p < parts; p++) {
        work->shares[p] = exp(work->shares[p] - largest);
        sum += work->shares[p];
    }
    for (size_t p = 0; p < parts; p++) {
        work->shares[p] /= sum;
    }
}

static enum ks_err split_dirichlet(struct work *work)
{
    enum ks_err err = KS_OK;
    const size_t count = work->samples->count;
    size_t begin[KS_CLASSES_MAX + 1];
    uint32_t *sorted = ks_calloc(count, sizeof *sorted);

    work->shares = ks_calloc(work->spec->parts, sizeof *work->shares);
    KS_CHECK(sorted != NULL && work->shares != NULL, KS_ERR_NOMEM, "split of %zu samples",
             count);
    sort_by_label(work, sorted, begin);
    for (unsigned class = 0; class < KS_CLASSES_MAX; class ++) {
        const size_t members = begin[class + 1] - begin[class];
        size_t at = 0;
        double sum = 0;

        if (members == 0) {
            continue;
        }
        draw_shares(work, class);
        for (size_t p = 0; p < work->spec->parts; p++) {
            size_t end = members;

            sum += work->shares[p];
            if (p + 1 < work->spec->parts && sum < 1) {
                end = (size_t)(sum * (double)members + 0.5);
            }
            for (; at < end && at < members; at++) {
                work->part_of[sorted[begin[class] + at]] = (uint32_t)p;
            }
        }
    }
out:
    ks_free(sorted);
    return err;
}

/* Sorts the samples by part. */
static enum ks_err collect(const struct work *work, struct ks_split *out_split)
{
    enum ks_err err = KS_OK;
    const size_t count = work->samples->count;
    struct ks_split split = {.parts = work->spec->parts};

    split.indices = ks_calloc(count, sizeof *split.indices);
    split.starts = ks_calloc(split.parts + 2, sizeof *split.starts);
    KS_CHECK(split.indices != NULL && split.starts != NULL, KS_ERR_NOMEM,
             "split of %zu samples", count);
    /* One place further than they belong, so that placing the samples moves them there. */
    for (size_t i = 0; i < count; i++) {
        split.starts[work->part_of[i] + 2]++;
    }
    for (size_t p = 1; p < split.parts; p++) {
        split.starts[p + 2] += split.starts[p + 1];
    }
    for (size_t i = 0; i < count; i++) {
        split.indices[split.starts[work->part_of[i] + 1]++] = (uint32_t)i;
    }
    *out_split = split;
    split = (struct ks_split){0}; /* transferred */
out:
    ks_split_done(&split);
    return err;
}

enum ks_err ks_split(const struct ks_samples *samples, const struct ks_split_spec *spec,
                     struct ks_split *out_split)
{
    enum ks_err err = KS_OK;
    struct work work = {.samples = samples, .spec = spec};

    KS_TRY(check_spec(samples, spec));
    work.order = ks_calloc(samples->count, sizeof *work.order);
    work.part_of = ks_calloc(samples->count, sizeof *work.part_of);
    KS_CHECK(work.order != NULL && work.part_of != NULL, KS_ERR_NOMEM, "split of %zu samples",
             samples->count);
    ks_learn_shuffle(spec->seed, KS_DRAW_SPLIT, ROUND_SAMPLES, work.order, samples->count);
    switch (spec->kind) {
    case KS_SPLIT_IID:
        split_iid(&work);
        break;
    case KS_SPLIT_SHARDS:
        KS_TRY(split_shards(&work));
        break;
    case KS_SPLIT_DIRICHLET:
        KS_TRY(split_dirichlet(&work));
        break;
    }
    KS_TRY(collect(&work, out_split));
out:
    ks_free(work.order);
    ks_free(work.part_of);
    ks_free(work.shares);
    return err;
}

void ks_split_done(struct ks_split *split)
{
    ks_free(split->indices);
    ks_free(split->starts);
    *split = (struct ks_split){0};
}
