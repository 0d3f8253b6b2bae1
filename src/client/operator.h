/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* operator.h: what an operator does: tokens (offline), orders about devices, looking at them,
 * and the certification of a site. One operator object belongs to one thread. */
#ifndef KS_CLIENT_OPERATOR_H
#define KS_CLIENT_OPERATOR_H

#include "record/attachment.h"
#include "record/certify.h"
#include "tpm/tpm.h"

struct ks_operator;

struct ks_operator_spec {
    const char *directory; /* operator.pem, operator.key, root.pem */
    const char *url;       /* of the site; NULL: nothing but tokens is wanted */
    const char *groups;    /* TLS; NULL: the default */
};
KS_MUST_CHECK enum ks_err ks_operator_open(const struct ks_operator_spec *spec,
                                           struct ks_operator **out_operator);
void ks_operator_close(struct ks_operator *op); /* NULL is fine */

/* A token for DEVICE at the site of SITE_DOCUMENT, good for LIFE_S from now; appends the file's
 * text, which the caller wipes. URL is that of the enrolment listener, SERVICE the site's. */
struct ks_operator_token {
    const char *device;
    struct ks_bytes site_document; /* canonical */
    const char *url;
    const char *service;
    uint64_t life_s;
};
KS_MUST_CHECK enum ks_err ks_operator_token(struct ks_operator *op,
                                            const struct ks_operator_token *wanted,
                                            struct ks_buf *out);

/* GET TARGET ("/v1/devices"): appends the answer. */
KS_MUST_CHECK enum ks_err ks_operator_get(struct ks_operator *op, const char *target,
                                          struct ks_buf *out);
/* Has the site do VERB with DEVICE; appends the device as it is then. */
KS_MUST_CHECK enum ks_err ks_operator_order(struct ks_operator *op, enum ks_order_verb verb,
                                            const char *device, const char *reason,
                                            struct ks_buf *out);

/* Has the site keep ATTACHMENT (what was anchored or time-stamped of a checkpoint of its own)
 * and serve it with its bundles from now on: POST /v1/ledger/attachments. Appends the site's
 * answer, "ketseal.attached/1". KS_ERR_VERIFY when it is not about a checkpoint of that site;
 * KS_ERR_CONFLICT when the site has another anchor or time stamp for it. */
KS_MUST_CHECK enum ks_err ks_operator_attach(struct ks_operator *op,
                                             const struct ks_attachment *attachment,
                                             struct ks_buf *out);

/* Who certifies a site, and what it must show. */
struct ks_operator_certify {
    const struct ks_cert *root; /* borrowed, as is all of this */
    const struct ks_sign_key *root_key;
    enum ks_tpm_ek_kind kind;
    struct ks_bytes ek_roots_pem;           /* of TPM makers; may be empty */
    struct ks_bytes simulated_ek_roots_pem; /* of simulators; may be empty */
    struct ks_bytes chain_pem; /* from the EK's certificate towards a root; may be empty */
    uint64_t life_s;           /* of both certificates, within the root's */
};
/* Challenges the site's TPM, checks what it shows, issues the issuer's certificate and the one
 * over its document, and has the site take them. Appends the certified document. KS_ERR_VERIFY
 * says what is false, with nothing issued. *OUT_ISSUER (for the CA's books) is the caller's. */
KS_MUST_CHECK enum ks_err ks_operator_certify(struct ks_operator *op,
                                              const struct ks_operator_certify *how,
                                              struct ks_buf *out_document,
                                              struct ks_cert **out_issuer);

#endif
