/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* yardstick.h: classical certificates, to measure post-quantum ones against: a root, a server
 * and a client below it, all with fresh keys that live as long as the object. Nothing of a
 * site's, a device's or an operator's is ever made by this, and no part of ketseal that seals
 * or verifies takes such a certificate. Hides libcrypto. One thread at a time. */
#ifndef KS_CRYPTO_YARDSTICK_H
#define KS_CRYPTO_YARDSTICK_H

#include "base/buf.h"

#define KS_YARDSTICK_PEM_MAX 8192 /* bytes of each part */
#define KS_YARDSTICK_LIFE_S  86400

enum ks_yardstick_alg {
    KS_YARDSTICK_P256,    /* ECDSA with SHA-256, all three */
    KS_YARDSTICK_ED25519, /* all three */
};

/* PEM. */
struct ks_yardstick {
    struct ks_buf root;
    struct ks_buf server; /* for the address 127.0.0.1 and the name localhost */
    struct ks_buf server_key;
    struct ks_buf client;
    struct ks_buf client_key;
};

/* Valid from an hour before TIME_S on. Free with ks_yardstick_done, after a failure too. */
KS_MUST_CHECK enum ks_err ks_yardstick_make(enum ks_yardstick_alg alg, uint64_t time_s,
                                            struct ks_yardstick *out_yardstick);
void ks_yardstick_done(struct ks_yardstick *yardstick); /* wipes; zeroed is fine */

#endif
