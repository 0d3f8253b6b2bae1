/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* policy.h: what an auditor trusts and demands (docs/formats/policy.md): the root of device
 * certificates, the pinned site, which TPMs are accepted, which checks must pass. Owns
 * everything. */
#ifndef KS_RECORD_POLICY_H
#define KS_RECORD_POLICY_H

#include "crypto/cert.h"
#include "ketseal/verify.h"
#include "record/site.h"
#include "record/witnesses.h"

#define KS_POLICY_BYTES_MAX (1024 * 1024)

struct ks_policy {
    struct ks_cert *root;
    struct ks_crl *crl; /* NULL when the policy has none */
    struct ks_site site;
    bool accept_simulated_tpm;
    bool accept_hardware_tpm;
    bool require[KS_VERDICT_CHECKS];
    struct ks_witnesses witnesses; /* count 0: none are known */
};

/* What a new policy says; all of it is borrowed. */
struct ks_policy_spec {
    const struct ks_cert *root;
    struct ks_bytes crl_pem; /* may be empty */
    const struct ks_site *site;
    bool accept_simulated_tpm;
    const struct ks_witnesses *witnesses; /* NULL, or of count 0: none */
};
/* Demands every check that can run offline, that of the site's certificate where it has one,
 * and the witnesses' where there are any. */
void ks_policy_write(const struct ks_policy_spec *spec, struct ks_buf *out);

#endif
