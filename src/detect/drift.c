/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/drift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"

#define MAGIC "ketseal.drift/1\n"
#define FAR   1e300 /* what an infinity is kept as: a forest grows from numbers alone */
#define SEED_STEP                                                                              \
    65536 /* between two models; streams of neighbouring seeds are to be strangers */

_Static_assert(SEED_STEP > KS_FOREST_TREES_MAX, "seeds are further apart than trees");

struct ks_drift {
    struct ks_drift_params params;
    size_t features;
    struct ks_forest *model;
    uint8_t hash[KS_FOREST_HASH_LEN];
    uint64_t rows;       /* judged */
    uint64_t since;      /* rows since a model was due last */
    uint32_t generation; /* of the model that was due last */

    double *window; /* a ring of params.window rows */
    size_t window_count;
    size_t window_next; /* where the next row goes */

    uint32_t
        *reference; /* paths of the first batch of MODEL, in order of size once it is full */
    size_t reference_count;
    uint32_t *recent; /* of the batch that is being filled */
    size_t recent_count;

    /* The model that is due, until it takes over. */
    bool pending;
    size_t left;       /* rows that MODEL still judges */
    bool trained;      /* NEXT is what the training gave; NULL: nothing varied */
    double *rows_kept; /* what it is grown from, until it is trained */
    size_t kept_count;
    struct ks_forest *next;
};

/* --- lifecycle ---------------------------------------------------------------------------- */

static enum ks_err check_params(const struct ks_drift_params *params)
{
    enum ks_err err = KS_OK;

    KS_CHECK(params->forest.trees >= 1 && params->forest.trees <= KS_FOREST_TREES_MAX,
             KS_ERR_USAGE, "%u trees: expected 1 to %d", params->forest.trees,
             KS_FOREST_TREES_MAX);
    KS_CHECK(params->forest.sample >= 2 && params->forest.sample <= KS_FOREST_SAMPLE_MAX,
             KS_ERR_USAGE, "a sample of %u rows: expected 2 to %d", params->forest.sample,
             KS_FOREST_SAMPLE_MAX);
    KS_CHECK(params->contamination >= 0 && params->contamination <= 0.5 &&
                 !signbit(params->contamination),
             KS_ERR_USAGE, "contamination outside 0 to 0.5");
    KS_CHECK(params->window >= KS_DRIFT_ROWS_MIN && params->window <= KS_DRIFT_ROWS_MAX,
             KS_ERR_USAGE, "a window of %zu rows: expected %d to %d", params->window,
             KS_DRIFT_ROWS_MIN, KS_DRIFT_ROWS_MAX);
    KS_CHECK(params->every <= UINT32_MAX, KS_ERR_USAGE, "a training every %zu rows",
             params->every);
    KS_CHECK(params->batch == 0 ||
                 (params->batch >= KS_DRIFT_ROWS_MIN && params->batch <= params->window),
             KS_ERR_USAGE, "a batch of %zu rows: expected 0, or %d to the window's",
             params->batch, KS_DRIFT_ROWS_MIN);
    KS_CHECK(params->significance > 0 && params->significance < 1, KS_ERR_USAGE,
             "significance outside 0 to 1");
    KS_CHECK(params->delay <= KS_DRIFT_ROWS_MAX, KS_ERR_USAGE,
             "a delay of %zu rows: at most %d", params->delay, KS_DRIFT_ROWS_MAX);
out:
    return err;
}

enum ks_err ks_drift_new(const struct ks_drift_params *params, struct ks_forest *model,
                         struct ks_drift **out_drift)
{
    enum ks_err err = KS_OK;
    struct ks_drift *drift = ks_calloc(1, sizeof *drift);

    if (drift == NULL) {
        ks_forest_free(model);
        return ks_fail(KS_ERR_NOMEM, "drift");
    }
    drift->model = model;
    drift->params = *params;
    drift->features = ks_forest_features(model);
    KS_TRY(check_params(params));
    KS_TRY(ks_forest_hash(model, drift->hash));
    drift->window = ks_calloc(params->window * drift->features, sizeof *drift->window);
    drift->rows_kept = ks_calloc(params->window * drift->features, sizeof *drift->rows_kept);
    drift->reference = ks_calloc(params->batch, sizeof *drift->reference);
    drift->recent = ks_calloc(params->batch, sizeof *drift->recent);
    KS_CHECK(drift->window != NULL && drift->rows_kept != NULL && drift->reference != NULL &&
                 drift->recent != NULL,
             KS_ERR_NOMEM, "window of %zu rows", params->window);
    *out_drift = drift;
    drift = NULL; /* transferred */
out:
    ks_drift_free(drift);
    return err;
}

void ks_drift_free(struct ks_drift *drift)
{
    if (drift == NULL) {
        return;
    }
    ks_forest_free(drift->model);
    ks_forest_free(drift->next);
    ks_free(drift->window);
    ks_free(drift->rows_kept);
    ks_free(drift->reference);
    ks_free(drift->recent);
    ks_free(drift);
}

const struct ks_drift_params *ks_drift_params(const struct ks_drift *drift)
{
    return &drift->params;
}

const struct ks_forest *ks_drift_model(const struct ks_drift *drift)
{
    return drift->model;
}

uint64_t ks_drift_rows(const struct ks_drift *drift)
{
    return drift->rows;
}

/* --- training and hand-over --------------------------------------------------------------- */

/* The model that is due from the rows kept for it; NULL when nothing varies in them. */
static enum ks_err grow(const struct ks_drift *drift, struct ks_forest **out_forest)
{
    enum ks_err err = KS_OK;
    const struct ks_rows rows = {drift->rows_kept, drift->kept_count, drift->features,
                                 drift->features};
    struct ks_forest_params params = drift->params.forest;
    struct ks_bytes names[KS_FOREST_FEATURES_MAX];
    struct ks_forest *forest = NULL;
    uint32_t *paths = ks_calloc(rows.count, sizeof *paths);

    KS_CHECK(paths != NULL, KS_ERR_NOMEM, "%zu rows", rows.count);
    for (size_t i = 0; i < drift->features; i++) {
        names[i] = ks_bytes_text(ks_forest_feature(drift->model, i));
    }
    params.seed += (uint64_t)drift->generation * SEED_STEP;
    err = ks_forest_fit(&rows, names, &params, &forest);
    if (err == KS_ERR_FORMAT) { /* no row is infinite, no name is new: so all are constant */
        *out_forest = NULL;
        err = KS_OK;
        goto out;
    }
    KS_TRY(err);
    ks_forest_paths(forest, &rows, NULL, paths);
    KS_TRY(ks_forest_set_contamination(forest, paths, rows.count, drift->params.contamination));
    *out_forest = forest;
    forest = NULL; /* transferred */
out:
    ks_free(paths);
    ks_forest_free(forest);
    return err;
}

enum ks_err ks_drift_train(struct ks_drift *drift)
{
    enum ks_err err = KS_OK;

    if (drift->pending && !drift->trained) {
        KS_TRY(grow(drift, &drift->next));
        drift->trained = true;
    }
out:
    return err;
}

/* The last COUNT rows, oldest first, are what the next model is grown from. */
static void keep_rows(struct ks_drift *drift, size_t count)
{
    const size_t window = drift->params.window;

    for (size_t i = 0; i < count; i++) {
        const size_t place = (drift->window_next + window - count + i) % window;

        ks_copy(&drift->rows_kept[i * drift->features], &drift->window[place * drift->features],
                drift->features * sizeof *drift->window);
    }
    drift->kept_count = count;
    drift->pending = true;
    drift->trained = false;
    drift->left = drift->params.delay;
    drift->since = 0;
    drift->generation++;
}

/* Puts the model that was due in the old one's place. */
static enum ks_err hand_over(struct ks_drift *drift, struct ks_drift_step *step)
{
    enum ks_err err = KS_OK;
    uint8_t hash[KS_FOREST_HASH_LEN];

    KS_TRY(ks_drift_train(drift));
    if (drift->next == NULL) {
        step->untrainable = true;
    } else {
        KS_TRY(ks_forest_hash(drift->next, hash));
        ks_forest_free(drift->model);
        drift->model = drift->next;
        drift->next = NULL;
        ks_copy(drift->hash, hash, sizeof hash);
        drift->reference_count = 0;
        drift->recent_count = 0;
        step->handed_over = true;
    }
    drift->pending = false;
    drift->kept_count = 0;
out:
    return err;
}

/* --- the test for drift ------------------------------------------------------------------- */

static int by_path(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

/* The largest difference of the two samples' distribution functions; both are in order. */
static double distance(const uint32_t *a, const uint32_t *b, size_t count)
{
    size_t i = 0;
    size_t k = 0;
    size_t most = 0;

    while (i < count && k < count) {
        const uint32_t at = a[i] < b[k] ? a[i] : b[k];

        while (i < count && a[i] == at) {
            i++;
        }
        while (k < count && b[k] == at) {
            k++;
        }
        most = i > k + most ? i - k : k > i + most ? k - i : most;
    }
    return (double)most / (double)count;
}

/* Two samples of COUNT from one distribution are further apart with a probability of at most
 * SIGNIFICANCE, asymptotically; ties make it less (Smirnov 1948). */
static double distance_max(double significance, size_t count)
{
    return sqrt(-log(significance / 2) / (double)count);
}

/* Adds a path to the batch; a full one is the reference, or compared with it. */
static void test_drift(struct ks_drift *drift, uint32_t path, struct ks_drift_step *step)
{
    const size_t batch = drift->params.batch;

    if (batch == 0) {
        return;
    }
    if (drift->reference_count < batch) {
        drift->reference[drift->reference_count++] = path;
        if (drift->reference_count == batch) {
            qsort(drift->reference, batch, sizeof *drift->reference, by_path);
        }
        return;
    }
    drift->recent[drift->recent_count++] = path;
    if (drift->recent_count == batch) {
        qsort(drift->recent, batch, sizeof *drift->recent, by_path);
        drift->recent_count = 0;
        step->tested = true;
        step->distance = distance(drift->reference, drift->recent, batch);
        step->drifted = step->distance > distance_max(drift->params.significance, batch);
    }
}

/* --- rows --------------------------------------------------------------------------------- */

static void remember(struct ks_drift *drift, const double *row)
{
    double *place = &drift->window[drift->window_next * drift->features];

    for (size_t i = 0; i < drift->features; i++) {
        place[i] = isnan(row[i]) ? (double)NAN : row[i] > FAR ? FAR : row[i];
        place[i] = place[i] < -FAR ? -FAR : place[i];
    }
    drift->window_next = (drift->window_next + 1) % drift->params.window;
    if (drift->window_count < drift->params.window) {
        drift->window_count++;
    }
}

enum ks_err ks_drift_row(struct ks_drift *drift, const double *row,
                         struct ks_drift_step *out_step)
{
    enum ks_err err = KS_OK;
    const size_t every = drift->params.every;

    *out_step = (struct ks_drift_step){0};
    if (drift->pending && drift->left == 0) {
        KS_TRY(hand_over(drift, out_step));
    }
    if (drift->pending) {
        drift->left--;
    }
    ks_detection_of(drift->model, drift->hash, row, &out_step->detection);
    drift->rows++;
    drift->since++;
    remember(drift, row);
    test_drift(drift, out_step->detection.path, out_step);
    if (!drift->pending && out_step->drifted) {
        keep_rows(drift, drift->params.batch);
        out_step->due = true;
    } else if (!drift->pending && every > 0 && drift->since >= every &&
               drift->window_count >= KS_DRIFT_ROWS_MIN) {
        keep_rows(drift, drift->window_count);
        out_step->due = true;
    }
out:
    return err;
}

/* --- the state ---------------------------------------------------------------------------- */

static void put_params(const struct ks_drift_params *params, struct ks_buf *out)
{
    ks_buf_put_u64(out, params->forest.seed);
    ks_buf_put_u32(out, params->forest.trees);
    ks_buf_put_u16(out, (uint16_t)params->forest.sample);
    ks_buf_put_double(out, params->contamination);
    ks_buf_put_u32(out, (uint32_t)params->window);
    ks_buf_put_u32(out, (uint32_t)params->every);
    ks_buf_put_u32(out, (uint32_t)params->batch);
    ks_buf_put_double(out, params->significance);
    ks_buf_put_u32(out, (uint32_t)params->delay);
}

static void put_paths(const uint32_t *paths, size_t count, struct ks_buf *out)
{
    ks_buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ks_buf_put_u32(out, paths[i]);
    }
}

static enum ks_err put_model(const struct ks_forest *forest, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    if (forest != NULL) {
        ks_forest_write(forest, &bytes);
        KS_TRY(ks_buf_check(&bytes));
    }
    ks_buf_put_lp32(out, ks_buf_view(&bytes));
out:
    ks_buf_done(&bytes);
    return err;
}

static void put_window(const struct ks_drift *drift, struct ks_buf *out)
{
    const size_t window = drift->params.window;
    const size_t first = drift->window_next + window - drift->window_count;

    ks_buf_put_u32(out, (uint32_t)drift->window_count);
    for (size_t i = 0; i < drift->window_count; i++) {
        const double *row = &drift->window[(first + i) % window * drift->features];

        for (size_t k = 0; k < drift->features; k++) {
            ks_buf_put_double(out, row[k]);
        }
    }
}

enum ks_err ks_drift_write(struct ks_drift *drift, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t start = out->len;

    KS_TRY(ks_drift_train(drift));
    ks_buf_put_text(out, MAGIC);
    put_params(&drift->params, out);
    ks_buf_put_u64(out, drift->rows);
    ks_buf_put_u64(out, drift->since);
    ks_buf_put_u32(out, drift->generation);
    KS_TRY(put_model(drift->model, out));
    ks_buf_put_u8(out, drift->pending ? 1 : 0);
    ks_buf_put_u32(out, drift->pending ? (uint32_t)drift->left : 0);
    KS_TRY(put_model(drift->pending ? drift->next : NULL, out));
    put_paths(drift->reference, drift->reference_count, out);
    put_paths(drift->recent, drift->recent_count, out);
    put_window(drift, out);
    ks_sha256_put_end(out, start);
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

static enum ks_err read_params(struct ks_reader *reader, struct ks_drift_params *params)
{
    enum ks_err err = KS_OK;
    uint32_t trees = 0;
    uint16_t sample = 0;
    uint32_t numbers[4] = {0};

    KS_TRY(ks_read_u64(reader, &params->forest.seed));
    KS_TRY(ks_read_u32(reader, &trees));
    KS_TRY(ks_read_u16(reader, &sample));
    KS_TRY(ks_read_double(reader, &params->contamination));
    for (size_t i = 0; i < 3; i++) {
        KS_TRY(ks_read_u32(reader, &numbers[i]));
    }
    KS_TRY(ks_read_double(reader, &params->significance));
    KS_TRY(ks_read_u32(reader, &numbers[3]));
    params->forest.trees = trees;
    params->forest.sample = sample;
    params->window = numbers[0];
    params->every = numbers[1];
    params->batch = numbers[2];
    params->delay = numbers[3];
    err = check_params(params);
    KS_TRY(err == KS_ERR_USAGE ? KS_ERR_LIMIT : err);
out:
    return err;
}

static enum ks_err read_model(struct ks_reader *reader, struct ks_forest **out_forest)
{
    enum ks_err err = KS_OK;
    struct ks_bytes bytes = {0};

    KS_TRY(ks_read_lp32(reader, KS_FOREST_BYTES_MAX, &bytes));
    KS_TRY(bytes.len == 0 ? KS_OK : ks_forest_read(bytes, out_forest));
out:
    return err;
}

static enum ks_err read_paths(struct ks_reader *reader, size_t max, uint32_t *paths,
                              size_t *out_count)
{
    enum ks_err err = KS_OK;
    uint32_t count = 0;

    KS_TRY(ks_read_u32(reader, &count));
    KS_CHECK(count <= max, KS_ERR_LIMIT, "%u paths of a batch of %zu", count, max);
    for (size_t i = 0; i < count; i++) {
        KS_TRY(ks_read_u32(reader, &paths[i]));
    }
    *out_count = count;
out:
    return err;
}

/* A value as remember leaves it. */
static enum ks_err read_value(struct ks_reader *reader, double *out_value)
{
    enum ks_err err = KS_OK;
    const double missing = (double)NAN;
    double value = 0;

    KS_TRY(ks_read_double(reader, &value));
    KS_CHECK(isnan(value) ? ks_bytes_equal(ks_bytes_of(&value, sizeof value),
                                           ks_bytes_of(&missing, sizeof missing))
                          : fabs(value) <= FAR,
             KS_ERR_FORMAT, "a value that no row has");
    *out_value = value;
out:
    return err;
}

static enum ks_err read_window(struct ks_reader *reader, struct ks_drift *drift)
{
    enum ks_err err = KS_OK;
    uint32_t count = 0;

    KS_TRY(ks_read_u32(reader, &count));
    KS_CHECK(count <= drift->params.window && count <= drift->rows, KS_ERR_LIMIT,
             "%u rows in a window of %zu", count, drift->params.window);
    for (size_t i = 0; i < count * drift->features; i++) {
        KS_TRY(read_value(reader, &drift->window[i]));
    }
    drift->window_count = count;
    drift->window_next = count % drift->params.window;
out:
    return err;
}

/* What the reader's own order of fields does not say. */
static enum ks_err check_state(const struct ks_drift *drift, uint8_t pending)
{
    enum ks_err err = KS_OK;
    const size_t batch = drift->params.batch;

    KS_CHECK(drift->since <= drift->rows && drift->generation <= drift->rows, KS_ERR_FORMAT,
             "more rows than were judged");
    KS_CHECK(pending <= 1 && drift->left <= drift->params.delay &&
                 (drift->pending || (drift->left == 0 && drift->next == NULL)),
             KS_ERR_FORMAT, "a model that is due and is not");
    KS_CHECK(drift->recent_count == 0 ||
                 (drift->reference_count == batch && drift->recent_count < batch),
             KS_ERR_FORMAT, "a batch behind none");
    for (size_t i = 1; i < batch && drift->reference_count == batch; i++) {
        KS_CHECK(drift->reference[i - 1] <= drift->reference[i], KS_ERR_FORMAT,
                 "a reference out of order");
    }
    if (drift->next != NULL) {
        KS_CHECK(ks_forest_features(drift->next) == drift->features, KS_ERR_FORMAT,
                 "two models of different rows");
        for (size_t i = 0; i < drift->features; i++) {
            KS_CHECK(strcmp(ks_forest_feature(drift->next, i),
                            ks_forest_feature(drift->model, i)) == 0,
                     KS_ERR_FORMAT, "two models of different rows");
        }
    }
out:
    return err;
}

static enum ks_err read_head(struct ks_reader *reader, struct ks_drift **out_drift)
{
    enum ks_err err = KS_OK;
    struct ks_bytes magic = {0};
    struct ks_drift_params params = {0};
    struct ks_forest *model = NULL;
    struct ks_drift *drift = NULL;
    uint64_t rows = 0;
    uint64_t since = 0;
    uint32_t generation = 0;

    KS_TRY(ks_read_bytes(reader, sizeof MAGIC - 1, &magic));
    KS_CHECK(ks_bytes_is(magic, MAGIC), KS_ERR_FORMAT, "not a state of ketseal.drift/1");
    KS_TRY(read_params(reader, &params));
    KS_TRY(ks_read_u64(reader, &rows));
    KS_TRY(ks_read_u64(reader, &since));
    KS_TRY(ks_read_u32(reader, &generation));
    KS_TRY(read_model(reader, &model));
    KS_CHECK(model != NULL, KS_ERR_FORMAT, "a state without a model");
    err = ks_drift_new(&params, model, &drift);
    model = NULL; /* transferred */
    KS_TRY(err);
    drift->rows = rows;
    drift->since = since;
    drift->generation = generation;
    *out_drift = drift;
out:
    ks_forest_free(model);
    return err;
}

enum ks_err ks_drift_read(struct ks_bytes bytes, struct ks_drift **out_drift)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "state");
    struct ks_drift *drift = NULL;
    struct ks_bytes hash = {0};
    uint32_t left = 0;
    uint8_t pending = 0;

    KS_CHECK(bytes.len <= KS_DRIFT_BYTES_MAX, KS_ERR_LIMIT, "over %d bytes",
             KS_DRIFT_BYTES_MAX);
    KS_TRY(ks_sha256_check_end(bytes));
    KS_TRY(read_head(&reader, &drift));
    KS_TRY(ks_read_u8(&reader, &pending));
    KS_TRY(ks_read_u32(&reader, &left));
    drift->pending = pending == 1;
    drift->trained = drift->pending;
    drift->left = left;
    KS_TRY(read_model(&reader, &drift->next));
    KS_TRY(read_paths(&reader, drift->params.batch, drift->reference, &drift->reference_count));
    KS_TRY(read_paths(&reader, drift->params.batch, drift->recent, &drift->recent_count));
    KS_TRY(read_window(&reader, drift));
    KS_TRY(ks_read_bytes(&reader, KS_SHA256_LEN, &hash));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(check_state(drift, pending));
    *out_drift = drift;
    drift = NULL; /* transferred */
out:
    ks_drift_free(drift);
    return err == KS_OK ? KS_OK : ks_fail_prefix(err, "drift");
}
