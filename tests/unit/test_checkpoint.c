/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Checkpoints and proof files against those made with golang.org/x/mod/sumdb and
 * transparency-dev/formats (tests/vectors/checkpoint, tests/vectors/tlog-proof), and what has
 * to be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "ledger/proof.h"
#include "note_keys.h"

static struct note_keys known;

static int read_keys(void **state)
{
    (void)state;
    note_keys_read("checkpoint", &known);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    note_keys_done(&known);
    return 0;
}

static enum ks_err open_note(struct ks_bytes bytes, struct ks_checkpoint_opened *out_opened)
{
    return ks_checkpoint_open(bytes, KS_LITERAL(TEST_ORIGIN), &known.trust, out_opened);
}

static void accept_checkpoint(void *context, const char *name, struct ks_bytes bytes)
{
    struct ks_checkpoint_opened opened;
    struct ks_buf printed;

    (void)context;
    if (open_note(bytes, &opened) != KS_OK) {
        fail_msg("%s: %s", name, ks_err_detail());
    }
    assert_true(opened.time_s > 1700000000);
    ks_buf_init(&printed, KS_CHECKPOINT_BODY_MAX);
    assert_int_equal(ks_checkpoint_print(&opened.checkpoint, &printed), KS_OK);
    assert_true(printed.len < bytes.len);
    assert_memory_equal(printed.data, bytes.data, printed.len);
    ks_buf_done(&printed);
}

static void reject_checkpoint(void *context, const char *name, struct ks_bytes bytes)
{
    struct ks_checkpoint_opened opened;
    const enum ks_err err = open_note(bytes, &opened);

    (void)context;
    if (err != vector_error(name)) {
        fail_msg("%s: %s: %s", name, ks_err_name(err), ks_err_detail());
    }
}

static void test_vectors(void **state)
{
    (void)state;
    vector_each("checkpoint/accept", 5, NULL, accept_checkpoint);
    vector_each("checkpoint/reject", 20, NULL, reject_checkpoint);
}

/* With the witness among the known keys an exact trust wants its line; without it, refuses it.
 */
static void test_witness(void **state)
{
    struct ks_note_trust trust = known.trust;
    struct ks_checkpoint_opened opened;
    struct ks_buf both;
    struct ks_buf witnessed;

    (void)state;
    vector_read("checkpoint/accept", "go-both", &both);
    vector_read("checkpoint/accept", "go-witnessed", &witnessed);
    assert_int_equal(open_note(ks_buf_view(&witnessed), &opened), KS_OK);
    assert_true(opened.verdict.has_signed[2]);
    assert_true(opened.verdict.time_s[2] > 1700000000);
    assert_int_equal(open_note(ks_buf_view(&both), &opened), KS_OK);
    assert_false(opened.verdict.has_signed[2]);
    assert_int_equal(opened.verdict.time_s[0], 0);
    assert_int_equal(opened.verdict.time_s[1], opened.time_s);
    trust.exact = true;
    assert_int_equal(
        ks_checkpoint_open(ks_buf_view(&witnessed), KS_LITERAL(TEST_ORIGIN), &trust, &opened),
        KS_OK);
    assert_int_equal(
        ks_checkpoint_open(ks_buf_view(&both), KS_LITERAL(TEST_ORIGIN), &trust, &opened),
        KS_ERR_VERIFY);
    trust.count = 2;
    assert_int_equal(
        ks_checkpoint_open(ks_buf_view(&witnessed), KS_LITERAL(TEST_ORIGIN), &trust, &opened),
        KS_ERR_VERIFY);
    assert_int_equal(
        ks_checkpoint_open(ks_buf_view(&both), KS_LITERAL(TEST_ORIGIN), &trust, &opened),
        KS_OK);
    /* A trust that knows no key of the ledger is a mistake of the caller, not a bad checkpoint.
     */
    trust.keys = &known.trust.keys[2];
    trust.count = 1;
    trust.exact = false;
    assert_int_equal(
        ks_checkpoint_open(ks_buf_view(&witnessed), KS_LITERAL(TEST_ORIGIN), &trust, &opened),
        KS_ERR_USAGE);
    ks_buf_done(&both);
    ks_buf_done(&witnessed);
}

/* Each byte of an exact checkpoint is bound. */
static void test_every_byte(void **state)
{
    struct ks_note_trust trust = {known.trust.keys, 2, true};
    struct ks_checkpoint_opened opened;
    struct ks_buf both;

    (void)state;
    vector_read("checkpoint/accept", "go-both", &both);
    for (size_t i = 0; i < both.len; i++) {
        const uint8_t kept = both.data[i];
        both.data[i] ^= (uint8_t)(1U << i % 7);
        assert_int_not_equal(
            ks_checkpoint_open(ks_buf_view(&both), KS_LITERAL(TEST_ORIGIN), &trust, &opened),
            KS_OK);
        both.data[i] = kept;
    }
    assert_int_equal(
        ks_checkpoint_open(ks_buf_view(&both), KS_LITERAL(TEST_ORIGIN), &trust, &opened),
        KS_OK);
    ks_buf_done(&both);
}

static void test_sign(void **state)
{
    struct ks_sign_key *ed25519 = test_key(KS_SIG_ED25519, TEST_SEED_ED25519);
    struct ks_sign_key *mldsa = test_key(KS_SIG_MLDSA44, TEST_SEED_MLDSA44);
    struct ks_note_signer signers[] = {
        {KS_LITERAL(TEST_ORIGIN), KS_NOTE_ED25519, ed25519},
        {KS_LITERAL(TEST_ORIGIN), KS_NOTE_COSIGNED_MLDSA44, mldsa},
    };
    struct ks_checkpoint_opened opened;
    struct ks_checkpoint_opened again;
    struct ks_buf go;
    struct ks_buf note;

    (void)state;
    vector_read("checkpoint/accept", "go-both", &go);
    assert_int_equal(open_note(ks_buf_view(&go), &opened), KS_OK);
    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    assert_int_equal(ks_checkpoint_sign(&opened.checkpoint, signers, 2, 1234567890, &note),
                     KS_OK);
    assert_int_equal(open_note(ks_buf_view(&note), &again), KS_OK);
    assert_int_equal(again.time_s, 1234567890);
    assert_int_equal(again.checkpoint.size, 1000);
    assert_memory_equal(again.checkpoint.root, opened.checkpoint.root, KS_MERKLE_LEN);
    /* Body and Ed25519 line are those of Go; the hedged ML-DSA-44 signature is another each
     * time. */
    const size_t same = note.len - 2420 * 4 / 3 - 40;
    assert_memory_equal(note.data, go.data, same);
    const size_t signed_len = note.len;

    signers[1].name = KS_LITERAL("example.org/other");
    assert_int_equal(ks_checkpoint_sign(&opened.checkpoint, signers, 2, 1, &note),
                     KS_ERR_USAGE);
    signers[1].name = signers[0].name;
    assert_int_equal(
        ks_checkpoint_sign(&opened.checkpoint, signers, 2, KS_NOTE_TIME_MAX + 1, &note),
        KS_ERR_FORMAT);
    opened.checkpoint.size = KS_MERKLE_SIZE_MAX + 1;
    assert_int_equal(ks_checkpoint_sign(&opened.checkpoint, signers, 2, 1, &note),
                     KS_ERR_LIMIT);
    opened.checkpoint.size = 0;
    assert_int_equal(ks_checkpoint_sign(&opened.checkpoint, signers, 2, 1, &note),
                     KS_ERR_FORMAT);
    assert_int_equal(note.len, signed_len);
    ks_buf_done(&go);
    ks_buf_done(&note);
    ks_sign_key_free(ed25519);
    ks_sign_key_free(mldsa);
}

static enum ks_err verify_proof(struct ks_bytes bytes, uint64_t *out_index)
{
    enum ks_err err = KS_OK;
    struct ks_tlog_proof proof = {0};
    struct ks_checkpoint_opened opened;
    uint8_t leaf[KS_MERKLE_LEN];
    char entry[32];

    KS_TRY(ks_tlog_proof_parse(bytes, &proof));
    (void)snprintf(entry, sizeof(entry), "entry %llu", (unsigned long long)proof.index);
    ks_merkle_leaf(ks_bytes_text(entry), leaf);
    KS_TRY(ks_tlog_proof_verify(&proof, leaf, KS_LITERAL(TEST_ORIGIN), &known.trust, &opened));
    *out_index = proof.index;
out:
    ks_tlog_proof_done(&proof);
    return err;
}

static void accept_proof(void *context, const char *name, struct ks_bytes bytes)
{
    struct ks_tlog_proof proof;
    struct ks_buf printed;
    uint64_t index = UINT64_MAX;

    (void)context;
    if (verify_proof(bytes, &index) != KS_OK) {
        fail_msg("%s: %s", name, ks_err_detail());
    }
    assert_int_equal(index, strtoull(name, NULL, 10));
    assert_int_equal(ks_tlog_proof_parse(bytes, &proof), KS_OK);
    assert_true(ks_bytes_is(proof.extra, strstr(name, "extra") != NULL ? "Hello" : ""));
    ks_buf_init(&printed, KS_TLOG_PROOF_MAX);
    assert_int_equal(ks_tlog_proof_print(&proof, &printed), KS_OK);
    assert_true(ks_bytes_equal(ks_buf_view(&printed), bytes));
    proof.index = 5000;
    assert_int_equal(ks_tlog_proof_print(&proof, &printed), KS_ERR_FORMAT);
    assert_int_equal(printed.len, bytes.len);
    ks_buf_done(&printed);
    ks_tlog_proof_done(&proof);
}

static void reject_proof(void *context, const char *name, struct ks_bytes bytes)
{
    uint64_t index = 0;
    const enum ks_err err = verify_proof(bytes, &index);

    (void)context;
    if (err != vector_error(name)) {
        fail_msg("%s: %s: %s", name, ks_err_name(err), ks_err_detail());
    }
}

static void test_proofs(void **state)
{
    (void)state;
    vector_each("tlog-proof/accept", 3, NULL, accept_proof);
    vector_each("tlog-proof/reject", 18, NULL, reject_proof);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),    cmocka_unit_test(test_witness),
        cmocka_unit_test(test_every_byte), cmocka_unit_test(test_sign),
        cmocka_unit_test(test_proofs),
    };
    return cmocka_run_group_tests(tests, read_keys, free_keys);
}
