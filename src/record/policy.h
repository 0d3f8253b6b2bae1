/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* policy.h: what an auditor trusts and demands (docs/formats/policy.md): the root of device
 * certificates, the pinned site, which TPMs are accepted, which checks must pass. Owns
 * everything. */
#ifndef KS_RECORD_POLICY_H
#define KS_RECORD_POLICY_H

#include "chain/anchor.h"
#include "crypto/cert.h"
#include "crypto/timestamp.h"
#include "ketseal/verify.h"
#include "record/site.h"
#include "record/witnesses.h"

#define KS_POLICY_BYTES_MAX (1024 * 1024)

/* How far the clocks of a site and of a time stamp authority may be apart. */
#define KS_STAMP_SKEW_US      UINT64_C(300000000)
#define KS_STAMP_WITHIN_S_MAX UINT64_C(3155760000) /* a hundred years */

/* Whose time stamps are believed. */
struct ks_policy_stamps {
    struct ks_timestamp_trust *trust; /* NULL: nobody's */
    bool limited;                     /* a stamp has to follow its record WITHIN_S seconds */
    uint64_t within_s;
};

struct ks_policy {
    struct ks_cert *root;
    struct ks_crl *crl; /* NULL when the policy has none */
    struct ks_site site;
    bool accept_simulated_tpm;
    bool accept_hardware_tpm;
    bool require[KS_VERDICT_CHECKS];
    struct ks_witnesses witnesses; /* count 0: none are known */
    bool anchor_pinned;
    struct ks_anchor_pin anchor;
    struct ks_policy_stamps stamps;
};

/* What a new policy says; all of it is borrowed. */
struct ks_policy_spec {
    const struct ks_cert *root;
    struct ks_bytes crl_pem; /* may be empty */
    const struct ks_site *site;
    bool accept_simulated_tpm;
    const struct ks_witnesses *witnesses;  /* NULL, or of count 0: none */
    const struct ks_anchor_pin *anchor;    /* NULL: none */
    const struct ks_policy_stamps *stamps; /* NULL: no time stamp is believed */
};
/* Demands every check that can run offline with what SPEC gives: that of the site's certificate
 * where it has one, those of witnesses, anchors and time stamps where SPEC says whom to
 * believe. */
void ks_policy_write(const struct ks_policy_spec *spec, struct ks_buf *out);

#endif
