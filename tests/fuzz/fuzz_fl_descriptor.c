/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A round's descriptor, under one fixed key: only what that key signed is accepted. */
#include "record/fl.h"

#include "fixed_key.h"

#define SEED_FIRST 0x22 /* as in tests/unit/record_fixture.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_verify_key *key; /* lives as long as the program */
    struct ks_fl_descriptor what = {0};

    if (key == NULL) {
        key = fixed_key(KS_SIG_MLDSA65, SEED_FIRST);
    }
    if (ks_fl_descriptor_read(ks_bytes_of(data, size), key, &what) != KS_OK) {
        KS_ASSERT(what.doc == NULL);
        return 0;
    }
    KS_ASSERT(what.selected.count >= 1 && what.selected.count <= KS_FL_DEVICES_MAX);
    KS_ASSERT(what.params >= 1 && what.params <= KS_FL_NUMBERS_MAX);
    ks_fl_descriptor_done(&what);
    return 0;
}
