/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The model file: docs/formats/forest.md. Writer and reader, one beside the other. */

#include <math.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "detect/internal.h"

#define MAGIC "ketseal.forest/1\n"

static enum ks_err read_double(struct ks_reader *reader, double *out_value)
{
    enum ks_err err = KS_OK;
    double value = 0;

    KS_TRY(ks_read_double(reader, &value));
    KS_CHECK(isfinite(value), KS_ERR_FORMAT, "model: a number that is not finite");
    *out_value = value;
out:
    return err;
}

static void put_head(const struct ks_forest *forest, struct ks_buf *out)
{
    ks_buf_put_text(out, MAGIC);
    ks_buf_put_u64(out, forest->params.seed);
    ks_buf_put_u32(out, forest->params.trees);
    ks_buf_put_u16(out, (uint16_t)forest->params.sample);
    ks_buf_put_u64(out, forest->rows);
    ks_buf_put_u32(out, forest->threshold);
    ks_buf_put_u16(out, (uint16_t)forest->features);
    for (size_t i = 0; i < forest->features; i++) {
        ks_buf_put_lp16(out, ks_bytes_text(forest->names[i]));
        ks_buf_put_double(out, forest->centres[i]);
        ks_buf_put_double(out, forest->scales[i]);
    }
}

static void put_tree(const struct ks_group *group, size_t lane, struct ks_buf *out)
{
    for (size_t i = 0; i < KS_TREE_SPLITS; i++) {
        ks_buf_put_u32(out, group->splits[i][lane]);
    }
    for (size_t i = 0; i < KS_TREE_LEAVES; i++) {
        ks_buf_put_u16(out, group->paths[i][lane]);
    }
    for (size_t i = 0; i < KS_TREE_SPLITS; i++) {
        ks_buf_put_u16(out, group->means[i][lane]);
    }
}

void ks_forest_write(const struct ks_forest *forest, struct ks_buf *out)
{
    const size_t start = out->len;

    put_head(forest, out);
    for (size_t tree = 0; tree < forest->params.trees; tree++) {
        put_tree(&forest->groups[tree / KS_LANES], tree % KS_LANES, out);
    }
    ks_sha256_put_end(out, start);
}

enum ks_err ks_forest_hash(const struct ks_forest *forest, uint8_t out_hash[KS_FOREST_HASH_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    ks_forest_write(forest, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    ks_copy(out_hash, bytes.data + bytes.len - KS_FOREST_HASH_LEN, KS_FOREST_HASH_LEN);
out:
    ks_buf_done(&bytes);
    return err;
}

/* --- reading ------------------------------------------------------------------------------ */

struct head {
    struct ks_forest_params params;
    uint64_t rows;
    uint32_t threshold;
    uint16_t features;
};

static enum ks_err read_head(struct ks_reader *reader, struct head *head)
{
    enum ks_err err = KS_OK;
    struct ks_bytes magic = {0};
    uint32_t trees = 0;
    uint16_t sample = 0;

    KS_TRY(ks_read_bytes(reader, sizeof MAGIC - 1, &magic));
    KS_CHECK(ks_bytes_is(magic, MAGIC), KS_ERR_FORMAT, "not a model of ketseal.forest/1");
    KS_TRY(ks_read_u64(reader, &head->params.seed));
    KS_TRY(ks_read_u32(reader, &trees));
    KS_TRY(ks_read_u16(reader, &sample));
    KS_TRY(ks_read_u64(reader, &head->rows));
    KS_TRY(ks_read_u32(reader, &head->threshold));
    KS_TRY(ks_read_u16(reader, &head->features));
    KS_CHECK(trees >= 1 && trees <= KS_FOREST_TREES_MAX, KS_ERR_LIMIT,
             "model: %u trees, 1 to %d", trees, KS_FOREST_TREES_MAX);
    KS_CHECK(sample >= 2 && sample <= KS_FOREST_SAMPLE_MAX && head->rows >= sample,
             KS_ERR_LIMIT, "model: a sample of %u rows", sample);
    KS_CHECK(head->features >= 1 && head->features <= KS_FOREST_FEATURES_MAX, KS_ERR_LIMIT,
             "model: %u features, 1 to %d", head->features, KS_FOREST_FEATURES_MAX);
    head->params.trees = trees;
    head->params.sample = sample;
out:
    return err;
}

static enum ks_err read_features(struct ks_reader *reader, struct ks_forest *forest)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < forest->features; i++) {
        struct ks_bytes name = {0};

        KS_TRY(ks_read_lp16(reader, KS_FOREST_NAME_MAX, &name));
        KS_TRY(ks_forest_take_name(forest, i, name));
        KS_TRY(read_double(reader, &forest->centres[i]));
        KS_TRY(read_double(reader, &forest->scales[i]));
        KS_CHECK(forest->scales[i] >= 0 && !signbit(forest->scales[i]), KS_ERR_FORMAT,
                 "model: feature '%s': a negative scale", forest->names[i]);
    }
out:
    return err;
}

/* A threshold within what a row can be, on a feature that there is; or none. */
static enum ks_err check_split(const struct ks_forest *forest, uint32_t split)
{
    enum ks_err err = KS_OK;
    const uint32_t mask = (1u << forest->feature_bits) - 1;
    const float value = ks_split_value(split);

    KS_CHECK(split == KS_SPLIT_NEVER || (isfinite(value) && fabsf(value) <= KS_STANDARD_MAX &&
                                         (split & mask) < forest->features),
             KS_ERR_FORMAT, "model: a split that no training gives");
out:
    return err;
}

static enum ks_err read_tree(struct ks_reader *reader, const struct ks_forest *forest,
                             struct ks_group *group, size_t lane)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < KS_TREE_SPLITS; i++) {
        KS_TRY(ks_read_u32(reader, &group->splits[i][lane]));
        KS_TRY(check_split(forest, group->splits[i][lane]));
    }
    for (size_t i = 0; i < KS_TREE_LEAVES; i++) {
        KS_TRY(ks_read_u16(reader, &group->paths[i][lane]));
    }
    for (size_t i = 0; i < KS_TREE_SPLITS; i++) {
        KS_TRY(ks_read_u16(reader, &group->means[i][lane]));
    }
out:
    return err;
}

enum ks_err ks_forest_read(struct ks_bytes bytes, struct ks_forest **out_forest)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "model");
    struct ks_forest *forest = NULL;
    struct head head = {0};
    struct ks_bytes hash = {0};

    KS_CHECK(bytes.len <= KS_FOREST_BYTES_MAX, KS_ERR_LIMIT, "model: over %d bytes",
             KS_FOREST_BYTES_MAX);
    KS_TRY(read_head(&reader, &head));
    KS_CHECK(reader.rest.len / KS_TREE_BYTES >= head.params.trees, KS_ERR_FORMAT,
             "model: cut short");
    KS_TRY(ks_forest_new(head.features, head.params.trees, &forest));
    forest->params = head.params;
    forest->rows = head.rows;
    forest->threshold = head.threshold;
    KS_TRY(read_features(&reader, forest));
    for (size_t tree = 0; tree < head.params.trees; tree++) {
        KS_TRY(read_tree(&reader, forest, &forest->groups[tree / KS_LANES], tree % KS_LANES));
    }
    KS_TRY(ks_read_bytes(&reader, KS_FOREST_HASH_LEN, &hash));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_fail_prefix(ks_sha256_check_end(bytes), "model"));
    ks_forest_settle(forest);
    *out_forest = forest;
    forest = NULL; /* transferred */
out:
    ks_forest_free(forest);
    return err;
}
