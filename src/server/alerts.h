/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* alerts.h: the site's detectors, one of circuits and one of contributions, judge each row when
 * all of it is known. What it says goes into
 * the store with the row; an anomaly besides into the log and, where there was a job, into the
 * ledger, and then to the enclave, which counts them if it was told to. On the server's own
 * thread. */
#ifndef KS_SERVER_ALERTS_H
#define KS_SERVER_ALERTS_H

#include "detect/detection.h"
#include "record/record.h"
#include "server/config.h"
#include "store/store.h"

struct ks_site_server;
struct ks_task;

#define KS_ALERT_REASONS_MAX 3 /* named in the ledger and in the log */

struct ks_alerts {
    bool suspends;                                    /* the enclave counts alerts */
    struct ks_detector detectors[KS_TRACE_WORKLOADS]; /* zeroed: there is none */
    struct ks_detection detection;                    /* of the row judged last */
};

/* Reads the models that CONFIG names; rows of a workload without one are not judged. Logs which
 * they are. KS_ERR_CONFLICT for one that judges another workload than its place says. */
KS_MUST_CHECK enum ks_err ks_alerts_open(const struct ks_config *config,
                                         struct ks_alerts *alerts);
void ks_alerts_done(struct ks_alerts *alerts); /* zeroed is fine */

/* What is to be kept of a row's detection; zeroed: it was not judged. */
struct ks_judged {
    bool judged;
    uint32_t path;
    uint8_t model[KS_FOREST_HASH_LEN];
    uint8_t *document; /* owned; NULL: no anomaly */
    size_t document_len;
};
void ks_judged_done(struct ks_judged *judged);
/* Judges TRACE: true for an anomaly, of which ALERTS holds all, and which is logged. Where
 * there is no memory it is not judged. */
bool ks_alerts_judge(struct ks_alerts *alerts, const struct ks_trace *trace,
                     struct ks_judged *out_judged);
/* Puts JUDGED of the trace NUMBER into STORE's open transaction. */
KS_MUST_CHECK enum ks_err ks_judged_put(const struct ks_judged *judged, uint64_t number,
                                        struct ks_store *store);

/* The entries that the enclave tells of in ANSWER, u16 count, for each lp16 entry, go into the
 * ledger next, as tasks that nobody waits for; those about contributions are alerts besides.
 * What there is no room for is lost, and logged. */
KS_MUST_CHECK enum ks_err ks_site_fl_alerts(struct ks_site_server *server,
                                            struct ks_reader *answer);
/* The entry of TASK has its place in the ledger: marks it, if it is such an alert, in the
 * store's open transaction. */
KS_MUST_CHECK enum ks_err ks_task_suspect_put(struct ks_site_server *server,
                                              const struct ks_task *task);

/* TASK's job is what was judged last, and an anomaly: its entry goes into the ledger next,
 * by the same task, which nobody waits for any more. */
void ks_task_alert(struct ks_site_server *server, struct ks_task *task,
                   const struct ks_judged *judged);
/* That entry is durable: tells the enclave, or frees the task. */
void ks_task_alert_kept(struct ks_site_server *server, struct ks_task *task);

#endif
