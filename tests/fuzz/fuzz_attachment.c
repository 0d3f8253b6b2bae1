/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Attachments: what passes writes as a document that reads as the same. */
#include "record/attachment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_attachment_read read;
    struct ks_attachment_read again;
    struct ks_buf written;

    if (ks_attachment_parse(ks_bytes_of(data, size), &read) != KS_OK) {
        return 0;
    }
    ks_buf_init(&written, 2 * KS_ATTACHMENT_BYTES_MAX);
    ks_attachment_write(&read.parts, &written);
    KS_ASSERT(ks_attachment_parse(ks_buf_view(&written), &again) == KS_OK);
    KS_ASSERT(ks_bytes_equal(again.parts.checkpoint, read.parts.checkpoint) &&
              ks_bytes_equal(again.parts.anchor, read.parts.anchor) &&
              ks_bytes_equal(again.parts.timestamp, read.parts.timestamp) &&
              ks_bytes_equal(KS_BYTES(again.digest), KS_BYTES(read.digest)));
    ks_attachment_done(&again);
    ks_attachment_done(&read);
    ks_buf_done(&written);
    return 0;
}
