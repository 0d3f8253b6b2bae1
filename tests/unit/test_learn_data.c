/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What models learn from: gzip, IDX, shares, series of sensors, the invented city. */
#include "unit/expect.h"

#include <math.h>

#include "learn/dataset.h"
#include "learn/series.h"

#define OK(call) assert_int_equal((call), KS_OK)

/* --- gzip --------------------------------------------------------------------------------- */

/* `printf 'hello ' | gzip -n` and `printf 'world' | gzip -n`, one behind the other. */
static const uint8_t hello[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xcb, 0x48, 0xcd,
    0xc9, 0xc9, 0x57, 0x00, 0x00, 0xf6, 0xf9, 0x81, 0xed, 0x06, 0x00, 0x00, 0x00,
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x2b, 0xcf, 0x2f,
    0xca, 0x49, 0x01, 0x00, 0x43, 0x11, 0x77, 0x3a, 0x05, 0x00, 0x00, 0x00};

static void test_gzip(void **state)
{
    uint8_t damaged[sizeof hello];
    size_t refused = 0;
    struct ks_buf out;

    (void)state;
    ks_buf_init(&out, 11);
    assert_true(ks_gzip_is(KS_BYTES(hello)));
    OK(ks_gunzip(KS_BYTES(hello), &out));
    expect_text(ks_buf_view(&out), "hello world");
    ks_buf_done(&out);
    ks_buf_init(&out, 10);
    expect_failure(ks_gunzip(KS_BYTES(hello), &out), KS_ERR_LIMIT, "over 10 bytes");
    ks_buf_done(&out);
    ks_buf_init(&out, 1000);
    for (size_t len = 0; len < sizeof hello; len++) {
        const enum ks_err err = ks_gunzip(ks_bytes_of(hello, len), &out);

        assert_int_equal(err, len == 26 ? KS_OK : KS_ERR_FORMAT); /* one member is whole */
        ks_buf_clear(&out);
    }
    /* A wrong byte is found, unless nothing depends on it: a time, a system, the rest of a
     * byte. */
    for (size_t i = 0; i < sizeof hello; i++) {
        ks_copy(damaged, hello, sizeof hello);
        damaged[i] ^= 0x20;
        if (ks_gunzip(KS_BYTES(damaged), &out) == KS_OK) {
            expect_text(ks_buf_view(&out), "hello world");
        } else {
            refused++;
        }
        ks_buf_clear(&out);
    }
    assert_true(refused >= sizeof hello - 2 * 7);
    expect_failure(ks_gunzip(KS_LITERAL("plain"), &out), KS_ERR_FORMAT, "not a gzip file");
    ks_buf_done(&out);
}

/* --- IDX ---------------------------------------------------------------------------------- */

static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 3,  0,  0,  0,  2,  0,   0,
                                 0, 2, 0, 1, 2, 3, 9, 10, 11, 12, 20, 30, 255, 40};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 4, 0, 2};

static void test_idx(void **state)
{
    struct ks_samples samples;
    float values[4];

    (void)state;
    OK(ks_samples_idx(KS_BYTES(images), KS_BYTES(labels), 0, &samples));
    assert_int_equal(samples.count, 3);
    assert_int_equal(samples.size, 4);
    assert_int_equal(samples.classes, 5);
    assert_int_equal(samples.labels[2], 2);
    ks_samples_get(&samples, 2, values);
    assert_true(fabsf(values[2] - (1 - KS_MNIST_CENTRE) / KS_MNIST_SPREAD) < 1e-6F);
    assert_true(fabsf(values[0] - (20 / 255.0F - KS_MNIST_CENTRE) / KS_MNIST_SPREAD) < 1e-6F);
    ks_samples_done(&samples);
    OK(ks_samples_idx(KS_BYTES(images), KS_BYTES(labels), 10, &samples));
    assert_int_equal(samples.classes, 10);
    ks_samples_done(&samples);
}

static void refuse_idx(size_t at, uint8_t value, bool of_labels, enum ks_err err,
                       const char *says)
{
    struct ks_samples samples;
    uint8_t changed_images[sizeof images];
    uint8_t changed_labels[sizeof labels];

    ks_copy(changed_images, images, sizeof images);
    ks_copy(changed_labels, labels, sizeof labels);
    (of_labels ? changed_labels : changed_images)[at] = value;
    expect_failure(
        ks_samples_idx(KS_BYTES(changed_images), KS_BYTES(changed_labels), 5, &samples), err,
        says);
}

static void test_idx_refused(void **state)
{
    struct ks_samples samples;

    (void)state;
    refuse_idx(0, 1, false, KS_ERR_FORMAT, "images: not an IDX file");
    refuse_idx(2, 0x0d, false, KS_ERR_FORMAT, "images: IDX type 0x0d");
    refuse_idx(3, 1, false, KS_ERR_FORMAT, "images: 1 dimensions, expected 3");
    refuse_idx(7, 4, false, KS_ERR_FORMAT, "images: 12 bytes, the head says 16");
    refuse_idx(7, 0, false, KS_ERR_FORMAT, "images: a dimension of 0");
    refuse_idx(8, 255, false, KS_ERR_LIMIT, "images: over 1073741824 bytes");
    refuse_idx(7, 2, true, KS_ERR_FORMAT, "labels: 3 bytes, the head says 2");
    refuse_idx(8, 5, true, KS_ERR_FORMAT, "labels: number 1 is 5, of 5 classes");
    expect_failure(ks_samples_idx(KS_BYTES(labels), KS_BYTES(images), 0, &samples),
                   KS_ERR_FORMAT, "images: 1 dimensions, expected 3");
    expect_failure(ks_samples_idx(KS_BYTES(images), ks_bytes_of(labels, 6), 0, &samples),
                   KS_ERR_FORMAT, "labels");
    expect_failure(
        ks_samples_idx(KS_BYTES(images), KS_LITERAL("\0\0\x08\x01\0\0\0\x02\0\1"), 0, &samples),
        KS_ERR_FORMAT, "3 images, 2 labels");
}

/* --- shares ------------------------------------------------------------------------------- */

#define COUNT   1000
#define CLASSES 10

static void make_labelled(struct ks_samples *samples)
{
    *samples = (struct ks_samples){.count = COUNT, .classes = CLASSES};
    samples->labels = ks_calloc(COUNT, 1);
    for (size_t i = 0; i < COUNT; i++) {
        samples->labels[i] = (uint8_t)(i * 7 % CLASSES);
    }
}

/* Every sample once. */
static void expect_whole(const struct ks_split *split)
{
    bool seen[COUNT] = {false};

    assert_int_equal(split->starts[0], 0);
    assert_int_equal(split->starts[split->parts], COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_false(seen[split->indices[i]]);
        seen[split->indices[i]] = true;
    }
}

static unsigned classes_of(const struct ks_samples *samples, const struct ks_split *split,
                           size_t part)
{
    bool has[CLASSES] = {false};
    unsigned count = 0;

    for (size_t i = split->starts[part]; i < split->starts[part + 1]; i++) {
        has[samples->labels[split->indices[i]]] = true;
    }
    for (unsigned c = 0; c < CLASSES; c++) {
        count += has[c];
    }
    return count;
}

/* How unlike the parts are: mean over parts of the largest class's share. */
static double purity(const struct ks_samples *samples, const struct ks_split *split)
{
    double sum = 0;

    for (size_t p = 0; p < split->parts; p++) {
        size_t counts[CLASSES] = {0};
        size_t largest = 0;

        for (size_t i = split->starts[p]; i < split->starts[p + 1]; i++) {
            const size_t n = ++counts[samples->labels[split->indices[i]]];

            largest = n > largest ? n : largest;
        }
        sum += split->starts[p + 1] > split->starts[p]
                   ? (double)largest / (double)(split->starts[p + 1] - split->starts[p])
                   : 1;
    }
    return sum / (double)split->parts;
}

static void test_split(void **state)
{
    struct ks_samples samples;
    struct ks_split_spec spec = {.parts = 7, .shards = 2, .alpha = 0.05, .seed = 3};
    struct ks_split split;
    struct ks_split again;
    double uneven = 0;

    (void)state;
    make_labelled(&samples);
    for (unsigned kind = 0; kind <= KS_SPLIT_DIRICHLET; kind++) {
        spec.kind = (enum ks_split_kind)kind;
        OK(ks_split(&samples, &spec, &split));
        OK(ks_split(&samples, &spec, &again));
        expect_whole(&split);
        assert_memory_equal(split.indices, again.indices, COUNT * sizeof *split.indices);
        ks_split_done(&again);
        spec.seed++;
        OK(ks_split(&samples, &spec, &again));
        assert_memory_not_equal(split.indices, again.indices, COUNT * sizeof *split.indices);
        for (size_t p = 0; p < 7; p++) {
            const size_t size = split.starts[p + 1] - split.starts[p];

            assert_true(kind == KS_SPLIT_DIRICHLET || (size >= 140 && size <= 145));
            assert_true(kind != KS_SPLIT_IID || classes_of(&samples, &split, p) == CLASSES);
            /* Two shards of 71 or 72 of classes of 100 touch at most four. */
            assert_true(kind != KS_SPLIT_SHARDS || classes_of(&samples, &split, p) <= 4);
        }
        ks_split_done(&split);
        ks_split_done(&again);
    }
    OK(ks_split(&samples, &spec, &split));
    uneven = purity(&samples, &split);
    ks_split_done(&split);
    spec.alpha = 1000;
    OK(ks_split(&samples, &spec, &split));
    assert_true(uneven > 0.4 && purity(&samples, &split) < 0.2);
    ks_split_done(&split);
    ks_samples_done(&samples);
}

static void test_split_refused(void **state)
{
    struct ks_samples samples;
    struct ks_split split;
    struct ks_split_spec spec = {.parts = 0};

    (void)state;
    make_labelled(&samples);
    expect_failure(ks_split(&samples, &spec, &split), KS_ERR_USAGE, "0 parts of 1000 samples");
    spec.parts = COUNT + 1;
    expect_failure(ks_split(&samples, &spec, &split), KS_ERR_USAGE, "1001 parts");
    spec = (struct ks_split_spec){.kind = KS_SPLIT_SHARDS, .parts = 10, .shards = 101};
    expect_failure(ks_split(&samples, &spec, &split), KS_ERR_USAGE, "101 shards");
    spec =
        (struct ks_split_spec){.kind = KS_SPLIT_DIRICHLET, .parts = 10, .alpha = (double)NAN};
    expect_failure(ks_split(&samples, &spec, &split), KS_ERR_USAGE, "alpha");
    ks_free(samples.labels);
    samples.labels = NULL;
    spec.alpha = 1;
    expect_failure(ks_split(&samples, &spec, &split), KS_ERR_USAGE, "iid only");
}

/* --- series ------------------------------------------------------------------------------- */

static const struct ks_series_schema hourly = {
    .name = "hourly",
    .time = "t",
    .target = "y",
    .features = 1,
    .feature = {"x"},
    .direction = "d",
    .step_s = 3600,
    .window = 2,
    .horizon = 1,
    .fill = 1,
    .test_from_us = 6 * 3600 * 1000000ULL,
};

static enum ks_err read_series(const char *text, const struct ks_series_schema *schema,
                               struct ks_series *series)
{
    enum ks_err err = KS_OK;
    struct ks_table *table = NULL;

    KS_TRY(ks_table_read(ks_bytes_text(text), "s.csv", &table));
    KS_TRY(ks_series_read(table, schema, series));
out:
    ks_table_free(table);
    return err;
}

/* Hour 3 is not there, hour 4 has no y, hour 5 has two rows. */
#define ROWS                                                                                   \
    "1970-01-01 00:00:00,1,10,N\n1970-01-01T01:00:00Z,2,NA,E\n"                                \
    "1970-01-01 02:00:00,3,30, \n1970-01-01 04:10:00,,30,S\n"                                  \
    "1970-01-01 05:00:00,5,50,W\n1970-01-01 05:30:00,7,70,W\n"                                 \
    "1970-01-01 06:00:00,4,40,NNW\n1970-01-01 07:00:00,8,50,N\n"

static void test_series(void **state)
{
    struct ks_series series;
    float sample[8];

    (void)state;
    OK(read_series("t,y,x,d\n" ROWS, &hourly, &series));
    /* Of y before hour 6: 1, 2, 3, 6: mean 3, deviation sqrt(14 / 3). */
    assert_true(fabsf(series.centre - 3) < 1e-6F);
    assert_true(fabs((double)series.spread - sqrt(14.0 / 3)) < 1e-6);
    assert_int_equal(series.train.count, 2); /* targets of hours 2 and 5 */
    assert_int_equal(series.test.count, 2);
    assert_int_equal(series.left_out, 2);
    assert_int_equal(series.missing, 2 + 2 + 2); /* y 3, 4; x 1, 3; direction 2, 3 */
    assert_int_equal(series.train.shape[0], 2);
    assert_int_equal(series.train.shape[1], 4);
    assert_true(fabs((double)series.train.targets[1] - 3 / sqrt(14.0 / 3)) < 1e-6);
    /* Hours 3 and 4: y is filled once, then the mean; x was measured at 4. */
    ks_samples_get(&series.train, 1, sample);
    assert_true(sample[0] == 0 && sample[4] == 0); /* 3 is the mean, too */
    assert_true(fabsf(sample[2] - 0) < 1e-6F && fabsf(sample[3] - 0) < 1e-6F); /* too old */
    assert_true(fabsf(sample[6]) < 1e-6F && fabsf(sample[7] + 1) < 1e-6F);     /* S */
    /* Guesses for hours 6 and 7 (4, 8): as now (6, 4), as the mean (3, 3). */
    assert_true(fabs(series.persistence - sqrt((4 + 16) / 2.0)) < 1e-5);
    assert_true(fabs(series.mean - sqrt((1 + 25) / 2.0)) < 1e-5);
    ks_series_done(&series);
}

static void test_series_change(void **state)
{
    struct ks_series_schema schema = hourly;
    struct ks_series series;

    (void)state;
    schema.change = true;
    schema.calendar = KS_CALENDAR_HOUR | KS_CALENDAR_WEEKDAY | KS_CALENDAR_SEASON;
    OK(read_series("t,y,x,d\n" ROWS, &schema, &series));
    assert_int_equal(series.test.shape[1], 10);
    assert_true(fabs((double)series.test.targets[1] - 4 / sqrt(14.0 / 3)) < 1e-6);
    /* Hour 5 of the day as a circle, of a Thursday. */
    assert_true(fabsf(series.test.values[5 * 10 + 4] - sinf(5 * 6.2831853F / 24)) < 1e-5F);
    assert_true(fabsf(series.test.values[5 * 10 + 6]) < 1e-6F);
    ks_series_done(&series);
}

static void test_series_refused(void **state)
{
    static const struct {
        const char *text;
        enum ks_err err;
        const char *says;
    } cases[] = {
        {"t,y,x,d\n", KS_ERR_FORMAT, "a table without rows"},
        {"t,y,d\n1970-01-01 00:00:00,1,N\n", KS_ERR_FORMAT, "no column 'x'"},
        {"t,y,x,d\nnoon,1,1,N\n", KS_ERR_FORMAT, "s.csv:2:1: 'noon' is no time"},
        {"t,y,x,d\n1970-01-01 02:00:00,1,1,N\n1970-01-01 01:00:00,1,1,N\n", KS_ERR_FORMAT,
         "s.csv:3:1: a time before that of the row before"},
        {"t,y,x,d\n1970-01-01 02:00:00,1,wet,N\n", KS_ERR_FORMAT, "s.csv:2:23: 'wet'"},
        {"t,y,x,d\n1970-01-01 02:00:00,inf,1,N\n", KS_ERR_FORMAT, "s.csv:2:21: 'inf'"},
        {"t,y,x,d\n1970-01-01 02:00:00,1e31,1,N\n", KS_ERR_LIMIT, "beyond 1e30"},
        {"t,y,x,d\n1970-01-01 00:00:00,1,0,N\n1970-01-01 01:00:00,2,2e-9,N\n"
         "1970-01-01 07:00:00,1,1e30,N\n",
         KS_ERR_LIMIT, "column 'x': a measurement beyond 1e30 deviations"},
        {"t,y,x,d\n1970-01-01 02:00:00,1,1,up\n", KS_ERR_FORMAT, "no direction"},
        {"t,y,x,d\n1970-01-01 02:00:00,1,1,N\n", KS_ERR_FORMAT,
         "0 samples to train with, 0 to test"},
        {"t,y,x,d\n1970-01-01 02:00:00,1,1,N\n9999-01-01 02:00:00,1,1,N\n", KS_ERR_LIMIT,
         "over 4194304 steps"},
    };
    struct ks_series_schema parts = hourly;
    struct ks_series series;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_failure(read_series(cases[i].text, &hourly, &series), cases[i].err,
                       cases[i].says);
    }
    parts.time[0] = '\0';
    expect_failure(
        read_series("year,month,day,hour,y,x,d\n2013,2,30,1,1,1,N\n", &parts, &series),
        KS_ERR_FORMAT, "s.csv:2:1: ");
    expect_failure(
        read_series("year,month,day,hour,y,x,d\n2013,2,3,1.5,1,1,N\n", &parts, &series),
        KS_ERR_FORMAT, "s.csv:2:10: no part of a date");
    parts.step_s = 0;
    expect_failure(read_series("year\n1\n", &parts, &series), KS_ERR_USAGE, "step");
    parts = hourly;
    parts.window = 0;
    expect_failure(read_series("year\n1\n", &parts, &series), KS_ERR_USAGE, "window");
}

/* --- a city ------------------------------------------------------------------------------- */

static void test_city(void **state)
{
    struct ks_city_spec spec = {.seed = 5, .site = 2, .from_us = 1704067200000000, .hours = 96};
    struct ks_series_schema schema;
    struct ks_series series;
    struct ks_table *table = NULL;
    struct ks_buf whole;
    struct ks_buf part;

    (void)state;
    ks_buf_init(&whole, 1 << 20);
    ks_buf_init(&part, 1 << 20);
    OK(ks_city(&spec, &whole));
    /* Any stretch of time is the same by itself. */
    spec.from_us += 48 * 3600000000ULL;
    spec.hours = 48;
    OK(ks_city(&spec, &part));
    const size_t head = strlen("time,vehicles,speed,no2,pm25,temp,wind,rain\n");
    const size_t tail = part.len - head;
    assert_memory_equal(whole.data + whole.len - tail, part.data + head, tail);
    OK(ks_table_read(ks_buf_view(&whole), "city", &table));
    OK(ks_series_named("city-air", &schema));
    schema.test_from_us = spec.from_us;
    OK(ks_series_read(table, &schema, &series));
    assert_true(series.train.count + series.test.count + series.left_out == 96 - 24 - 6 + 1);
    ks_series_done(&series);
    ks_table_free(table);
    spec.hours = 0;
    expect_failure(ks_city(&spec, &part), KS_ERR_USAGE, "hours");
    spec.hours = 1;
    spec.from_us++;
    expect_failure(ks_city(&spec, &part), KS_ERR_USAGE, "whole hour");
    OK(ks_series_time(KS_LITERAL("9999-12-31 00:00:00"), &spec.from_us));
    spec.hours = 25;
    expect_failure(ks_city(&spec, &part), KS_ERR_USAGE, "a city ends with the year 9999");
    spec.hours = 24;
    OK(ks_city(&spec, &part));
    expect_failure(ks_series_named("town", &schema), KS_ERR_NOT_FOUND, "there are beijing");
    ks_buf_done(&whole);
    ks_buf_done(&part);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_gzip),          cmocka_unit_test(test_idx),
        cmocka_unit_test(test_idx_refused),   cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_refused), cmocka_unit_test(test_series),
        cmocka_unit_test(test_series_change), cmocka_unit_test(test_series_refused),
        cmocka_unit_test(test_city),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
