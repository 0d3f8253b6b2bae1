/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Files of transactions: what passes is written as the same bytes, and can be encoded. */
#include "chain/tx.h"

#define ENCODED_MAX (2 * KS_TX_DATA_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_tx *tx = ks_calloc(1, sizeof *tx);
    struct ks_buf out;
    uint8_t hash[KS_KECCAK256_LEN];
    uint8_t digest[32];

    if (tx == NULL || ks_tx_parse(ks_bytes_of(data, size), tx) != KS_OK) {
        ks_free(tx);
        return 0;
    }
    ks_buf_init(&out, KS_TX_LEN_MAX);
    ks_tx_write(tx, &out);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&out), ks_bytes_of(data, size)));
    ks_buf_done(&out);
    KS_ASSERT(ks_tx_hash_unsigned(tx, hash) == KS_OK);
    if (ks_tx_digest(tx, digest) == KS_OK) { /* the word after the selector */
        KS_ASSERT(tx->data_len == 4 + sizeof digest &&
                  ks_bytes_equal(KS_BYTES(digest), ks_bytes_of(tx->data + 4, sizeof digest)));
    }
    if (tx->is_signed) {
        ks_buf_init(&out, ENCODED_MAX);
        ks_tx_encode(tx, &out);
        KS_ASSERT(ks_buf_check(&out) == KS_OK);
        ks_buf_done(&out);
    }
    ks_free(tx);
    return 0;
}
