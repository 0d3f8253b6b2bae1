/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl.h: federated learning as devices and operators take part in it: models and updates that
 * travel in parts, orders, joining, contributing. Hides sealing and channels. A client, an
 * operator belong to one thread. docs/formats/fl-session.md */
#ifndef KS_CLIENT_FL_H
#define KS_CLIENT_FL_H

#include "client/operator.h"
#include "ketseal/client.h"
#include "record/fl.h"

/* --- operators ---------------------------------------------------------------------------- */

/* Has the site keep MODEL, the bytes of its file, as a global model. */
KS_MUST_CHECK enum ks_err ks_operator_fl_publish(struct ks_operator *op, struct ks_bytes model,
                                                 uint8_t out_hash[32]);
/* Has the site do VERB with SESSION; PLAN is of CREATE alone, else NULL. Appends the session as
 * it is then. */
KS_MUST_CHECK enum ks_err ks_operator_fl_order(struct ks_operator *op, enum ks_fl_verb verb,
                                               const uint8_t session[KS_SESSION_LEN],
                                               const struct ks_fl_plan *plan,
                                               struct ks_buf *out);
/* Has the enclave compute ROUND again from the updates that were kept; appends what it says of
 * it (record/fl_audit.h), which is the caller's to check. Takes as long as the round's sum did.
 */
KS_MUST_CHECK enum ks_err ks_operator_fl_audit(struct ks_operator *op,
                                               const uint8_t session[KS_SESSION_LEN],
                                               uint64_t round, struct ks_buf *out);
/* Appends the file of the global model HASH: its bytes have that hash. */
KS_MUST_CHECK enum ks_err ks_operator_fl_model(struct ks_operator *op, const uint8_t hash[32],
                                               struct ks_buf *out);

/* --- devices ------------------------------------------------------------------------------ */

KS_MUST_CHECK enum ks_err ks_client_fl_model(struct ks_client *client, const uint8_t hash[32],
                                             struct ks_buf *out);
/* The descriptor of SESSION's newest round, as the pinned site has signed it; the caller ends
 * it by ks_fl_descriptor_done. KS_ERR_NOT_FOUND while there is none. */
KS_MUST_CHECK enum ks_err ks_client_fl_descriptor(struct ks_client *client,
                                                  const uint8_t session[KS_SESSION_LEN],
                                                  struct ks_fl_descriptor *out_descriptor);
/* Whether the client's device is among those invited. */
bool ks_client_fl_invited(const struct ks_client *client,
                          const struct ks_fl_descriptor *descriptor);
/* That the device takes part with SAMPLES, or, LEAVES, does not. Appends the session. */
KS_MUST_CHECK enum ks_err ks_client_fl_join(struct ks_client *client,
                                            const struct ks_fl_descriptor *descriptor,
                                            uint64_t samples, bool leaves, struct ks_buf *out);

struct ks_client_update {
    const float *values; /* what is to be added to the parent: PARAMS numbers */
    uint64_t samples;
    double loss;
    uint64_t steps;
    uint64_t seed;     /* of stochastic rounding */
    uint64_t local_us; /* that training took, for the trace */
    /* topk: PARAMS numbers that were left out so far; they become what is left out after this
     * update, once it is encoded. Who never sends it keeps the ones before. NULL: none are. */
    float *residual;
};
/* Seals UPDATE to the round's key, sends it, and submits the job that contributes it; appends
 * the bundle, which is there once the update counts. */
KS_MUST_CHECK enum ks_err ks_client_fl_contribute(struct ks_client *client,
                                                  const struct ks_fl_descriptor *descriptor,
                                                  const struct ks_client_update *update,
                                                  struct ks_buf *out_bundle);

#endif
