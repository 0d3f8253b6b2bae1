/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A device's answer to an invitation, under one fixed key: only what that key signed is
 * accepted. */
#include "record/fl.h"

#include "fixed_key.h"

#define SEED_FIRST 0x11 /* as in tests/unit/record_fixture.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_verify_key *key; /* lives as long as the program */
    struct ks_fl_join what = {0};

    if (key == NULL) {
        key = fixed_key(KS_SIG_MLDSA65, SEED_FIRST);
    }
    if (ks_fl_join_read(ks_bytes_of(data, size), key, &what) != KS_OK) {
        KS_ASSERT(what.doc == NULL);
        return 0;
    }
    KS_ASSERT(what.samples >= 1 && what.samples <= KS_UPDATE_SAMPLES_MAX);
    KS_ASSERT(ks_text_is_name(what.device, KS_DEVICE_ID_MAX));
    ks_fl_join_done(&what);
    return 0;
}
