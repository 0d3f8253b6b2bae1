/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Requests to witnesses: what passes prints as the same bytes. Their answers: whatever they
 * are, nothing is taken from them that the one known key did not sign. */
#include "fixed_key.h"
#include "ledger/cosign.h"

#define NAME "w.example"
#define BODY "o\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_request(struct ks_bytes bytes)
{
    struct ks_cosign_request request;
    struct ks_buf printed;

    if (ks_cosign_request_parse(bytes, &request) != KS_OK) {
        return;
    }
    ks_buf_init(&printed, KS_COSIGN_REQUEST_MAX);
    ks_cosign_request_print(&request, &printed);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&printed), bytes));
    ks_buf_done(&printed);
}

static void read_answer(struct ks_bytes bytes)
{
    struct ks_verify_key *verify_key = fixed_key(KS_SIG_ED25519, 1);
    struct ks_note_key *key = NULL;
    struct ks_note_trust trust = {.count = 1};
    struct ks_buf public_key;
    struct ks_buf lines;
    uint64_t size = 0;

    ks_buf_init(&public_key, 32);
    ks_buf_init(&lines, KS_NOTE_LEN_MAX);
    KS_ASSERT(ks_verify_key_public(verify_key, &public_key) == KS_OK);
    KS_ASSERT(ks_note_key_new(KS_LITERAL(NAME), KS_NOTE_COSIGNED_ED25519,
                              ks_buf_view(&public_key), &key) == KS_OK);
    trust.keys = (const struct ks_note_key *const *)&key;
    if (ks_cosign_take(KS_LITERAL(BODY), bytes, &trust, &lines) == KS_OK) {
        KS_ASSERT(lines.len > 0 && lines.len <= bytes.len);
    } else {
        KS_ASSERT(lines.len == 0);
    }
    if (ks_cosign_size_parse(bytes, &size) == KS_OK) {
        KS_ASSERT(size <= KS_MERKLE_SIZE_MAX);
    }
    ks_note_key_free(key);
    ks_verify_key_free(verify_key);
    ks_buf_done(&public_key);
    ks_buf_done(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_request(ks_bytes_of(data, size));
    read_answer(ks_bytes_of(data, size));
    return 0;
}
