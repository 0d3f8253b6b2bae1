/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/detection.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define SCHEMA "ketseal.detection/1"

/* Contributions are rounded once each: 128 of them miss their sum by far less. */
#define SUM_MISS 1e-9

/* Even where every split of a model takes back what the one before has given: 8 levels of
 * 65535 / KS_FOREST_UNIT each, times ln 2, stay beneath. */
#define CONTRIBUTION_MAX 256

/* --- order of reasons --------------------------------------------------------------------- */

/* A reason with what it is ranked by. */
struct ranked {
    size_t feature;
    bool carries;
    double distance;
    double contribution;
};

/* LARGEST: the largest contribution, or 0 where none is above. */
static struct ranked rank_of(size_t feature, double contribution, double robust_z,
                             double largest)
{
    return (struct ranked){
        .feature = feature,
        .carries = largest == 0 || contribution >= largest / (double)KS_DETECTION_CARRIES,
        .distance = fabs(robust_z),
        .contribution = contribution,
    };
}

/* Below 0: A comes first. Equal only where nothing tells them apart but their places. */
static int compare_ranks(const struct ranked *a, const struct ranked *b)
{
    if (a->carries != b->carries) {
        return a->carries ? -1 : 1;
    }
    if (a->distance != b->distance) {
        return a->distance > b->distance ? -1 : 1;
    }
    if (a->contribution != b->contribution) {
        return a->contribution > b->contribution ? -1 : 1;
    }
    return 0;
}

static int by_rank(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;
    const int order = compare_ranks(a, b);

    return order != 0 ? order : (a->feature > b->feature) - (a->feature < b->feature);
}

void ks_detection_order(const struct ks_forest_reason *reasons, size_t count, size_t *out_order)
{
    struct ranked ranked[KS_FOREST_FEATURES_MAX];
    double largest = 0;

    for (size_t i = 0; i < count; i++) {
        largest = reasons[i].contribution > largest ? reasons[i].contribution : largest;
    }
    for (size_t i = 0; i < count; i++) {
        ranked[i] = rank_of(i, reasons[i].contribution, reasons[i].robust_z, largest);
    }
    qsort(ranked, count, sizeof ranked[0], by_rank);
    for (size_t i = 0; i < count; i++) {
        out_order[i] = ranked[i].feature;
    }
}

/* The same of the reason INDEX of a detection. */
static struct ranked rank_at(const struct ks_detection *detection, size_t index)
{
    double largest = 0;

    for (size_t i = 0; i < detection->count; i++) {
        const double contribution = detection->reasons[i].contribution;

        largest = contribution > largest ? contribution : largest;
    }
    return rank_of(index, detection->reasons[index].contribution,
                   detection->reasons[index].robust_z, largest);
}

size_t ks_detection_carriers(const struct ks_detection *detection)
{
    size_t count = 0;

    while (count < detection->count && rank_at(detection, count).carries) {
        count++;
    }
    return count > 0 ? count : 1;
}

/* --- judging ------------------------------------------------------------------------------ */

static double saturated(double value)
{
    value = value > KS_DETECTION_NUMBER_MAX ? KS_DETECTION_NUMBER_MAX : value;
    return value < -KS_DETECTION_NUMBER_MAX ? -KS_DETECTION_NUMBER_MAX : value;
}

void ks_detection_of(const struct ks_forest *forest, const uint8_t hash[KS_FOREST_HASH_LEN],
                     const double *row, struct ks_detection *out_detection)
{
    const size_t count = ks_forest_features(forest);
    const struct ks_rows rows = {row, 1, count, count};
    const uint32_t threshold = ks_forest_threshold(forest);
    struct ks_forest_reason reasons[KS_FOREST_FEATURES_MAX];
    size_t order[KS_FOREST_FEATURES_MAX];

    *out_detection = (struct ks_detection){.count = count};
    ks_forest_paths(forest, &rows, NULL, &out_detection->path);
    ks_forest_explain(forest, row, reasons, &out_detection->baseline);
    out_detection->score = ks_forest_score(forest, out_detection->path);
    out_detection->threshold =
        threshold == 0 ? (double)NAN : ks_forest_score(forest, threshold);
    out_detection->is_anomaly = ks_forest_is_anomaly(forest, out_detection->path);
    ks_copy(out_detection->model, hash, KS_FOREST_HASH_LEN);
    for (size_t i = 0; i < count; i++) {
        reasons[i].robust_z = saturated(reasons[i].robust_z);
    }
    ks_detection_order(reasons, count, order);
    for (size_t i = 0; i < count; i++) {
        const char *name = ks_forest_feature(forest, order[i]);
        struct ks_detection_reason *reason = &out_detection->reasons[i];

        ks_copy(reason->feature, name, strlen(name) + 1);
        reason->value = saturated(row[order[i]]);
        reason->contribution = reasons[order[i]].contribution;
        reason->robust_z = reasons[order[i]].robust_z;
    }
}

static enum ks_err find_field(const struct ks_forest *forest, size_t feature,
                              enum ks_trace_field *out_field)
{
    const enum ks_err err =
        ks_trace_find(ks_bytes_text(ks_forest_feature(forest, feature)), out_field);

    return err == KS_ERR_NOT_FOUND ? ks_fail_prefix(KS_ERR_FORMAT, "model") : err;
}

enum ks_err ks_detector_workload(const struct ks_forest *forest,
                                 enum ks_trace_workload *out_workload)
{
    enum ks_err err = KS_OK;
    bool own[KS_TRACE_WORKLOADS] = {false};

    for (size_t i = 0; i < ks_forest_features(forest); i++) {
        enum ks_trace_field field = KS_TRACE_COLUMNS;

        KS_TRY(find_field(forest, i, &field));
        for (unsigned j = 0; j < KS_TRACE_WORKLOADS; j++) {
            own[j] = own[j] || ks_trace_is_own(field, (enum ks_trace_workload)j);
        }
    }
    KS_CHECK(!own[KS_TRACE_CIRCUIT] || !own[KS_TRACE_UPDATE], KS_ERR_FORMAT,
             "model: some of its columns are of circuits, some of contributions");
    *out_workload = own[KS_TRACE_UPDATE] ? KS_TRACE_UPDATE : KS_TRACE_CIRCUIT;
out:
    return err;
}

enum ks_err ks_detector_take(struct ks_forest *forest, struct ks_detector *out_detector)
{
    enum ks_err err = KS_OK;
    struct ks_detector detector = {.forest = forest};

    for (size_t i = 0; i < ks_forest_features(forest); i++) {
        KS_TRY(find_field(forest, i, &detector.fields[i]));
    }
    KS_TRY(ks_detector_workload(forest, &detector.workload));
    KS_TRY(ks_forest_hash(forest, detector.hash));
    *out_detector = detector;
    detector.forest = NULL; /* transferred */
out:
    ks_detector_done(&detector);
    return err;
}

void ks_detector_done(struct ks_detector *detector)
{
    ks_forest_free(detector->forest);
    *detector = (struct ks_detector){0};
}

bool ks_detector_knows(const struct ks_detector *detector, const struct ks_trace *trace)
{
    return detector->forest != NULL && ks_trace_workload_of(trace) == detector->workload;
}

static void take_row(const struct ks_detector *detector, const struct ks_trace *trace,
                     double *out_row)
{
    for (size_t i = 0; i < ks_forest_features(detector->forest); i++) {
        out_row[i] = trace->values[detector->fields[i]];
    }
}

uint32_t ks_detector_path(const struct ks_detector *detector, const struct ks_trace *trace)
{
    const size_t features = ks_forest_features(detector->forest);
    double row[KS_FOREST_FEATURES_MAX];
    const struct ks_rows rows = {row, 1, features, features};
    uint32_t path = 0;

    take_row(detector, trace, row);
    ks_forest_paths(detector->forest, &rows, NULL, &path);
    return path;
}

void ks_detector_judge(const struct ks_detector *detector, const struct ks_trace *trace,
                       struct ks_detection *out_detection)
{
    double row[KS_FOREST_FEATURES_MAX];
    struct ks_detection_subject *subject = &out_detection->subject;

    take_row(detector, trace, row);
    ks_detection_of(detector->forest, detector->hash, row, out_detection);
    out_detection->has_subject = true;
    ks_copy(subject->job, trace->job, sizeof subject->job);
    ks_copy(subject->device, trace->device, sizeof subject->device);
    subject->side = trace->side;
    subject->started_us = trace->started_us;
}

void ks_detection_put_reasons(const struct ks_detection *detection, size_t count,
                              struct ks_buf *out)
{
    const size_t carriers = ks_detection_carriers(detection);

    for (size_t i = 0; i < count && i < carriers; i++) {
        const struct ks_detection_reason *reason = &detection->reasons[i];
        char shown[KS_FOREST_NAME_MAX + 1];

        ks_text_shown(ks_bytes_text(reason->feature), shown, sizeof shown);
        ks_buf_put_format(out, "%s%s", i == 0 ? "" : "; ", shown);
        if (isnan(reason->value)) {
            ks_buf_put_text(out, " is missing");
        } else {
            ks_buf_put_format(out, " = %.6g, %+.1f spreads from the median", reason->value,
                              reason->robust_z);
        }
    }
}

/* --- writing ------------------------------------------------------------------------------ */

static void put_double(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    if (isnan(value)) {
        ks_json_put_null(writer);
    } else {
        ks_json_put_double(writer, value);
    }
}

static void put_reason(struct ks_json_writer *writer, const struct ks_detection_reason *reason)
{
    ks_json_put_object(writer);
    put_double(writer, "contribution", reason->contribution);
    ks_json_member_text(writer, "feature", reason->feature);
    put_double(writer, "robust_z", reason->robust_z);
    put_double(writer, "value", reason->value);
    ks_json_put_end(writer);
}

void ks_detection_write(const struct ks_detection *detection, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    const struct ks_detection_subject *subject = &detection->subject;
    char time[KS_TIME_TEXT_LEN + 1];

    ks_json_put_object(&writer);
    ks_json_member_bool(&writer, "anomaly", detection->is_anomaly);
    put_double(&writer, "baseline", detection->baseline);
    if (detection->has_subject) {
        ks_json_member_text(&writer, "device", subject->device);
        ks_json_member_text(&writer, "job", subject->job);
    }
    ks_json_member_hex(&writer, "model", KS_BYTES(detection->model));
    ks_json_member_u64(&writer, "path", detection->path);
    ks_json_put_key(&writer, "reasons");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < detection->count; i++) {
        put_reason(&writer, &detection->reasons[i]);
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", SCHEMA);
    put_double(&writer, "score", detection->score);
    if (detection->has_subject) {
        ks_json_member_text(&writer, "side", ks_trace_side_name(subject->side));
        ks_time_text(subject->started_us, time);
        ks_json_member_text(&writer, "started_at", time);
    }
    put_double(&writer, "threshold", detection->threshold);
    ks_json_put_end(&writer);
}

/* --- reading ------------------------------------------------------------------------------ */

/* Member NAME: a number; or null, which is NaN, where MISSING says that it may be. */
static enum ks_err get_double(const struct ks_json *object, const char *name, bool missing,
                              double *out_value)
{
    const struct ks_json *value = ks_json_find(object, name);

    if (missing && value != NULL && ks_json_type(value) == KS_JSON_NULL) {
        *out_value = (double)NAN;
        return KS_OK;
    }
    if (value == NULL || ks_json_type(value) != KS_JSON_NUMBER) {
        return ks_fail(KS_ERR_FORMAT, "'%s': expected a number", name);
    }
    return ks_json_double(value, out_value);
}

static enum ks_err get_text(const struct ks_json *object, const char *name, char *target,
                            size_t size)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(object, name, &text));
    KS_CHECK(text.len < size, KS_ERR_LIMIT, "'%s': over %zu bytes", name, size - 1);
    ks_copy(target, text.data, text.len);
    target[text.len] = '\0';
out:
    return err;
}

static enum ks_err read_reason(const struct ks_json *value, struct ks_detection_reason *reason)
{
    static const char *const names[] = {"contribution", "feature", "robust_z", "value", NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_json_only(value, names));
    KS_TRY(get_double(value, "contribution", false, &reason->contribution));
    KS_TRY(get_text(value, "feature", reason->feature, sizeof reason->feature));
    KS_TRY(get_double(value, "robust_z", false, &reason->robust_z));
    KS_TRY(get_double(value, "value", true, &reason->value));
    KS_CHECK(reason->feature[0] != '\0', KS_ERR_FORMAT, "a feature without a name");
    KS_CHECK(fabs(reason->contribution) <= CONTRIBUTION_MAX, KS_ERR_FORMAT,
             "'contribution': further than a score can go");
out:
    return err;
}

static enum ks_err read_reasons(const struct ks_json *root, struct ks_detection *detection)
{
    enum ks_err err = KS_OK;
    const struct ks_json *reasons = NULL;

    KS_TRY(ks_json_get(root, "reasons", KS_JSON_ARRAY, &reasons));
    detection->count = ks_json_count(reasons);
    KS_CHECK(detection->count >= 1 && detection->count <= KS_FOREST_FEATURES_MAX, KS_ERR_LIMIT,
             "'reasons': 1 to %d", KS_FOREST_FEATURES_MAX);
    for (size_t i = 0; i < detection->count; i++) {
        KS_TRY(ks_fail_prefix(read_reason(ks_json_at(reasons, i), &detection->reasons[i]),
                              "'reasons'"));
        for (size_t k = 0; k < i; k++) {
            KS_CHECK(strcmp(detection->reasons[k].feature, detection->reasons[i].feature) != 0,
                     KS_ERR_FORMAT, "'reasons': '%s' twice", detection->reasons[i].feature);
        }
    }
out:
    return err;
}

static enum ks_err read_subject(const struct ks_json *root, struct ks_detection *detection)
{
    enum ks_err err = KS_OK;
    struct ks_detection_subject *subject = &detection->subject;
    struct ks_bytes text = {0};
    char side[8];

    if (ks_json_find(root, "device") == NULL && ks_json_find(root, "job") == NULL &&
        ks_json_find(root, "side") == NULL && ks_json_find(root, "started_at") == NULL) {
        return KS_OK;
    }
    KS_TRY(get_text(root, "device", subject->device, sizeof subject->device));
    KS_TRY(get_text(root, "job", subject->job, sizeof subject->job));
    KS_TRY(get_text(root, "side", side, sizeof side));
    KS_TRY(ks_json_get_string(root, "started_at", &text));
    KS_TRY(ks_fail_prefix(ks_time_parse(text, &subject->started_us), "'started_at'"));
    subject->side = strcmp(side, "site") == 0 ? KS_TRACE_SIDE_SITE : KS_TRACE_SIDE_DEVICE;
    KS_CHECK(strcmp(side, ks_trace_side_name(subject->side)) == 0, KS_ERR_FORMAT,
             "'side': 'device' or 'site'");
    KS_CHECK(ks_text_is_name(ks_bytes_text(subject->device), KS_TRACE_DEVICE_MAX),
             KS_ERR_FORMAT, "'device': expected a device's id");
    KS_CHECK(subject->job[0] == '\0' || ks_text_is_uuid(ks_bytes_text(subject->job)),
             KS_ERR_FORMAT, "'job': expected a UUID");
    detection->has_subject = true;
out:
    return err;
}

/* What follows from the rest does. */
static enum ks_err check_detection(const struct ks_detection *detection)
{
    enum ks_err err = KS_OK;
    double sum = detection->baseline;

    KS_CHECK(detection->score >= 0 && detection->score <= 1 && detection->baseline >= 0 &&
                 detection->baseline <= 1 &&
                 (isnan(detection->threshold) ||
                  (detection->threshold >= 0 && detection->threshold <= 1)),
             KS_ERR_FORMAT, "a score is from 0 to 1");
    KS_CHECK(detection->is_anomaly == (detection->score >= detection->threshold), KS_ERR_FORMAT,
             "'anomaly' does not follow from score and threshold");
    for (size_t i = 0; i < detection->count; i++) {
        const struct ranked next = rank_at(detection, i);

        sum += detection->reasons[i].contribution;
        if (i > 0) {
            const struct ranked last = rank_at(detection, i - 1);

            KS_CHECK(compare_ranks(&last, &next) <= 0, KS_ERR_FORMAT,
                     "'reasons' are not in the order of their weight");
        }
    }
    KS_CHECK(fabs(sum - detection->score) <= SUM_MISS, KS_ERR_FORMAT,
             "baseline and contributions do not add up to the score");
out:
    return err;
}

enum ks_err ks_detection_read(struct ks_bytes text, struct ks_detection *out_detection)
{
    static const struct ks_json_limits limits = {.len_max = KS_DETECTION_BYTES_MAX,
                                                 .nodes_max = 16 + 5 * KS_FOREST_FEATURES_MAX};
    static const char *const names[] = {"anomaly",    "baseline",  "device", "job",   "model",
                                        "path",       "reasons",   "schema", "score", "side",
                                        "started_at", "threshold", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *root = NULL;
    struct ks_bytes schema = {0};
    struct ks_detection *detection = ks_calloc(1, sizeof *detection);
    uint64_t path = 0;

    KS_CHECK(detection != NULL, KS_ERR_NOMEM, "detection");
    KS_TRY(ks_json_parse_canonical(text, &limits, &doc));
    root = ks_json_root(doc);
    KS_TRY(ks_json_get_string(root, "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, SCHEMA), KS_ERR_FORMAT, "not a " SCHEMA);
    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_bool(root, "anomaly", &detection->is_anomaly));
    KS_TRY(get_double(root, "baseline", false, &detection->baseline));
    KS_TRY(get_double(root, "score", false, &detection->score));
    KS_TRY(get_double(root, "threshold", true, &detection->threshold));
    KS_TRY(ks_json_get_u64(root, "path", UINT32_MAX, &path));
    KS_TRY(ks_json_get_hex(root, "model", detection->model, sizeof detection->model));
    KS_TRY(read_reasons(root, detection));
    KS_TRY(read_subject(root, detection));
    KS_TRY(check_detection(detection));
    detection->path = (uint32_t)path; /* at most UINT32_MAX, checked */
    *out_detection = *detection;
out:
    ks_json_doc_free(doc);
    ks_free(detection);
    return err == KS_OK ? KS_OK : ks_fail_prefix(err, "detection");
}
