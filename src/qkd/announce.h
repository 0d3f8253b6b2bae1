/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* announce.h: what a device says of the quantum keys that it holds, so that the site can fetch
 * its copies before a request needs one: their names, never the keys. Canonical JSON under the
 * device's own signature (docs/formats/quantum-keys.md). Pure. Any thread. */
#ifndef KS_QKD_ANNOUNCE_H
#define KS_QKD_ANNOUNCE_H

#include "crypto/sign.h"
#include "qkd/etsi014.h"

#define KS_CONTEXT_ANNOUNCE     "ketseal/announce/1"
#define KS_ANNOUNCE_BYTES_MAX   32768 /* as much as the enclave takes of a signed document */
#define KS_ANNOUNCE_DEVICE_MAX  100   /* characters of a device's id */
#define KS_ANNOUNCE_CHANNEL_LEN 32
#define KS_ANNOUNCE_NONCE_LEN   32

struct ks_announce {
    uint8_t channel[KS_ANNOUNCE_CHANNEL_LEN]; /* TLS exporter of the connection */
    char device[KS_ANNOUNCE_DEVICE_MAX + 1];
    struct ks_etsi014_ids keys;
    uint8_t nonce[KS_ANNOUNCE_NONCE_LEN];
    struct ks_etsi014_sae sae; /* what the device is called by the managers */
};

/* Writes it, signed by KEY. */
KS_MUST_CHECK enum ks_err ks_announce_write(const struct ks_announce *announce,
                                            const struct ks_sign_key *key, struct ks_buf *out);
/* KS_ERR_VERIFY when it is not KEY's; KS_ERR_FORMAT, KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_announce_read(struct ks_bytes document,
                                           const struct ks_verify_key *key,
                                           struct ks_announce *out_announce);

/* The site's answer: it holds its copies. Not signed: who forges it makes requests fail, and
 * whoever carries the answer can do that anyway. */
struct ks_announced {
    uint32_t count;
    uint64_t expires_s; /* seconds since 1970: after that it holds them no longer */
};
void ks_announced_write(const struct ks_announced *announced, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_announced_read(struct ks_bytes document,
                                            struct ks_announced *out_announced);

#endif
