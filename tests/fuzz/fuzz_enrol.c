/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The first message of an enrolment. Only what the key of the grant inside signed is accepted;
 * reading goes through all of it before the signature is looked at. */
#include "record/enrol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_enrol enrol = {0};

    if (ks_enrol_read(ks_bytes_of(data, size), &enrol) != KS_OK) {
        KS_ASSERT(enrol.doc == NULL);
        return 0;
    }
    KS_ASSERT(enrol.ek_chain_count <= KS_ENROL_CHAIN_MAX);
    KS_ASSERT(ks_bytes_equal(enrol.device, enrol.grant.device));
    ks_enrol_done(&enrol);
    return 0;
}
