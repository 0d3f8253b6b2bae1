/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* enrol.h: how a device becomes known to a site, shows that it is as it was, and changes its
 * key; the device's side of record/enrol.h. One thread. */
#ifndef KS_CLIENT_ENROL_H
#define KS_CLIENT_ENROL_H

#include "client/machine.h"
#include "ketseal/client.h"

struct ks_enrol_spec {
    const char *directory;     /* of the device, with its platform.json */
    struct ks_bytes token;     /* the operator's file */
    enum ks_tpm_ek_kind kind;  /* of the endorsement key that is shown */
    struct ks_bytes chain_pem; /* from the EK's certificate towards a root; may be empty */
    const char *groups;        /* TLS; NULL: the default */
    struct ks_bytes authority; /* of planned updates: a P-256 key, DER; empty: none */
};
/* Enrols and writes into the directory: identity.sealed, device.pem, issuer.pem, root.pem,
 * site.json, url. KS_ERR_CONFLICT when it holds an identity already, unless AGAIN. *OUT_CERT is
 * the caller's. */
KS_MUST_CHECK enum ks_err ks_device_enrol(const struct ks_enrol_spec *spec, bool again,
                                          struct ks_cert **out_cert);

/* Shows the machine of DIRECTORY to the site of CLIENT; appends its verdict, EAT claims as JSON
 * (docs/formats/eat.md), and to OUT_EVIDENCE (NULL: not) what was shown
 * (docs/formats/evidence.md). KS_OK for either verdict. */
KS_MUST_CHECK enum ks_err ks_device_reattest(struct ks_client *client, const char *directory,
                                             struct ks_buf *out_verdict,
                                             struct ks_buf *out_evidence);
/* Evidence of the machine of DIRECTORY for NONCE, over all PCRs, for who appraises it without
 * being connected. */
KS_MUST_CHECK enum ks_err ks_device_evidence(const char *directory,
                                             const uint8_t nonce[KS_NONCE_LEN],
                                             struct ks_buf *out_evidence);

/* A new key and certificate for the device of DIRECTORY, over CLIENT, which goes on with the
 * old ones: close it. Where an earlier rotation got no answer and the site has made it, that
 * one is finished, with its key. */
KS_MUST_CHECK enum ks_err ks_device_rotate(struct ks_client *client, const char *directory,
                                           struct ks_cert **out_cert);

#endif
