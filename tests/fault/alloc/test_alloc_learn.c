/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Each allocation of data sets, models and training fails once; a step has none. */
#include "fault/alloc/fail_each.h"

#include "learn/series.h"
#include "learn/train.h"

#define HOUR_US 3600000000ULL

static struct ks_buf city;

/* A table, its series, and an epoch of a small recurrent model. */
static enum ks_err task_series(void)
{
    enum ks_err err = KS_OK;
    struct ks_table *table = NULL;
    struct ks_series series = {0};
    struct ks_samples joined = {0};
    struct ks_series_schema schema;

    KS_TRY(ks_series_named("city-air", &schema));
    schema.window = 4;
    schema.test_from_us = 470000 * HOUR_US + 30 * HOUR_US;
    KS_TRY(ks_table_read(ks_buf_view(&city), "city", &table));
    KS_TRY(ks_series_read(table, &schema, &series));
    KS_TRY(ks_samples_append(&joined, &series.train));
    KS_TRY(ks_samples_append(&joined, &series.test));
out:
    ks_samples_done(&joined);
    ks_series_done(&series);
    ks_table_free(table);
    return err;
}

static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 3,  0,  0,  0,  2,  0,   0,
                                 0, 2, 0, 1, 2, 3, 9, 10, 11, 12, 20, 30, 255, 40};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 1};

static enum ks_err split(const struct ks_samples *samples, enum ks_split_kind kind)
{
    const struct ks_split_spec spec = {.kind = kind, .parts = 2, .shards = 1, .alpha = 1};
    struct ks_split made = {0};
    const enum ks_err err = ks_split(samples, &spec, &made);

    ks_split_done(&made);
    return err;
}

/* Images, their shares, a model, an epoch, and the model's file there and back. */
static enum ks_err task_model(void)
{
    enum ks_err err = KS_OK;
    struct ks_samples samples = {0};
    struct ks_model_spec spec;
    struct ks_model *model = NULL;
    struct ks_model *read = NULL;
    struct ks_trainer *trainer = NULL;
    struct ks_train_params how = KS_TRAIN_DEFAULTS;
    struct ks_train_stats stats;
    float *params = NULL;
    float *read_params = NULL;
    struct ks_buf file;
    struct ks_buf card;

    ks_buf_init(&file, 1 << 20);
    ks_buf_init(&card, KS_MODEL_CARD_MAX);
    how.optimiser = KS_OPTIMISER_ADAM;
    KS_TRY(ks_samples_idx(KS_BYTES(images), KS_BYTES(labels), 0, &samples));
    KS_TRY(split(&samples, KS_SPLIT_IID));
    KS_TRY(split(&samples, KS_SPLIT_SHARDS));
    KS_TRY(split(&samples, KS_SPLIT_DIRICHLET));
    KS_TRY(ks_model_named("mlp", 3, samples.shape, 2, &spec));
    KS_TRY(ks_model_new(&spec, &model));
    params = ks_calloc(ks_model_params(model), sizeof *params);
    KS_CHECK(params != NULL, KS_ERR_NOMEM, "parameters");
    ks_model_init(model, 1, params);
    KS_TRY(ks_trainer_new(model, &how, NULL, &trainer));
    const struct ks_subset all = {&samples, NULL, samples.count};
    KS_TRY(ks_train_epoch(trainer, &all, 1, NULL, params, &stats));
    ks_model_write(model, params, KS_LITERAL("{}"), &file);
    KS_TRY(ks_buf_check(&file));
    KS_TRY(ks_model_check_order(ks_buf_view(&file)));
    KS_TRY(ks_model_read(ks_buf_view(&file), &read, &read_params, &card));
out:
    ks_buf_done(&file);
    ks_buf_done(&card);
    ks_trainer_free(trainer);
    ks_model_free(model);
    ks_model_free(read);
    ks_free(params);
    ks_free(read_params);
    ks_samples_done(&samples);
    return err;
}

/* `printf hello | gzip -n` */
static enum ks_err task_gunzip(void)
{
    static const uint8_t packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                     0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86,
                                     0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00};
    struct ks_buf out;

    ks_buf_init(&out, 100);
    const enum ks_err err = ks_gunzip(KS_BYTES(packed), &out);
    ks_buf_done(&out);
    return err;
}

static void test_each(void **state)
{
    const struct ks_city_spec spec = {.from_us = 470000 * HOUR_US, .hours = 60};

    (void)state;
    ks_buf_init(&city, 1 << 20);
    assert_int_equal(ks_city(&spec, &city), KS_OK);
    fail_each(task_series, 8, "");
    fail_each(task_model, 20, "");
    fail_each(task_gunzip, 2, "");
    ks_buf_done(&city);
}

/* An epoch has one allocation, the order; with that in hand no step has any. */
static void test_steps(void **state)
{
    struct ks_samples samples;
    struct ks_model_spec spec;
    struct ks_model *model = NULL;
    struct ks_trainer *trainer = NULL;
    struct ks_train_stats stats;
    struct ks_test_stats tested;

    (void)state;
    assert_int_equal(ks_samples_idx(KS_BYTES(images), KS_BYTES(labels), 0, &samples), KS_OK);
    assert_int_equal(ks_model_named("mlp", 3, samples.shape, 2, &spec), KS_OK);
    assert_int_equal(ks_model_new(&spec, &model), KS_OK);
    float *params = ks_calloc(ks_model_params(model), sizeof *params);
    const struct ks_subset all = {&samples, NULL, samples.count};
    ks_model_init(model, 1, params);
    assert_int_equal(ks_trainer_new(model, &KS_TRAIN_DEFAULTS, NULL, &trainer), KS_OK);
    assert_int_equal(ks_train_epoch(trainer, &all, 1, NULL, params, &stats), KS_OK);
    ks_fault_fail_alloc_at(1);
    assert_int_equal(ks_train_step(trainer, &all, NULL, params, &stats), KS_OK);
    assert_int_equal(ks_train_epoch(trainer, &all, 2, NULL, params, &stats), KS_OK);
    assert_int_equal(ks_train_evaluate(trainer, &all, params, &tested), KS_OK);
    assert_false(ks_fault_fired());
    ks_fault_fail_alloc_at(0);
    ks_free(params);
    ks_trainer_free(trainer);
    ks_model_free(model);
    ks_samples_done(&samples);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_steps),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
