/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* api.h: the handlers behind the table of api.c. Each answers REQUEST exactly once, now or
 * through a task. SEGMENT is the variable part of the path. On the server's own thread. */
#ifndef KS_SERVER_API_H
#define KS_SERVER_API_H

#include "server/site.h"

typedef void (*ks_api_handler)(struct ks_site_server *server, struct ks_http_request *request,
                               struct ks_bytes segment);

void ks_api_qjob(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_job_submit(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_job_list(struct ks_site_server *, struct ks_http_request *,
                     struct ks_bytes segment);
void ks_api_job_status(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_job_bundle(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_job_cancel(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_keys(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_announce(struct ks_site_server *, struct ks_http_request *,
                     struct ks_bytes segment);
void ks_api_site(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_attest(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_ledger_checkpoint(struct ks_site_server *, struct ks_http_request *,
                              struct ks_bytes segment);
void ks_api_ledger_entry(struct ks_site_server *, struct ks_http_request *,
                         struct ks_bytes segment);
void ks_api_ledger_inclusion(struct ks_site_server *, struct ks_http_request *,
                             struct ks_bytes segment);
void ks_api_ledger_consistency(struct ks_site_server *, struct ks_http_request *,
                               struct ks_bytes segment);
void ks_api_ledger_file(struct ks_site_server *, struct ks_http_request *,
                        struct ks_bytes segment);
void ks_api_attach(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_enrol(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_enrol_finish(struct ks_site_server *, struct ks_http_request *,
                         struct ks_bytes segment);
void ks_api_device_challenge(struct ks_site_server *, struct ks_http_request *,
                             struct ks_bytes segment);
void ks_api_device_evidence(struct ks_site_server *, struct ks_http_request *,
                            struct ks_bytes segment);
void ks_api_device_rotate(struct ks_site_server *, struct ks_http_request *,
                          struct ks_bytes segment);
void ks_api_device_list(struct ks_site_server *, struct ks_http_request *,
                        struct ks_bytes segment);
void ks_api_device_show(struct ks_site_server *, struct ks_http_request *,
                        struct ks_bytes segment);
void ks_api_order(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_site_request(struct ks_site_server *, struct ks_http_request *,
                         struct ks_bytes segment);
void ks_api_site_activate(struct ks_site_server *, struct ks_http_request *,
                          struct ks_bytes segment);
void ks_api_site_certify(struct ks_site_server *, struct ks_http_request *,
                         struct ks_bytes segment);
void ks_api_alerts(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_fl_alerts(struct ks_site_server *, struct ks_http_request *,
                      struct ks_bytes segment);
void ks_api_traces(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_fl_order(struct ks_site_server *, struct ks_http_request *,
                     struct ks_bytes segment);
void ks_api_fl_join(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_fl_sessions(struct ks_site_server *, struct ks_http_request *,
                        struct ks_bytes segment);
void ks_api_fl_session(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_fl_descriptor(struct ks_site_server *, struct ks_http_request *,
                          struct ks_bytes segment);
void ks_api_fl_round_show(struct ks_site_server *, struct ks_http_request *,
                          struct ks_bytes segment);
void ks_api_fl_rounds(struct ks_site_server *, struct ks_http_request *,
                      struct ks_bytes segment);
void ks_api_fl_models(struct ks_site_server *, struct ks_http_request *,
                      struct ks_bytes segment);
void ks_api_fl_history(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_fl_devices(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_fl_metrics(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_fl_records(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_fl_updates(struct ks_site_server *, struct ks_http_request *,
                       struct ks_bytes segment);
void ks_api_fl_kept(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_fl_update_bundle(struct ks_site_server *, struct ks_http_request *,
                             struct ks_bytes segment);
void ks_api_fl_bundle(struct ks_site_server *, struct ks_http_request *,
                      struct ks_bytes segment);
void ks_api_fl_upload(struct ks_site_server *, struct ks_http_request *,
                      struct ks_bytes segment);
void ks_api_fl_upload_state(struct ks_site_server *, struct ks_http_request *,
                            struct ks_bytes segment);
void ks_api_fl_model(struct ks_site_server *, struct ks_http_request *,
                     struct ks_bytes segment);
void ks_api_fl_model_publish(struct ks_site_server *, struct ks_http_request *,
                             struct ks_bytes segment);
void ks_api_health(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);
void ks_api_ready(struct ks_site_server *, struct ks_http_request *, struct ks_bytes segment);

/* The value of NAME in the query, as sent; {NULL, 0} when it is absent. */
struct ks_bytes ks_api_query(struct ks_http_request *request, const char *name);
/* The same as a number; FALLBACK when it is absent. */
KS_MUST_CHECK enum ks_err ks_api_query_u64(struct ks_http_request *request, const char *name,
                                           uint64_t fallback, uint64_t max,
                                           uint64_t *out_value);
void ks_reply_failure(struct ks_http_request *request, enum ks_err err);
/* 200 and BODY, or the error, the buffer's included. */
void ks_reply_buffer(struct ks_http_request *request, enum ks_err err,
                     const struct ks_buf *body);

#endif
