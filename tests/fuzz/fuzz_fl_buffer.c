/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The membership of an asynchronous buffer: its last 32 bytes are made right, so that what is
 * behind the hash is reached; what is read is written again as the same bytes, and goes on. */
#include "fl/buffered.h"
#include "right_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct ks_fl_buffer *read)
{
    const uint8_t client[KS_FL_HASH_LEN] = {0xfe, 0xed};
    struct ks_fl_member member = {0};
    bool again = false;

    if (ks_fl_buffer_accept(read, client, client, ks_fl_buffer_version(read), &member,
                            &again) == KS_OK) {
        KS_ASSERT(member.weight >= 1);
    }
    KS_ASSERT((ks_fl_buffer_flush(read) == KS_OK) == (ks_fl_buffer_count(read) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_fl_buffer *read = NULL;
    struct ks_buf bytes;
    struct ks_buf again;

    if (!right_hash(data, size, &bytes)) {
        return 0;
    }
    ks_buf_init(&again, RIGHT_HASH_MAX);
    if (ks_fl_buffer_read(ks_buf_view(&bytes), &read) == KS_OK) {
        ks_fl_buffer_write(read, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&bytes)));
        use(read);
        ks_fl_buffer_free(read);
    }
    ks_buf_done(&bytes);
    ks_buf_done(&again);
    return 0;
}
