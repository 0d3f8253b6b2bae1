/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Block headers and accounts: the state root of a header is a part of it. */
#include "chain/header.h"

#include "base/buf.h"

/* Of a list with a length of two bytes: after its prefix, two hashes and an address. */
#define STATE_ROOT_AT (3 + 33 + 33 + 21 + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_header header;
    struct ks_account account;

    if (ks_header_parse(ks_bytes_of(data, size), &header) == KS_OK) {
        KS_ASSERT(data[0] == 0xf9 &&
                  ks_bytes_equal(KS_BYTES(header.state_root),
                                 ks_bytes_of(data + STATE_ROOT_AT, KS_KECCAK256_LEN)));
    }
    if (ks_account_parse(ks_bytes_of(data, size), &account) ==
        KS_OK) { /* the hashes are last */
        KS_ASSERT(
            ks_bytes_equal(KS_BYTES(account.code_hash),
                           ks_bytes_of(data + size - KS_KECCAK256_LEN, KS_KECCAK256_LEN)));
    }
    return 0;
}
