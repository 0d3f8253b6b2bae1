/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An operator's order, under one fixed key: only what that key signed is accepted. */
#include "record/enrol.h"

#define SEED_FIRST 0x02 /* as the operator of tests/unit/enrol_fixture.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ks_verify_key *key_make(void)
{
    struct ks_sign_key *key = NULL;
    struct ks_verify_key *public_key = NULL;
    uint8_t seed[32];

    for (size_t i = 0; i < sizeof seed; i++) {
        seed[i] = (uint8_t)(SEED_FIRST + i);
    }
    KS_ASSERT(ks_sign_key_from_seed(KS_SIG_MLDSA44, KS_BYTES(seed), &key) == KS_OK);
    KS_ASSERT(ks_sign_key_verify_key(key, &public_key) == KS_OK);
    ks_sign_key_free(key);
    return public_key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_verify_key *key; /* lives as long as the program */
    struct ks_order order = {0};

    if (key == NULL) {
        key = key_make();
    }
    if (ks_order_read(ks_bytes_of(data, size), key, &order) != KS_OK) {
        KS_ASSERT(order.doc == NULL);
        return 0;
    }
    KS_ASSERT(order.verb < KS_ORDERS && order.reason.len <= KS_REASON_MAX);
    KS_ASSERT(ks_text_is_name(order.device, KS_CERT_SUBJECT_MAX));
    ks_order_done(&order);
    return 0;
}
