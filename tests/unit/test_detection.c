/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a model says of a row: the first reason against what was planted, the document against
 * its reader, and what a reader has to refuse. */
#include "unit/expect.h"

#include <math.h>

#include "base/philox.h"
#include "detect/detection.h"

#define OK(call) assert_int_equal((call), KS_OK)

enum { FEATURES = 16, ROWS = 3000 };

static double values[ROWS * FEATURES];
static uint32_t paths[ROWS];
static char names_text[FEATURES][8];
static struct ks_bytes names[FEATURES];
static uint64_t drawn;

static double unit(void)
{
    const uint32_t key[2] = {11, 0};
    const uint32_t counter[4] = {(uint32_t)drawn, (uint32_t)(drawn >> 32), 0, 0};
    uint32_t words[4];

    drawn++;
    ks_philox(key, counter, words);
    return (words[0] + 0.5) / 4294967296.0;
}

static double normal(void)
{
    const double radius = sqrt(-2 * log(unit()));

    return radius * cos(6.283185307179586 * unit());
}

/* A value of FEATURE as traces have them: times with long tails, counts, settings, rare
 * events. */
static double of_trace(size_t feature)
{
    switch (feature % 4) {
    case 0:
        return exp(6 + 0.4 * normal());
    case 1:
        return floor(4 + 8 * unit());
    case 2:
        return 2000 + 100 * normal();
    default:
        return unit() < 0.6 ? 1 : floor(4 * unit());
    }
}

static double plain(size_t feature)
{
    (void)feature;
    return normal();
}

static struct ks_forest *grow(double (*draw)(size_t), uint64_t seed)
{
    const struct ks_rows rows = {values, ROWS, FEATURES, FEATURES};
    const struct ks_forest_params params = {.seed = seed, .trees = 100, .sample = 256};
    struct ks_forest *forest = NULL;

    for (size_t i = 0; i < FEATURES; i++) {
        (void)snprintf(names_text[i], sizeof names_text[i], "x%zu", i);
        names[i] = ks_bytes_text(names_text[i]);
    }
    for (size_t i = 0; i < (size_t)ROWS * FEATURES; i++) {
        values[i] = draw(i % FEATURES);
    }
    OK(ks_forest_fit(&rows, names, &params, &forest));
    ks_forest_paths(forest, &rows, NULL, paths);
    OK(ks_forest_set_contamination(forest, paths, ROWS, 0.02));
    return forest;
}

static size_t largest(const struct ks_forest_reason *reasons, bool by_distance)
{
    size_t first = 0;

    for (size_t i = 1; i < FEATURES; i++) {
        const double a = by_distance ? fabs(reasons[i].robust_z) : reasons[i].contribution;
        const double b =
            by_distance ? fabs(reasons[first].robust_z) : reasons[first].contribution;

        first = a > b ? i : first;
    }
    return first;
}

/* Anomalies of a single cause: rows that are none until one value is moved by SPREADS. How many
 * there were, and of how many that feature is the first reason, by detections, by either
 * measure alone. */
struct planted {
    size_t count;
    size_t ours;
    size_t contribution;
    size_t distance;
};

static void plant(double (*draw)(size_t), double spreads, uint64_t seed,
                  struct planted *planted)
{
    struct ks_forest *forest = grow(draw, seed);
    struct ks_detection detection;
    struct ks_forest_reason reasons[FEATURES];
    const uint8_t hash[KS_FOREST_HASH_LEN] = {0};
    double row[FEATURES];
    double baseline = 0;

    for (size_t i = 0; i < 600; i++) {
        const size_t cause = i % FEATURES;
        double unmoved = 0;

        for (size_t k = 0; k < FEATURES; k++) {
            row[k] = draw(k);
        }
        ks_detection_of(forest, hash, row, &detection);
        if (detection.is_anomaly) {
            continue;
        }
        /* The spread by two looks at the feature. */
        ks_forest_explain(forest, row, reasons, &baseline);
        unmoved = reasons[cause].robust_z;
        row[cause] += 1;
        ks_forest_explain(forest, row, reasons, &baseline);
        row[cause] += spreads / (reasons[cause].robust_z - unmoved) - 1;
        ks_detection_of(forest, hash, row, &detection);
        if (!detection.is_anomaly) {
            continue;
        }
        ks_forest_explain(forest, row, reasons, &baseline);
        planted->count++;
        planted->ours += strcmp(detection.reasons[0].feature, names_text[cause]) == 0;
        planted->contribution += largest(reasons, false) == cause;
        planted->distance += largest(reasons, true) == cause;
    }
    ks_forest_free(forest);
}

static void test_first_reason(void **state)
{
    static const struct {
        const char *name;
        double (*draw)(size_t);
        double spreads;
    } cases[] = {
        {"normal, 6", plain, 6},     {"normal, 12", plain, 12},
        {"normal, 50", plain, 50},   {"trace, 12", of_trace, 12},
        {"trace, 30", of_trace, 30}, {"trace, 1000", of_trace, 1000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct planted planted = {0};

        for (uint64_t seed = 1; seed <= 3; seed++) {
            plant(cases[i].draw, cases[i].spreads, 1000 * seed, &planted);
        }
        print_message("%-12s %4zu planted: first reason right in %.3f, by contribution alone "
                      "%.3f, by distance alone %.3f\n",
                      cases[i].name, planted.count,
                      (double)planted.ours / (double)planted.count,
                      (double)planted.contribution / (double)planted.count,
                      (double)planted.distance / (double)planted.count);
        assert_true(planted.count >= 100);
        assert_true(planted.ours * 100 >= planted.count * 95);
        assert_true(planted.ours >= planted.contribution);
    }
}

/* --- the document ------------------------------------------------------------------------- */

static void fill(struct ks_detection *detection, bool with_subject)
{
    static const uint8_t hash[KS_FOREST_HASH_LEN] = {1, 2, 3};
    struct ks_forest *forest = NULL;
    double row[FEATURES] = {0};

    drawn = 0;
    forest = grow(plain, 5);
    for (size_t i = 6; i < FEATURES; i++) {
        row[i] = 5;
    }
    row[3] = 1e12;
    row[4] = (double)NAN;
    row[5] = -(double)INFINITY;
    ks_detection_of(forest, hash, row, detection);
    if (with_subject) {
        detection->has_subject = true;
        detection->subject = (struct ks_detection_subject){
            .device = "sensor-1",
            .job = "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            .side = KS_TRACE_SIDE_SITE,
            .started_us = 1768356084123456,
        };
    }
    ks_forest_free(forest);
}

static void test_document(void **state)
{
    struct ks_detection detection;
    struct ks_detection again;
    struct ks_buf text;
    struct ks_buf copy;

    (void)state;
    ks_buf_init(&text, KS_DETECTION_BYTES_MAX);
    ks_buf_init(&copy, KS_DETECTION_BYTES_MAX);
    for (int with = 0; with < 2; with++) {
        ks_buf_clear(&text);
        ks_buf_clear(&copy);
        fill(&detection, with == 1);
        assert_true(detection.is_anomaly);
        assert_string_equal(detection.reasons[0].feature, "x5");
        assert_string_equal(detection.reasons[1].feature, "x3");
        assert_true(detection.reasons[0].value == -KS_DETECTION_NUMBER_MAX);
        ks_detection_write(&detection, &text);
        OK(ks_buf_check(&text));
        OK(ks_detection_read(ks_buf_view(&text), &again));
        ks_detection_write(&again, &copy);
        expect_bytes(ks_buf_view(&copy), ks_buf_view(&text));
        assert_int_equal(again.has_subject, with);
        assert_int_equal(again.path, detection.path);
        assert_true(again.score == detection.score);
    }
    ks_buf_clear(&copy);
    ks_detection_put_reasons(&again, 2, &copy);
    assert_non_null(strstr((const char *)copy.data, "x5 = -9.0072e+15, -"));
    assert_non_null(strstr((const char *)copy.data, "; x3 = 1e+12, +"));
    ks_buf_done(&text);
    ks_buf_done(&copy);
}

/* A model of some of a trace's columns, in an order of its own, judges the whole trace. */
static void test_trace(void **state)
{
    static double rows_of_two[2 * ROWS];
    const struct ks_rows rows = {rows_of_two, ROWS, 2, 2};
    const struct ks_forest_params params = {.seed = 9, .trees = 100, .sample = 256};
    struct ks_bytes two[] = {ks_bytes_text("shots"), ks_bytes_text("qubits")};
    struct ks_forest *forest = NULL;
    struct ks_detector detector = {0};
    struct ks_detection detection;
    struct ks_trace trace;
    uint8_t hash[KS_FOREST_HASH_LEN];

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        rows_of_two[2 * i] = 1000 + 10 * normal();
        rows_of_two[2 * i + 1] = floor(3 + 4 * unit());
    }
    OK(ks_forest_fit(&rows, two, &params, &forest));
    ks_forest_paths(forest, &rows, NULL, paths);
    OK(ks_forest_set_contamination(forest, paths, ROWS, 0.01));
    OK(ks_forest_hash(forest, hash));
    OK(ks_detector_take(forest, &detector));
    assert_int_equal(detector.workload, KS_TRACE_CIRCUIT);
    ks_trace_init(&trace);
    ks_copy(trace.device, "sensor-1", 9);
    trace.side = KS_TRACE_SIDE_SITE;
    trace.started_us = 5;
    ks_trace_set(&trace, KS_TRACE_SHOTS, 90000);
    ks_trace_set(&trace, KS_TRACE_QUBITS, 4);
    ks_trace_set(&trace, KS_TRACE_DEPTH, 1e9); /* not among the features */
    ks_detector_judge(&detector, &trace, &detection);
    assert_true(detection.is_anomaly);
    assert_int_equal(detection.path, ks_detector_path(&detector, &trace));
    assert_int_equal(detection.count, 2);
    assert_string_equal(detection.reasons[0].feature, "shots");
    assert_true(detection.reasons[0].value == 90000);
    assert_string_equal(detection.subject.device, "sensor-1");
    assert_memory_equal(detection.model, hash, sizeof hash);
    ks_trace_set(&trace, KS_TRACE_SHOTS, 1000);
    ks_detector_judge(&detector, &trace, &detection);
    assert_false(detection.is_anomaly);
    ks_detector_done(&detector);
    two[1] = ks_bytes_text("fl_norm");
    OK(ks_forest_fit(&rows, two, &params, &forest));
    expect_failure(ks_detector_take(forest, &detector), KS_ERR_FORMAT,
                   "some of its columns are of circuits, some of contributions");
    two[0] = ks_bytes_text("round_trip_us");
    OK(ks_forest_fit(&rows, two, &params, &forest));
    assert_false(ks_detector_knows(&detector, &trace));
    OK(ks_detector_take(forest, &detector));
    assert_int_equal(detector.workload, KS_TRACE_UPDATE);
    assert_false(ks_detector_knows(&detector, &trace)); /* it is of a circuit */
    ks_trace_set_u64(&trace, KS_TRACE_WORKLOAD, KS_TRACE_UPDATE);
    assert_true(ks_detector_knows(&detector, &trace));
    ks_detector_done(&detector);
    two[1] = ks_bytes_text("moon");
    OK(ks_forest_fit(&rows, two, &params, &forest));
    expect_failure(ks_detector_take(forest, &detector), KS_ERR_FORMAT, "no column 'moon'");
}

/* TEXT with the first OLD replaced by FRESH. */
static void replace(const struct ks_buf *text, const char *old, const char *fresh,
                    struct ks_buf *out)
{
    const char *start = (const char *)text->data;
    const char *at = strstr(start, old);

    assert_non_null(at);
    ks_buf_clear(out);
    ks_buf_put(out, ks_bytes_of(start, (size_t)(at - start)));
    ks_buf_put_text(out, fresh);
    ks_buf_put_text(out, at + strlen(old));
    OK(ks_buf_check(out));
}

/* --- pages -------------------------------------------------------------------------------- */

struct seen {
    uint64_t numbers[4];
    size_t count;
};

static enum ks_err see(void *context, uint64_t number, const struct ks_detection *detection)
{
    struct seen *seen = context;

    assert_string_equal(detection->subject.device, "sensor-1");
    assert_true(seen->count < 4);
    seen->numbers[seen->count++] = number;
    return KS_OK;
}

static void make_page(const struct ks_detection *detection, const uint64_t *numbers,
                      size_t count, uint64_t next, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    struct ks_buf document;

    ks_buf_init(&document, KS_DETECTION_BYTES_MAX);
    ks_detection_write(detection, &document);
    ks_buf_clear(out);
    ks_alert_page_begin(&writer);
    for (size_t i = 0; i < count; i++) {
        ks_alert_page_put(numbers[i], ks_buf_view(&document), &writer);
    }
    ks_alert_page_end(next, &writer);
    OK(ks_buf_check(out));
    ks_buf_done(&document);
}

static void test_pages(void **state)
{
    static const uint64_t numbers[] = {9, 7, 8};
    struct ks_detection detection;
    struct ks_buf page;
    struct seen seen = {0};
    uint64_t next = 99;

    (void)state;
    ks_buf_init(&page, KS_ALERT_PAGE_BYTES_MAX);
    fill(&detection, true);
    make_page(&detection, numbers, 2, 7, &page);
    OK(ks_alert_page_read(ks_buf_view(&page), see, &seen, &next));
    assert_true(seen.count == 2 && seen.numbers[0] == 9 && seen.numbers[1] == 7 && next == 7);
    make_page(&detection, numbers, 0, 0, &page);
    OK(ks_alert_page_read(ks_buf_view(&page), see, &seen, &next));
    assert_true(seen.count == 2 && next == 0);
    make_page(&detection, numbers, 3, 0, &page);
    expect_failure(ks_alert_page_read(ks_buf_view(&page), see, &seen, &next), KS_ERR_FORMAT,
                   "not below the one before");
    detection.has_subject = false;
    make_page(&detection, numbers, 1, 0, &page);
    expect_failure(ks_alert_page_read(ks_buf_view(&page), see, &seen, &next), KS_ERR_FORMAT,
                   "no alert");
    expect_failure(
        ks_alert_page_read(KS_LITERAL("{\"items\":[],\"schema\":\"x\"}"), see, &seen, &next),
        KS_ERR_FORMAT, "ketseal.alert-list/1");
    ks_buf_done(&page);
}

static void lie(struct ks_detection *detection)
{
    detection->is_anomaly = false;
}

static void exceed(struct ks_detection *detection)
{
    detection->baseline = 1.5;
}

static void miss(struct ks_detection *detection)
{
    detection->baseline += 0.001;
}

static void hide(struct ks_detection *detection)
{
    detection->threshold = (double)NAN;
}

static void exchange(struct ks_detection *detection)
{
    const struct ks_detection_reason first = detection->reasons[0];

    detection->reasons[0] = detection->reasons[1];
    detection->reasons[1] = first;
}

static void repeat(struct ks_detection *detection)
{
    ks_copy(detection->reasons[2].feature, detection->reasons[0].feature,
            sizeof detection->reasons[2].feature);
}

static void unname(struct ks_detection *detection)
{
    detection->reasons[1].feature[0] = '\0';
}

static void empty(struct ks_detection *detection)
{
    detection->count = 0;
}

static void inflate(struct ks_detection *detection)
{
    detection->reasons[0].contribution = 300;
}

static void test_false(void **state)
{
    static const struct {
        void (*change)(struct ks_detection *detection);
        const char *detail;
    } cases[] = {
        {lie, "does not follow"},
        {exceed, "from 0 to 1"},
        {miss, "add up"},
        {hide, "does not follow"},
        {exchange, "in the order of their weight"},
        {repeat, "'x5' twice"},
        {unname, "without a name"},
        {empty, "'reasons': 1 to"},
        {inflate, "further than"},
    };
    struct ks_detection detection;
    struct ks_detection kept = {.path = 77};
    struct ks_buf text;

    (void)state;
    ks_buf_init(&text, KS_DETECTION_BYTES_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fill(&detection, true);
        cases[i].change(&detection);
        ks_buf_clear(&text);
        ks_detection_write(&detection, &text);
        OK(ks_buf_check(&text));
        expect_failure(ks_detection_read(ks_buf_view(&text), &kept),
                       cases[i].change == empty ? KS_ERR_LIMIT : KS_ERR_FORMAT,
                       cases[i].detail);
    }
    assert_int_equal(kept.path, 77);
    ks_buf_done(&text);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *old;
        const char *fresh;
        const char *detail;
    } cases[] = {
        {"ketseal.detection/1", "ketseal.detection/2", "not a ketseal.detection/1"},
        {"\"value\":null", "\"value\":true", "expected a number"},
        {"\"side\":\"site\"", "\"side\":\"moon\"", "'device' or 'site'"},
        {"\"side\":\"site\",", "", "'side'"},
        {"\"job\":\"3f", "\"job\":\"zz", "expected a UUID"},
        {"\"device\":\"sensor-1", "\"device\":\"", "expected a device's id"},
        {"\"started_at\":\"2026", "\"started_at\":\"1826", "'started_at'"},
        {"\"threshold\":", "\"t\":0,\"threshold\":", "unknown"},
        {"\"path\":", "\"path\":-", "'path'"},
        {"\"model\":\"01", "\"model\":\"0g", "'model'"},
        {"}", "} ", "canonical"},
    };
    struct ks_detection detection;
    struct ks_buf text;
    struct ks_buf changed;

    (void)state;
    ks_buf_init(&text, KS_DETECTION_BYTES_MAX);
    ks_buf_init(&changed, KS_DETECTION_BYTES_MAX);
    fill(&detection, true);
    ks_detection_write(&detection, &text);
    ks_buf_put_u8(&text, 0); /* for strstr */
    OK(ks_buf_check(&text));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        replace(&text, cases[i].old, cases[i].fresh, &changed);
        expect_failure(ks_detection_read(ks_buf_view(&changed), &detection), KS_ERR_FORMAT,
                       cases[i].detail);
    }
    ks_buf_done(&text);
    ks_buf_done(&changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_reason), cmocka_unit_test(test_document),
        cmocka_unit_test(test_trace),        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_false),        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
