/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* site.h: the public face of a site's enclave: its keys, its platform and what was launched.
 * Devices and auditors pin it (docs/formats/site.md). Fixed size, no heap. Pure. */
#ifndef KS_RECORD_SITE_H
#define KS_RECORD_SITE_H

#include "attest/eventlog.h"
#include "base/json.h"
#include "ledger/checkpoint.h"

#define KS_SITE_BYTES_MAX     (256 * 1024)
#define KS_ED25519_PUBLIC_LEN 32
#define KS_MLDSA44_PUBLIC_LEN 1312
#define KS_MLDSA65_PUBLIC_LEN 1952

struct ks_site {
    char origin[256];
    bool simulated_tpm;
    uint8_t ak[KS_AK_PUBLIC_MAX]; /* TPMT_PUBLIC */
    size_t ak_len;
    uint8_t ed25519[KS_ED25519_PUBLIC_LEN];      /* signs records */
    uint8_t mldsa65[KS_MLDSA65_PUBLIC_LEN];      /* signs records and key answers */
    uint8_t note_ed25519[KS_ED25519_PUBLIC_LEN]; /* signs checkpoints */
    uint8_t note_mldsa44[KS_MLDSA44_PUBLIC_LEN]; /* signs checkpoints */
    struct ks_event_log event_log;               /* what was launched */
};

/* {"ak":…,"backend":"process","ed25519":…,"event_log":{…},"ml-dsa-65":…,"note-ed25519":…,
 *  "note-ml-dsa-44":…,"origin":…,"schema":"ketseal.site/1","tpm":"simulated"} */
void ks_site_write(const struct ks_site *site, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_site_parse(const struct ks_json *value, struct ks_site *out_site);
KS_MUST_CHECK enum ks_err ks_site_read(struct ks_bytes document, struct ks_site *out_site);

/* Opens NOTE as a checkpoint of this site's ledger: both pinned keys must have signed it, and
 * no line of anybody else may be there, since nothing would bind its bytes. Errors as
 * ks_checkpoint_open. The origin borrows from NOTE. */
KS_MUST_CHECK enum ks_err ks_site_checkpoint_open(const struct ks_site *site,
                                                  struct ks_bytes note,
                                                  struct ks_checkpoint_opened *out_opened);

/* The qualifying data of the quote that answers /attest:
 * SHA-256("ketseal/attest/1\n" || nonce (32 bytes) || channel (32 bytes)). */
void ks_attest_binding(const uint8_t nonce[32], const uint8_t channel[32],
                       uint8_t out_extra[32]);

#endif
