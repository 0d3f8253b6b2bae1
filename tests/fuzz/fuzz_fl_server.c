/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A server's state: its last 32 bytes are made right, so that what is behind the hash is
 * reached; what is read is written again as the same bytes, and takes a step or refuses to. */
#include <math.h>

#include "fl/rules.h"
#include "right_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct ks_fl_server *read)
{
    const size_t params = ks_fl_server_params(read)->params;
    const bool scaffold = ks_fl_server_control(read) != NULL;
    float *change = ks_calloc(params, sizeof *change);

    KS_ASSERT(change != NULL);
    for (size_t i = 0; i < params; i++) {
        change[i] = (float)i - 3;
    }
    (void)!ks_fl_server_step(read, change, scaffold ? change : NULL, scaffold, NULL);
    for (size_t i = 0; i < params; i++) {
        KS_ASSERT(isfinite(ks_fl_server_model(read)[i]));
    }
    ks_free(change);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_fl_server *read = NULL;
    struct ks_buf bytes;
    struct ks_buf again;

    if (!right_hash(data, size, &bytes)) {
        return 0;
    }
    ks_buf_init(&again, RIGHT_HASH_MAX);
    if (ks_fl_server_read(ks_buf_view(&bytes), &read) == KS_OK) {
        ks_fl_server_write(read, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&bytes)));
        use(read);
        ks_fl_server_free(read);
    }
    ks_buf_done(&bytes);
    ks_buf_done(&again);
    return 0;
}
