/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fault/forked_log.h"

#define SEED_ED25519 0x21
#define SEED_MLDSA44 0x61
#define TIME_S       1700000000

static struct ks_sign_key *make_key(enum ks_sig_alg alg, uint8_t first)
{
    struct ks_sign_key *key = NULL;
    uint8_t seed[32];

    for (size_t i = 0; i < sizeof seed; i++) {
        seed[i] = (uint8_t)(first + i);
    }
    KS_ASSERT(ks_sign_key_from_seed(alg, KS_BYTES(seed), &key) == KS_OK);
    return key;
}

static void signers_of(const struct forked_log *log, struct ks_note_signer signers[2])
{
    signers[0] =
        (struct ks_note_signer){KS_LITERAL(FORKED_ORIGIN), KS_NOTE_ED25519, log->ed25519};
    signers[1] = (struct ks_note_signer){KS_LITERAL(FORKED_ORIGIN), KS_NOTE_COSIGNED_MLDSA44,
                                         log->mldsa44};
}

void forked_log_init(struct forked_log *log)
{
    struct ks_note_signer signers[2];
    struct ks_buf vkey;

    *log = (struct forked_log){.ed25519 = make_key(KS_SIG_ED25519, SEED_ED25519),
                               .mldsa44 = make_key(KS_SIG_MLDSA44, SEED_MLDSA44)};
    signers_of(log, signers);
    ks_buf_init(&vkey, KS_NOTE_VKEY_MAX);
    for (size_t i = 0; i < 2; i++) {
        ks_buf_clear(&vkey);
        KS_ASSERT(ks_note_signer_vkey(&signers[i], &vkey) == KS_OK);
        KS_ASSERT(ks_note_key_parse(ks_buf_view(&vkey), &log->keys[i]) == KS_OK);
    }
    ks_buf_done(&vkey);
}

void forked_log_done(struct forked_log *log)
{
    ks_sign_key_free(log->ed25519);
    ks_sign_key_free(log->mldsa44);
    ks_note_key_free(log->keys[0]);
    ks_note_key_free(log->keys[1]);
}

static void leaf_of(unsigned branch, size_t index, uint8_t out_leaf[KS_MERKLE_LEN])
{
    struct ks_buf entry;

    ks_buf_init(&entry, 64);
    ks_buf_put_format(&entry, "entry %zu of branch %u", index,
                      index < FORKED_COMMON ? 0 : branch);
    KS_ASSERT(ks_buf_check(&entry) == KS_OK);
    ks_merkle_leaf(ks_buf_view(&entry), out_leaf);
    ks_buf_done(&entry);
}

static void range_root(unsigned branch, size_t first, size_t count,
                       uint8_t out_root[KS_MERKLE_LEN])
{
    static uint8_t leaves[FORKED_SIZE_MAX][KS_MERKLE_LEN];

    KS_ASSERT(count <= FORKED_SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        leaf_of(branch, first + i, leaves[i]);
    }
    KS_ASSERT(ks_merkle_root_of(leaves[0], count, out_root) == KS_OK);
}

void forked_root(unsigned branch, size_t size, uint8_t out_root[KS_MERKLE_LEN])
{
    range_root(branch, 0, size, out_root);
}

static enum ks_err read_subtree(void *context, unsigned level, uint64_t index,
                                uint8_t out_hash[KS_MERKLE_LEN])
{
    const unsigned *branch = context;

    range_root(*branch, (size_t)index << level, (size_t)1 << level, out_hash);
    return KS_OK;
}

void forked_note(const struct forked_log *log, unsigned branch, size_t size, struct ks_buf *out)
{
    struct ks_checkpoint checkpoint = {.origin = KS_LITERAL(FORKED_ORIGIN), .size = size};
    struct ks_note_signer signers[2];

    signers_of(log, signers);
    forked_root(branch, size, checkpoint.root);
    KS_ASSERT(ks_checkpoint_sign(&checkpoint, signers, 2, TIME_S, out) == KS_OK);
}

void forked_request(const struct forked_log *log, unsigned branch, size_t old_size, size_t size,
                    struct ks_buf *out)
{
    const struct ks_merkle_source source = {.context = &branch, .read = read_subtree};
    struct ks_cosign_request request = {.old_size = old_size};
    struct ks_merkle_proof proof = {0};
    struct ks_buf note;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    forked_note(log, branch, size, &note);
    if (old_size > 0 && old_size <= size) {
        KS_ASSERT(ks_merkle_prove_consistency(&source, old_size, size, &proof) == KS_OK);
    }
    request.proof_count = proof.count;
    ks_copy(request.proof, proof.hashes, proof.count * KS_MERKLE_LEN);
    request.note = ks_buf_view(&note);
    ks_cosign_request_print(&request, out);
    KS_ASSERT(ks_buf_check(out) == KS_OK);
    ks_buf_done(&note);
}
