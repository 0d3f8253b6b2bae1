/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* inside.h: what a client and an operator are made of, for the parts of src/client that stand
 * in a library of their own (fl.c). Borrowed, all of it. */
#ifndef KS_CLIENT_INSIDE_H
#define KS_CLIENT_INSIDE_H

#include "client/operator.h"
#include "client/session.h"
#include "ketseal/client.h"

struct ks_session *ks_client_session(struct ks_client *client);
const struct ks_sign_key *ks_client_key(const struct ks_client *client);
/* The pinned site's, ML-DSA-65. */
const struct ks_verify_key *ks_client_record_key(const struct ks_client *client);
/* Whether CLIENT is of an enrolled device, whose machine can attest. */
bool ks_client_attests(const struct ks_client *client);
/* What a request that was answered with STALE needs before it is asked again. A "no" of the
 * site's is no failure here: it is what the next request is answered with. */
KS_MUST_CHECK enum ks_err ks_client_attest(struct ks_client *client);
/* Submits JOB, canonical bytes, under a one-time key; appends what TARGET answers. */
KS_MUST_CHECK enum ks_err ks_client_send_job(struct ks_client *client, const char *target,
                                             struct ks_bytes job, struct ks_buf *out);

struct ks_session *ks_operator_session(struct ks_operator *op);
const struct ks_sign_key *ks_operator_key(const struct ks_operator *op);
/* The name of the ledger of the site that we are connected to. */
KS_MUST_CHECK enum ks_err ks_operator_origin(struct ks_operator *op,
                                             char target[KS_ORIGIN_MAX + 1]);

#endif
