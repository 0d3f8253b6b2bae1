/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* exhibit.h: what a device shows of its machine, as a file that is judged elsewhere and later,
 * and what a site has in its registry about the device that it is of: docs/formats/evidence.md.
 * The site's enclave judges what travels by the same function. Pure. */
#ifndef KS_RECORD_EXHIBIT_H
#define KS_RECORD_EXHIBIT_H

#include "attest/appraise.h"
#include "record/enrol.h"

#define KS_EXHIBIT_BYTES_MAX    KS_FINISH_BYTES_MAX
#define KS_REGISTERED_BYTES_MAX 16384

/* Evidence on its own: the platform, and what its quote is bound to. */
struct ks_exhibit {
    struct ks_buf ak; /* TPMT_PUBLIC: claimed; who appraises knows whose it has to be */
    uint8_t channel[KS_CHANNEL_LEN]; /* zeros: it was shown to nobody */
    uint8_t nonce[KS_NONCE_LEN];
    struct ks_platform platform;
};
void ks_exhibit_init(struct ks_exhibit *exhibit);
void ks_exhibit_done(struct ks_exhibit *exhibit); /* zeroed is fine */
/* Appends the canonical document. */
void ks_exhibit_write(const struct ks_exhibit *exhibit, struct ks_buf *out);
/* The whole DOCUMENT; writing what was read gives the same bytes. OUT_EXHIBIT is initialised
 * here. */
KS_MUST_CHECK enum ks_err ks_exhibit_read(struct ks_bytes document,
                                          struct ks_exhibit *out_exhibit);
/* What its quote has to carry, had it been made for NONCE. */
void ks_exhibit_extra(const struct ks_exhibit *exhibit, const uint8_t nonce[KS_NONCE_LEN],
                      uint8_t out_extra[32]);

/* PLATFORM as that of the TPM whose attestation key is AK (TPMT_PUBLIC) and whose kind is TPM
 * (KS_TPM_SET_…), both established elsewhere. Results as of ks_appraise; KS_ERR_FORMAT when AK
 * is no such key. */
KS_MUST_CHECK enum ks_err ks_platform_appraise(const struct ks_platform *platform,
                                               struct ks_bytes ak, unsigned tpm,
                                               const struct ks_appraise_spec *spec,
                                               struct ks_appraisal *out_appraisal);

/* What a site says about a device, "ketseal.device/1", as far as an appraisal needs it. */
struct ks_registered {
    char device[KS_CERT_SUBJECT_MAX + 1];
    uint8_t ak[32];             /* SHA-256 of the TPMT_PUBLIC */
    uint8_t ek_certificate[32]; /* SHA-256 of the DER */
    unsigned tpm;               /* KS_TPM_SET_… */
};
/* The whole TEXT, JSON. */
KS_MUST_CHECK enum ks_err ks_registered_read(struct ks_bytes text,
                                             struct ks_registered *out_registered);

#endif
