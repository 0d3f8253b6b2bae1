/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* alerts.h: what a detector called anomalies: where a device keeps them, and its detector,
 * which judges the traces of its own runs. */
#ifndef KS_CLI_ALERTS_H
#define KS_CLI_ALERTS_H

#include "cli/cli.h"
#include "detect/detection.h"
#include "ketseal/client.h"

#define KS_ALERT_FILE           "alerts.jsonl" /* in a device's directory: a detection a line */
#define KS_ALERT_FILE_OLD       "alerts.jsonl.1"
#define KS_ALERT_FILE_BYTES_MAX ((size_t)16 * 1024 * 1024) /* then it is moved */
#define KS_DETECTOR_FILE        "detector.model"           /* of circuits */
#define KS_FL_DETECTOR_FILE     "fl-detector.model"        /* of contributions */

/* The detector, of one workload, of the device that --device names: the model in its directory,
 * or the one of --detector; where there is neither, nothing is judged. */
struct ks_watch {
    const struct ks_cli *cli;
    struct ks_detector detector;
    bool alerted; /* the row judged last is an anomaly, and DETECTION says why */
    struct ks_detection detection;
};
/* KS_ERR_NOT_FOUND for a file of --detector that is absent; KS_ERR_FORMAT for one that is no
 * model of traces, KS_ERR_CONFLICT for one of another workload. WATCH must stay where it is
 * while it is a sink. */
KS_MUST_CHECK enum ks_err ks_watch_open(const struct ks_cli *cli,
                                        enum ks_trace_workload workload,
                                        struct ks_watch *watch);
void ks_watch_done(struct ks_watch *watch); /* zeroed is fine */
/* Who gets CLIENT's rows from now on: each is appended to the device's traces and judged; an
 * anomaly is kept in its file of alerts and told on standard error. */
KS_MUST_CHECK enum ks_err ks_watch_client(struct ks_watch *watch, struct ks_client *client);

#endif
