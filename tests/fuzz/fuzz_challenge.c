/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The site's challenge: what passes is written again as the same bytes. */
#include "record/enrol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_challenge challenge;
    struct ks_buf again;

    ks_challenge_init(&challenge);
    if (ks_challenge_read(ks_bytes_of(data, size), &challenge) == KS_OK) {
        ks_buf_init(&again, KS_ENROL_BYTES_MAX);
        ks_challenge_write(&challenge, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
        ks_buf_done(&again);
    }
    ks_challenge_done(&challenge);
    return 0;
}
