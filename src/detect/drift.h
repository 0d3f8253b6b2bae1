/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* drift.h: a detector that follows its rows. It keeps the last ones in a window, grows a new
 * model from them after so many rows, or when their scores have drifted, and hands over to it
 * between two rows: each row is judged exactly once, by exactly one model, whose hash is in
 * its detection. What comes out depends on the first model, the parameters and the rows alone,
 * not on when anything was computed.
 *
 * A test for drift compares two samples of paths, all by the same model: the first BATCH rows
 * that it has judged, and the BATCH judged last, each row in one batch. Drift is a
 * Kolmogorov-Smirnov distance that samples of one distribution exceed with a probability of at
 * most SIGNIFICANCE, sqrt(-ln(SIGNIFICANCE / 2) / BATCH). The new model is then grown from the
 * batch that has shown it, not from what was before.
 *
 * Whoever sends rows teaches the model: one that follows slow changes follows slow attacks.
 * Pure. One thread at a time, but for ks_drift_train. */
#ifndef KS_DETECT_DRIFT_H
#define KS_DETECT_DRIFT_H

#include "detect/detection.h"

#define KS_DRIFT_ROWS_MIN  64 /* that a model is grown from; in a batch */
#define KS_DRIFT_ROWS_MAX  16384
#define KS_DRIFT_BYTES_MAX (64 * 1024 * 1024) /* of a state */

struct ks_drift_params {
    struct ks_forest_params forest; /* the seed is the first one's: later models' follow */
    double contamination;           /* 0 to 0.5 */
    size_t window;                  /* rows kept: KS_DRIFT_ROWS_MIN to _MAX */
    size_t every;                   /* rows from one training to the next; 0: on drift alone */
    size_t batch;                   /* rows of a sample, at most WINDOW; 0: no test for drift */
    double significance;            /* above 0, below 1 */
    size_t delay; /* rows that the old model still judges when a new one is due; at most
                     KS_DRIFT_ROWS_MAX */
};

struct ks_drift;

/* Takes MODEL over, the first one, also when it fails. KS_ERR_USAGE for parameters out of
 * range. */
KS_MUST_CHECK enum ks_err ks_drift_new(const struct ks_drift_params *params,
                                       struct ks_forest *model, struct ks_drift **out_drift);
void ks_drift_free(struct ks_drift *drift); /* NULL is fine */

const struct ks_drift_params *ks_drift_params(const struct ks_drift *drift);
/* The model that judges the next row unless one takes over before it. Borrowed until then. */
const struct ks_forest *ks_drift_model(const struct ks_drift *drift);
uint64_t ks_drift_rows(const struct ks_drift *drift); /* judged so far */

/* What happened with one row. */
struct ks_drift_step {
    bool handed_over; /* before the row: it is the first of a new model */
    bool untrainable; /* a model was due and could not be grown, since nothing varied in its
                         rows: the old one stays */
    bool tested;      /* behind the row: the batch that it ends was compared */
    bool drifted;     /* and is of another distribution */
    double distance;  /* of the test */
    bool due;         /* behind the row: a new model is being grown */
    struct ks_detection detection;
};
/* Judges ROW, which has the model's features in its order. An error leaves all as it was, and
 * the row may be given again: KS_ERR_NOMEM. */
KS_MUST_CHECK enum ks_err ks_drift_row(struct ks_drift *drift, const double *row,
                                       struct ks_drift_step *out_step);

/* Grows the model that is due, if there is one that was not grown yet, which ks_drift_row does
 * by itself when the delay is over. Another thread may run it while rows are judged, if it has
 * come back before DELAY of them were. */
KS_MUST_CHECK enum ks_err ks_drift_train(struct ks_drift *drift);

/* --- the state: docs/formats/drift.md ----------------------------------------------------- */

/* All that the next rows' detections depend on. Grows what is due first. */
KS_MUST_CHECK enum ks_err ks_drift_write(struct ks_drift *drift, struct ks_buf *out);
/* Writing what was read gives the same bytes. KS_ERR_FORMAT, KS_ERR_LIMIT; KS_ERR_VERIFY when
 * the hash is not that of the bytes. */
KS_MUST_CHECK enum ks_err ks_drift_read(struct ks_bytes bytes, struct ks_drift **out_drift);

#endif
