/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An operator's order about federated learning, under one fixed key: only what that key signed
 * is accepted. */
#include "record/fl.h"

#include "fixed_key.h"

#define SEED_FIRST 0x13 /* as in tests/unit/record_fixture.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_verify_key *key; /* lives as long as the program */
    struct ks_fl_order what = {0};

    if (key == NULL) {
        key = fixed_key(KS_SIG_MLDSA65, SEED_FIRST);
    }
    if (ks_fl_order_read(ks_bytes_of(data, size), key, &what) != KS_OK) {
        KS_ASSERT(what.doc == NULL);
        return 0;
    }
    KS_ASSERT(what.verb < KS_FL_VERBS);
    KS_ASSERT(what.verb == KS_FL_VERB_CREATE || what.plan.devices.names == NULL);
    ks_fl_order_done(&what);
    return 0;
}
