/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What an enclave says of an audit, under one fixed key: only what that key signed is accepted.
 */
#include "record/fl_audit.h"

#include "fixed_key.h"

#define SEED_FIRST 0x22 /* as in tests/unit/record_fixture.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_verify_key *key; /* lives as long as the program */
    struct ks_fl_audit what = {.doc = NULL};

    if (key == NULL) {
        key = fixed_key(KS_SIG_MLDSA65, SEED_FIRST);
    }
    if (ks_fl_audit_read(ks_bytes_of(data, size), key, &what) != KS_OK) {
        KS_ASSERT(what.doc == NULL);
        return 0;
    }
    KS_ASSERT(what.reason.len <= KS_FL_AUDIT_REASON_MAX);
    KS_ASSERT((what.same_model == KS_PASS) ==
              ks_bytes_equal(KS_BYTES(what.model), KS_BYTES(what.replayed)));
    ks_fl_audit_done(&what);
    return 0;
}
