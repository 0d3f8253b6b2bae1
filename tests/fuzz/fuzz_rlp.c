/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* RLP: an item that is read is written as the same bytes, its parts, too. */
#include "chain/rlp.h"

#define WRITTEN_MAX (1U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_item(const struct ks_rlp_item *item, struct ks_buf *out)
{
    if (item->is_list) {
        ks_rlp_put_list(out, item->payload);
    } else {
        ks_rlp_put_string(out, item->payload);
    }
}

static void expect_same(const struct ks_rlp_item *item)
{
    struct ks_buf out;

    ks_buf_init(&out, WRITTEN_MAX);
    put_item(item, &out);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&out), item->whole));
    ks_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_reader reader = ks_reader_of(ks_bytes_of(data, size), "fuzz");
    struct ks_rlp_item item;

    while (reader.rest.len > 0 && ks_rlp_read(&reader, &item) == KS_OK) {
        struct ks_reader inside = ks_reader_of(item.payload, "fuzz");
        struct ks_rlp_item part;

        expect_same(&item);
        while (item.is_list && inside.rest.len > 0 && ks_rlp_read(&inside, &part) == KS_OK) {
            expect_same(&part);
        }
    }
    return 0;
}
