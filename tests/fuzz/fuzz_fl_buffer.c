/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The membership of an asynchronous buffer: its last 32 bytes are made right, so that what is
 * behind the hash is reached; what is read is written again as the same bytes, and goes on. */
#include "crypto/digest.h"
#include "fl/buffered.h"

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

    if (size < KS_FL_HASH_LEN || size > 65536) {
        return 0;
    }
    ks_buf_init(&bytes, 65536);
    ks_buf_init(&again, 65536);
    ks_buf_put(&bytes, ks_bytes_of(data, size));
    KS_ASSERT(bytes.err == KS_OK);
    ks_sha256(ks_bytes_of(data, size - KS_FL_HASH_LEN), bytes.data + size - KS_FL_HASH_LEN);
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
