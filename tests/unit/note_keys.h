/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* note_keys.h: the keys of the note and checkpoint vectors. Seeds are 32 bytes counting up, as
 * in tools/vectors_ledger. For cmocka tests alone. */
#ifndef KS_TESTS_UNIT_NOTE_KEYS_H
#define KS_TESTS_UNIT_NOTE_KEYS_H

#include "ledger/checkpoint.h"
#include "vector_files.h"

#define TEST_ORIGIN       "example.org/ledger"
#define TEST_SEED_ED25519 0x01
#define TEST_SEED_MLDSA44 0x81
#define TEST_SEED_WITNESS 0xc1

struct note_keys {
    struct ks_note_key *keys[KS_NOTE_KEYS_MAX];
    struct ks_note_trust trust;
};

/* Reads the file "keys" of a folder of vectors, one vkey per line. The trust points into KEYS.
 */
static inline void note_keys_read(const char *folder, struct note_keys *keys)
{
    struct ks_buf text;
    struct ks_reader reader;
    struct ks_bytes line;

    *keys = (struct note_keys){0};
    vector_read(folder, "keys", &text);
    reader = ks_reader_of(ks_buf_view(&text), "keys");
    while (reader.rest.len != 0) {
        assert_true(keys->trust.count < KS_NOTE_KEYS_MAX);
        assert_int_equal(ks_read_line(&reader, &line), KS_OK);
        if (ks_note_key_parse(line, &keys->keys[keys->trust.count]) != KS_OK) {
            fail_msg("%s/keys: %s", folder, ks_err_detail());
        }
        keys->trust.count++;
    }
    keys->trust.keys = (const struct ks_note_key *const *)keys->keys;
    ks_buf_done(&text);
}

static inline void note_keys_done(struct note_keys *keys)
{
    for (size_t i = 0; i < KS_NOTE_KEYS_MAX; i++) {
        ks_note_key_free(keys->keys[i]);
    }
}

static inline struct ks_sign_key *test_key(enum ks_sig_alg alg, uint8_t first)
{
    struct ks_sign_key *key = NULL;
    uint8_t seed[32];

    for (size_t i = 0; i < sizeof(seed); i++) {
        seed[i] = (uint8_t)(first + i);
    }
    assert_int_equal(ks_sign_key_from_seed(alg, KS_BYTES(seed), &key), KS_OK);
    return key;
}

#endif
