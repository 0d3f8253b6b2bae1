/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An announcement of quantum keys under one fixed key, its answer, and names of keys: what
 * passes is written again as the same bytes. */
#include "fixed_key.h"
#include "qkd/announce.h"
#include "qkd/keyid.h"

#define SEED_FIRST 0x11 /* as the device of tests/unit/record_fixture.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_verify_key *key; /* lives as long as the program */
    const struct ks_bytes bytes = ks_bytes_of(data, size);
    struct ks_announce announce;
    struct ks_announced announced;
    struct ks_key_name name;
    struct ks_buf again;
    char text[KS_KEY_NAME_MAX];

    if (key == NULL) {
        key = fixed_key(KS_SIG_MLDSA65, SEED_FIRST);
    }
    ks_buf_init(&again, KS_ANNOUNCE_BYTES_MAX);
    if (ks_announce_read(bytes, key, &announce) == KS_OK) {
        KS_ASSERT(announce.keys.count >= 1 && announce.keys.count <= KS_ETSI014_KEYS_MAX);
    }
    if (ks_announced_read(bytes, &announced) == KS_OK) {
        ks_announced_write(&announced, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), bytes));
    }
    if (ks_key_name_parse(bytes, &name) == KS_OK) {
        ks_key_name_text(&name, text);
        KS_ASSERT(ks_bytes_is(bytes, text));
    }
    ks_buf_done(&again);
    return 0;
}
