/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fixed_key.h: the public half of a key from a fixed seed, as the fixtures of tests/unit make
 * them: bytes that count up from FIRST. */
#ifndef KS_TESTS_FUZZ_FIXED_KEY_H
#define KS_TESTS_FUZZ_FIXED_KEY_H

#include "crypto/sign.h"

static inline struct ks_verify_key *fixed_key(enum ks_sig_alg alg, uint8_t first)
{
    struct ks_sign_key *key = NULL;
    struct ks_verify_key *public_key = NULL;
    uint8_t seed[32];

    for (size_t i = 0; i < sizeof seed; i++) {
        seed[i] = (uint8_t)(first + i);
    }
    KS_ASSERT(ks_sign_key_from_seed(alg, KS_BYTES(seed), &key) == KS_OK);
    KS_ASSERT(ks_sign_key_verify_key(key, &public_key) == KS_OK);
    ks_sign_key_free(key);
    return public_key;
}

#endif
