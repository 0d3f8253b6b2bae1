/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* detection.h: what a model says of one row, and why: score, verdict, every feature's two
 * reasons in order of weight, and the model's hash, so that whoever has the row and the model
 * comes to the same document (docs/formats/detection.md). Pure; no thread rule.
 *
 * Which feature is the first reason? A contribution is what the forest made of a feature, but
 * all features of a strange row share in its short path; the distance from the median in
 * spreads tells them apart, but is nothing strange by itself in a feature with long tails. So
 * features whose contribution is at least 1 / KS_DETECTION_CARRIES of the largest carry the
 * verdict, and among these the farthest out comes first; behind them the others. */
#ifndef KS_DETECT_DETECTION_H
#define KS_DETECT_DETECTION_H

#include "base/json.h"
#include "detect/forest.h"
#include "detect/trace.h"

#define KS_DETECTION_BYTES_MAX  65536
#define KS_DETECTION_CARRIES    8
#define KS_DETECTION_NUMBER_MAX 9007199254740991.0 /* what is beyond is written as this */

struct ks_detection_reason {
    char feature[KS_FOREST_NAME_MAX + 1];
    double value; /* NaN: missing */
    double contribution;
    double robust_z;
};

/* Whose row it is, as traces say it. */
struct ks_detection_subject {
    char job[KS_UUID_TEXT_LEN + 1]; /* empty: an attempt that came to no job */
    char device[KS_TRACE_DEVICE_MAX + 1];
    enum ks_trace_side side;
    uint64_t started_us;
};

struct ks_detection {
    bool has_subject;
    struct ks_detection_subject subject;
    double score;
    double baseline;  /* with all contributions it adds up to the score */
    double threshold; /* the score from which a row is an anomaly; NaN: there is none */
    uint32_t path;
    bool is_anomaly;
    uint8_t model[KS_FOREST_HASH_LEN];
    size_t count; /* of reasons: one for each feature */
    struct ks_detection_reason reasons[KS_FOREST_FEATURES_MAX];
};

/* Puts the indices of COUNT reasons, at most KS_FOREST_FEATURES_MAX, in the order of weight. */
void ks_detection_order(const struct ks_forest_reason *reasons, size_t count,
                        size_t *out_order);

/* Judges ROW, which has the features of FOREST in its order; HASH is the forest's own, made
 * once by the caller. The detection has no subject yet. */
void ks_detection_of(const struct ks_forest *forest, const uint8_t hash[KS_FOREST_HASH_LEN],
                     const double *row, struct ks_detection *out_detection);

/* The workload whose rows FOREST judges, whose features are columns of traces: that of a
 * feature which only such rows have, else circuits. KS_ERR_FORMAT for a feature that no trace
 * has, and for features of two workloads. */
KS_MUST_CHECK enum ks_err ks_detector_workload(const struct ks_forest *forest,
                                               enum ks_trace_workload *out_workload);

/* A model that judges traces, whose columns its features are. */
struct ks_detector {
    struct ks_forest *forest;
    enum ks_trace_workload workload; /* of the rows that it judges */
    uint8_t hash[KS_FOREST_HASH_LEN];
    enum ks_trace_field fields[KS_FOREST_FEATURES_MAX]; /* of its features */
};
/* Takes FOREST over, also when it fails: as ks_detector_workload. */
KS_MUST_CHECK enum ks_err ks_detector_take(struct ks_forest *forest,
                                           struct ks_detector *out_detector);
void ks_detector_done(struct ks_detector *detector); /* zeroed is fine */
/* Whether TRACE is of the rows that DETECTOR knows. */
bool ks_detector_knows(const struct ks_detector *detector, const struct ks_trace *trace);
/* The path of TRACE alone, which says whether there is anything to explain. */
uint32_t ks_detector_path(const struct ks_detector *detector, const struct ks_trace *trace);
/* Judges TRACE; the detection's subject is the trace's. */
void ks_detector_judge(const struct ks_detector *detector, const struct ks_trace *trace,
                       struct ks_detection *out_detection);

/* "shots = 90000, +412.0 spreads from the median" for people: at most COUNT reasons, those that
 * carry the verdict, joined by "; ". A feature's name is shown as text of others is. */
void ks_detection_put_reasons(const struct ks_detection *detection, size_t count,
                              struct ks_buf *out);
/* How many reasons carry the verdict; at least 1. */
size_t ks_detection_carriers(const struct ks_detection *detection);

/* {"anomaly":…,"baseline":…,…,"schema":"ketseal.detection/1",…}, canonical. */
void ks_detection_write(const struct ks_detection *detection, struct ks_buf *out);
/* Reads what _write wrote, and refuses all else: KS_ERR_FORMAT, KS_ERR_LIMIT. A verdict that
 * does not follow from its numbers, reasons that do not add up or stand in another order are
 * KS_ERR_FORMAT too. */
KS_MUST_CHECK enum ks_err ks_detection_read(struct ks_bytes text,
                                            struct ks_detection *out_detection);

/* --- pages: anomalies as a site gives them, "ketseal.alert-list/1" -------------------------
 */

#define KS_ALERT_PAGE_ROWS_MAX  64
#define KS_ALERT_PAGE_BYTES_MAX (8 * 1024 * 1024)
/* Begin, alerts, the newest first, with the numbers of their traces, end with the number before
 * which the next page begins, 0 for none. DOCUMENT as ks_detection_write writes it. */
void ks_alert_page_begin(struct ks_json_writer *writer);
void ks_alert_page_put(uint64_t number, struct ks_bytes document,
                       struct ks_json_writer *writer);
void ks_alert_page_end(uint64_t next, struct ks_json_writer *writer);
typedef enum ks_err (*ks_alert_visit)(void *context, uint64_t number,
                                      const struct ks_detection *detection);
/* Calls VISIT for each alert of the page TEXT; *OUT_NEXT as above. KS_ERR_FORMAT, also for one
 * that is no anomaly, or whose number is not below that of the one before. */
KS_MUST_CHECK enum ks_err ks_alert_page_read(struct ks_bytes text, ks_alert_visit visit,
                                             void *context, uint64_t *out_next);

#endif
