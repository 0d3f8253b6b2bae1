/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An operator's order, under one fixed key: only what that key signed is accepted. */
#include "record/enrol.h"

#include "fixed_key.h"

#define SEED_FIRST 0x02 /* as the operator of tests/unit/enrol_fixture.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_verify_key *key; /* lives as long as the program */
    struct ks_order order = {0};

    if (key == NULL) {
        key = fixed_key(KS_SIG_MLDSA44, SEED_FIRST);
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
