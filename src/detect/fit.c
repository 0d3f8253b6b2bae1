/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* How a forest grows: each tree from a sample of the rows without replacement, each split on a
 * feature chosen among those that vary in the node, at a point uniform between the least and
 * the greatest value there, until a row is alone or the tree has as many levels as a balanced
 * one would have (Liu et al., algorithms 1 and 2). */

#include <math.h>
#include <stdlib.h>

#include "base/philox.h"
#include "detect/internal.h"

#define SPREAD_ROWS_MAX 512 /* rows from which centre and spread of a feature are taken */
#define ROWS_AHEAD      16
#define LINE_DOUBLES    8    /* of a line of the cache */
#define TAKEN_SLOTS     1024 /* of the set of rows taken: four times KS_FOREST_SAMPLE_MAX */

/* What a stream of random numbers is for: the last word of Philox's counter. */
enum { STREAM_SPREAD = 1, STREAM_TREE = 2 };

struct stream {
    uint32_t key[2];
    uint32_t counter[4]; /* block, number, 0, use */
    uint32_t words[4];
    unsigned at;
};

static struct stream stream_of(uint64_t seed, uint32_t number, uint32_t use)
{
    return (struct stream){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, number, 0, use},
        .at = 4,
    };
}

static uint32_t next_word(struct stream *stream)
{
    if (stream->at == 4) {
        ks_philox(stream->key, stream->counter, stream->words);
        stream->counter[0]++;
        stream->at = 0;
    }
    return stream->words[stream->at++];
}

static uint64_t next_bits(struct stream *stream)
{
    const uint64_t high = next_word(stream);

    return high << 32 | next_word(stream);
}

/* Uniform in [0, COUNT), exactly. */
static uint64_t next_below(struct stream *stream, uint64_t count)
{
    const uint64_t limit = UINT64_MAX - UINT64_MAX % count;
    uint64_t bits = 0;

    do { /* once more with probability beneath COUNT / 2^64 */
        bits = next_bits(stream);
    } while (bits >= limit);
    return bits % count;
}

/* Uniform in (0, 1). */
static double next_unit(struct stream *stream)
{
    return ((double)(next_bits(stream) >> 12) + 0.5) / (double)((uint64_t)1 << 52);
}

struct growth {
    const struct ks_rows *rows;
    struct ks_forest *forest;
    struct stream stream;
    size_t sample[SPREAD_ROWS_MAX];
    uint64_t taken[TAKEN_SLOTS]; /* open addressing; a row's index + 1 */
    double column[SPREAD_ROWS_MAX];
    float values[KS_FOREST_FEATURES_MAX][KS_FOREST_SAMPLE_MAX]; /* of the tree's sample */
    uint16_t order[KS_FOREST_SAMPLE_MAX]; /* rows of the sample, those of a node together */
    uint16_t aside[KS_FOREST_SAMPLE_MAX];
    uint16_t features[KS_FOREST_FEATURES_MAX]; /* a permutation */
    size_t begin[KS_TREE_NODES];
    size_t count[KS_TREE_NODES];
    bool ended[KS_TREE_NODES];
    uint16_t value[KS_TREE_NODES];          /* path of what ended, then mean path */
    double ahead[KS_FOREST_SAMPLE_MAX + 1]; /* ks_forest_path_ahead */
};

/* Rows of a sample lie all over memory: what is asked for early is there when it is needed. */
static void ask_for(const struct ks_rows *rows, size_t row)
{
    const double *values = &rows->values[row * rows->stride];

    for (size_t i = 0; i < rows->features; i += LINE_DOUBLES) {
        __builtin_prefetch(&values[i]);
    }
    __builtin_prefetch(&values[rows->features - 1]);
}

/* --- samples ------------------------------------------------------------------------------ */

/* True when ROW was not there yet; now it is. */
static bool take(struct growth *growth, uint64_t row)
{
    uint64_t slot = row * 0x9e3779b97f4a7c15u >> 54;

    while (growth->taken[slot] != 0) {
        if (growth->taken[slot] == row + 1) {
            return false;
        }
        slot = (slot + 1) % TAKEN_SLOTS;
    }
    growth->taken[slot] = row + 1;
    return true;
}
_Static_assert(TAKEN_SLOTS == 1 << (64 - 54), "take keeps the top bits of its product");

/* COUNT different rows, at most KS_FOREST_SAMPLE_MAX, each set of them equally probable: all
 * where there are no more (Floyd; Bentley, Programming pearls, CACM 30(9), 1987). */
static void take_sample(struct growth *growth, size_t count)
{
    const size_t rows = growth->rows->count;

    ks_zero(growth->taken, sizeof growth->taken);
    for (size_t i = 0; i < count; i++) {
        const uint64_t last = rows - count + i;
        const uint64_t row = next_below(&growth->stream, last + 1);

        if (take(growth, row)) {
            growth->sample[i] = row;
        } else {
            (void)take(growth, last);
            growth->sample[i] = last;
        }
    }
}

/* --- centre and spread -------------------------------------------------------------------- */

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Sorts VALUES; COUNT > 0. */
static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* 1.4826 times the median absolute deviation; where more than half of the values are the same,
 * 1.2533 times the mean one: either is the standard deviation of a normal distribution. VALUES
 * are replaced. */
static double spread(double *values, size_t count, double centre)
{
    double sum = 0;
    double middle = 0;

    for (size_t i = 0; i < count; i++) {
        values[i] = fabs(values[i] - centre);
        sum += values[i];
    }
    middle = median(values, count);
    return middle > 0 ? 1.4826 * middle : 1.2533 * sum / (double)count;
}

/* Centre and scale of each feature, from rows drawn with replacement, or from all where these
 * are few. A feature without a value among them, or with one value, is constant. */
static void find_scales(struct growth *growth)
{
    struct ks_forest *forest = growth->forest;
    const struct ks_rows *rows = growth->rows;
    const size_t drawn = rows->count < SPREAD_ROWS_MAX ? rows->count : SPREAD_ROWS_MAX;

    growth->stream = stream_of(forest->params.seed, 0, STREAM_SPREAD);
    for (size_t i = 0; i < drawn; i++) {
        growth->sample[i] = drawn == rows->count ? i : next_below(&growth->stream, rows->count);
    }
    for (size_t feature = 0; feature < forest->features; feature++) {
        size_t count = 0;
        double width = 0;

        for (size_t i = 0; i < drawn; i++) {
            const double value = rows->values[growth->sample[i] * rows->stride + feature];

            if (isfinite(value)) {
                growth->column[count++] = value;
            }
        }
        if (count == 0) {
            continue;
        }
        forest->centres[feature] = median(growth->column, count);
        width = spread(growth->column, count, forest->centres[feature]);
        if (width > 0 && isfinite(width) && isfinite(1 / width)) {
            forest->scales[feature] = 1 / width;
        }
    }
}

/* --- trees -------------------------------------------------------------------------------- */

/* THRESHOLD with FEATURE in its low bits; false when it does not part LOW from HIGH any more.
 */
static bool pack(const struct growth *growth, float threshold, size_t feature, float low,
                 float high, uint32_t *out_split)
{
    const uint32_t mask = (1u << growth->forest->feature_bits) - 1;
    uint32_t bits = 0;

    ks_copy(&bits, &threshold, sizeof bits);
    bits = (bits & ~mask) | (uint32_t)feature;
    *out_split = bits;
    return ks_split_value(bits) > low && ks_split_value(bits) <= high;
}

/* A split of the rows of NODE on a feature that varies there; false: none does. */
static bool choose_split(struct growth *growth, size_t node, uint32_t *out_split)
{
    const uint16_t *order = &growth->order[growth->begin[node]];
    size_t left = growth->forest->features;

    while (left > 0) {
        const size_t place = next_below(&growth->stream, left);
        const uint16_t feature = growth->features[place];
        const float *values = growth->values[feature];
        float low = values[order[0]];
        float high = low;

        for (size_t i = 1; i < growth->count[node]; i++) {
            const float value = values[order[i]];

            low = value < low ? value : low;
            high = value > high ? value : high;
        }
        if (high > low) {
            const double at = low + next_unit(&growth->stream) * ((double)high - low);

            if (pack(growth, (float)at, feature, low, high, out_split) ||
                pack(growth, high, feature, low, high, out_split)) {
                return true;
            }
        }
        left--; /* the features tried stand at the end */
        growth->features[place] = growth->features[left];
        growth->features[left] = feature;
    }
    return false;
}

/* Puts the rows of NODE in two parts, in their order; returns how many go to the left. */
static size_t part(struct growth *growth, size_t node, uint32_t split)
{
    const uint32_t mask = (1u << growth->forest->feature_bits) - 1;
    const float *values = growth->values[split & mask];
    const float threshold = ks_split_value(split);
    uint16_t *order = &growth->order[growth->begin[node]];
    size_t lefts = 0;
    size_t rights = 0;

    for (size_t i = 0; i < growth->count[node]; i++) {
        if (values[order[i]] >= threshold) {
            growth->aside[rights++] = order[i];
        } else {
            order[lefts++] = order[i];
        }
    }
    ks_copy(&order[lefts], growth->aside, rights * sizeof *order);
    return lefts;
}

static unsigned depth_of(size_t node)
{
    unsigned depth = 0;

    while (node > 0) {
        node = (node - 1) / 2;
        depth++;
    }
    return depth;
}

/* What is here is not parted any further. */
static void end(struct growth *growth, size_t node)
{
    const double path = depth_of(node) + growth->ahead[growth->count[node]];

    growth->ended[node] = true;
    growth->value[node] = (uint16_t)floor(path * KS_FOREST_UNIT + 0.5);
}

static void grow_node(struct growth *growth, size_t node, unsigned levels, uint32_t *out_split)
{
    const size_t left = 2 * node + 1;
    size_t lefts = growth->count[node];

    *out_split = KS_SPLIT_NEVER;
    if (!growth->ended[node] && (growth->count[node] < 2 || depth_of(node) == levels ||
                                 !choose_split(growth, node, out_split))) {
        end(growth, node);
    }
    if (growth->ended[node]) {
        growth->value[left] = growth->value[left + 1] = growth->value[node];
    } else {
        lefts = part(growth, node, *out_split);
    }
    growth->ended[left] = growth->ended[left + 1] = growth->ended[node];
    growth->begin[left] = growth->begin[node];
    growth->count[left] = lefts;
    growth->begin[left + 1] = growth->begin[node] + lefts;
    growth->count[left + 1] = growth->count[node] - lefts;
}

/* The values of inner nodes become the means over the rows beneath, rounded. */
static void find_means(struct growth *growth)
{
    for (size_t i = KS_TREE_SPLITS; i > 0; i--) {
        const size_t node = i - 1;
        const size_t left = 2 * node + 1;
        const uint64_t sum = (uint64_t)growth->value[left] * growth->count[left] +
                             (uint64_t)growth->value[left + 1] * growth->count[left + 1];

        if (!growth->ended[node]) {
            growth->value[node] =
                (uint16_t)((2 * sum + growth->count[node]) / (2 * growth->count[node]));
        }
    }
}

static void grow_tree(struct growth *growth, size_t tree, unsigned levels)
{
    struct ks_forest *forest = growth->forest;
    struct ks_group *group = &forest->groups[tree / KS_LANES];
    const size_t lane = tree % KS_LANES;
    const size_t count = forest->params.sample;
    float standard[KS_FOREST_FEATURES_MAX];

    growth->stream = stream_of(forest->params.seed, (uint32_t)tree, STREAM_TREE);
    take_sample(growth, count);
    for (size_t i = 0; i < count; i++) {
        if (i + ROWS_AHEAD < count) {
            ask_for(growth->rows, growth->sample[i + ROWS_AHEAD]);
        }
        ks_forest_standard(
            forest, &growth->rows->values[growth->sample[i] * growth->rows->stride], standard);
        for (size_t feature = 0; feature < forest->features; feature++) {
            growth->values[feature][i] = standard[feature];
        }
        growth->order[i] = (uint16_t)i;
    }
    growth->begin[0] = 0;
    growth->count[0] = count;
    growth->ended[0] = false;
    for (size_t node = 0; node < KS_TREE_SPLITS; node++) {
        grow_node(growth, node, levels, &group->splits[node][lane]);
    }
    for (size_t leaf = KS_TREE_SPLITS; leaf < KS_TREE_NODES; leaf++) {
        if (!growth->ended[leaf]) {
            end(growth, leaf);
        }
        group->paths[leaf - KS_TREE_SPLITS][lane] = growth->value[leaf];
    }
    find_means(growth);
    for (size_t node = 0; node < KS_TREE_SPLITS; node++) {
        group->means[node][lane] = growth->value[node];
    }
}

static void grow(struct growth *growth)
{
    const struct ks_forest *forest = growth->forest;
    unsigned levels = 0;

    while (((unsigned)1 << levels) < forest->params.sample) {
        levels++;
    }
    for (size_t i = 0; i < forest->features; i++) {
        growth->features[i] = (uint16_t)i;
    }
    for (size_t i = 0; i <= forest->params.sample; i++) {
        growth->ahead[i] = ks_forest_path_ahead(i);
    }
    for (size_t tree = 0; tree < forest->params.trees; tree++) {
        grow_tree(growth, tree, levels);
    }
    ks_forest_settle(growth->forest);
}

static enum ks_err check_input(const struct ks_rows *rows,
                               const struct ks_forest_params *params)
{
    enum ks_err err = KS_OK;

    KS_CHECK(params->trees >= 1 && params->trees <= KS_FOREST_TREES_MAX, KS_ERR_USAGE,
             "%u trees: expected 1 to %d", params->trees, KS_FOREST_TREES_MAX);
    KS_CHECK(params->sample >= 2 && params->sample <= KS_FOREST_SAMPLE_MAX, KS_ERR_USAGE,
             "a sample of %u rows: expected 2 to %d", params->sample, KS_FOREST_SAMPLE_MAX);
    KS_CHECK(rows->features >= 1 && rows->features <= KS_FOREST_FEATURES_MAX, KS_ERR_LIMIT,
             "%zu features: expected 1 to %d", rows->features, KS_FOREST_FEATURES_MAX);
    KS_CHECK(rows->count >= 2, KS_ERR_FORMAT, "%zu rows: a forest grows from two or more",
             rows->count);
out:
    return err;
}

enum ks_err ks_forest_fit(const struct ks_rows *rows, const struct ks_bytes *names,
                          const struct ks_forest_params *params, struct ks_forest **out_forest)
{
    enum ks_err err = KS_OK;
    struct growth *growth = ks_calloc(1, sizeof *growth);
    struct ks_forest *forest = NULL;
    bool varies = false;

    KS_CHECK(growth != NULL, KS_ERR_NOMEM, "forest");
    KS_TRY(check_input(rows, params));
    KS_TRY(ks_forest_new(rows->features, params->trees, &forest));
    forest->params = *params;
    forest->rows = rows->count;
    if (rows->count < params->sample) {
        forest->params.sample = (unsigned)rows->count;
    }
    for (size_t i = 0; i < forest->features; i++) {
        KS_TRY(ks_forest_take_name(forest, i, names[i]));
    }
    growth->rows = rows;
    growth->forest = forest;
    find_scales(growth);
    for (size_t i = 0; i < forest->features; i++) {
        varies = varies || forest->scales[i] > 0;
    }
    KS_CHECK(varies, KS_ERR_FORMAT, "every feature is constant: nothing tells rows apart");
    grow(growth);
    *out_forest = forest;
    forest = NULL; /* transferred */
out:
    ks_forest_free(forest);
    ks_free(growth);
    return err;
}
