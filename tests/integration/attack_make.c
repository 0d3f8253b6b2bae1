/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* attack_make CIRCUIT_HASH FOLDER: attacks on records by whoever has the keys for them, a site
 * above all: a bundle and a policy each, FOLDER/NAME.bundle and FOLDER/NAME.policy, for
 * attack_table.sh. The record that is attacked is that of tests/unit/record_fixture.h; its
 * circuit is the one whose hash is given. Attacks that no bundle can carry are performed here,
 * and a line says what came of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach_fixture.h"
#include "base/sys.h"
#include "base/text.h"

#define OK(call) KS_ASSERT((call) == KS_OK)
#define DELAY_S  40
#define YEAR_S   (365 * UINT64_C(86400))

static struct fixture_keys keys;
static struct stamp_authority authority;
static struct ks_policy_stamps stamps = {.limited = true, .within_s = 3600};
static struct ks_anchor_pin pin;
static uint8_t circuit_hash[32];
static const struct anchor_place pinned = {.chain_id = 31337,
                                           .contract = {0xc0, 1},
                                           .submitter = {0x5b, 2},
                                           .code_hash = {0xcc, 3},
                                           .number = 12,
                                           .time_s = FIXTURE_NOW_S + DELAY_S};

/* Every attack starts from a record that replays. */
static void start(struct fixture *f, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        ks_copy(f->core.circuit_hash, circuit_hash, sizeof circuit_hash);
    }
}

#define ATTACK(name, at, ...)                                                                  \
    static void name(struct fixture *f, enum fixture_step step)                                \
    {                                                                                          \
        start(f, step);                                                                        \
        if (step == (at)) {                                                                    \
            __VA_ARGS__;                                                                       \
        }                                                                                      \
    }

/* --- records ------------------------------------------------------------------------------ */

ATTACK(fresh_key, FIXTURE_BEGIN,
       (fixture_set(&f->result, KS_LITERAL("{\"00\":1000}")),
        f->record_ed25519 = keys.other_ed25519, f->record_mldsa65 = keys.other_mldsa65))
ATTACK(invented, FIXTURE_BEGIN, fixture_set(&f->result, KS_LITERAL("{\"00\":1000}")))
ATTACK(old_quote, FIXTURE_QUOTE, f->quote.extra[0] ^= 1)
ATTACK(relayed_quote, FIXTURE_QUOTE, f->quote.key = keys.other_ak)
ATTACK(relayed_request, FIXTURE_CORE, f->core.channel[0] ^= 1)
ATTACK(rebooted, FIXTURE_QUOTE, f->quote.resets++)
ATTACK(patched, FIXTURE_QUOTE, f->start.pcr_digest[0] ^= 1)
ATTACK(other_worker, FIXTURE_BEGIN, (f->log.events[1].digest[0] ^= 1, f->core.build[0] ^= 1))
ATTACK(ground_seed, FIXTURE_BEGIN, f->core.seed++)
ATTACK(picked_run, FIXTURE_LEDGER,
       fixture_set(&f->entries[f->intent_at], KS_LITERAL("{\"kind\":\"none\"}")))
ATTACK(intent_afterwards, FIXTURE_CORE, (f->intent_at = 5, f->core.intent_index = 5))
ATTACK(other_counter, FIXTURE_CORE, f->core.counter++)

/* --- the ledger --------------------------------------------------------------------------- */

ATTACK(rewritten, FIXTURE_BEGIN,
       (f->note_ed25519 = keys.other_ed25519, f->note_mldsa44 = keys.other_mldsa44))
ATTACK(other_log, FIXTURE_CORE, f->core.origin = KS_LITERAL("lab.example/other"))
ATTACK(index_outside, FIXTURE_INCLUSION, f->inclusion.index = 6)
ATTACK(longer_path, FIXTURE_INCLUSION, f->inclusion.path.count++)
ATTACK(shorter_path, FIXTURE_INCLUSION, f->inclusion.path.count--)
ATTACK(not_logged, FIXTURE_LEDGER,
       fixture_set(&f->entries[f->record_at], KS_LITERAL("{\"kind\":\"none\"}")))

/* A good checkpoint of another log, by the same keys. */
static void other_checkpoint(struct fixture *f, enum fixture_step step)
{
    const struct ks_note_signer signers[] = {
        {KS_LITERAL("lab.example/other"), KS_NOTE_ED25519, keys.note_ed25519},
        {KS_LITERAL("lab.example/other"), KS_NOTE_COSIGNED_MLDSA44, keys.note_mldsa44},
    };

    start(f, step);
    if (step == FIXTURE_CHECKPOINT) {
        f->checkpoint.origin = signers[0].name;
        ks_buf_clear(&f->note);
        OK(ks_checkpoint_sign(&f->checkpoint, signers, 2, FIXTURE_NOW_S + 1, &f->note));
    }
}

/* --- two ledgers ---------------------------------------------------------------------------
 */

static struct ks_sign_key *witness_key;
static struct ks_witnesses witnesses = {.quorum = 1};

static void know_witness(void)
{
    struct ks_note_signer signer = {KS_LITERAL("witness.example"), KS_NOTE_COSIGNED_ED25519,
                                    NULL};
    struct ks_buf vkey;

    ks_buf_init(&vkey, KS_NOTE_VKEY_MAX);
    witness_key = fixture_sign_key(KS_SIG_ED25519, 0xa7);
    signer.key = witness_key;
    OK(ks_note_signer_vkey(&signer, &vkey));
    OK(ks_witnesses_add(&witnesses, ks_buf_view(&vkey)));
    ks_buf_done(&vkey);
}

/* The witness saw a tree; CHANGED: another one than this reader is shown. */
static void cosign(struct fixture *f, enum fixture_step step, bool changed)
{
    const struct ks_note_signer signer = {KS_LITERAL("witness.example"),
                                          KS_NOTE_COSIGNED_ED25519, witness_key};
    struct ks_checkpoint seen = f->checkpoint;
    struct ks_buf body;

    start(f, step);
    if (step == FIXTURE_BEGIN) {
        f->policy_witnesses = &witnesses;
    }
    if (step == FIXTURE_CHECKPOINT) {
        ks_buf_init(&body, KS_NOTE_LEN_MAX);
        seen.root[0] ^= changed ? 1 : 0;
        OK(ks_checkpoint_print(&seen, &body));
        OK(ks_note_sign_line(ks_buf_view(&body), &signer, FIXTURE_NOW_S + 2, &f->note));
        ks_buf_done(&body);
    }
}

static void witnessed(struct fixture *f, enum fixture_step step)
{
    cosign(f, step, false);
}

static void other_view(struct fixture *f, enum fixture_step step)
{
    cosign(f, step, true);
}

/* Nobody has cosigned it. */
ATTACK(hidden_view, FIXTURE_BEGIN, f->policy_witnesses = &witnesses)

/* --- anchors and time stamps -------------------------------------------------------------- */

static void attach(struct fixture *f, enum fixture_step step, const struct anchor_place *place,
                   uint64_t stamped_s)
{
    uint8_t digest[32];

    start(f, step);
    if (step == FIXTURE_INCLUSION) {
        f->inclusion.checkpoint = ks_buf_view(&f->note);
        OK(ks_inclusion_digest(&f->inclusion, digest));
        anchor_make(place, digest, &f->anchor);
        stamp_make(&authority, digest, stamped_s, &f->timestamp);
        ks_anchor_pin_done(&pin);
        pin = anchor_pin(&pinned, ks_buf_view(&f->anchor));
        f->policy_anchor = &pin;
        f->policy_stamps = &stamps;
    }
}

#define PLACED(name, change)                                                                   \
    static void name(struct fixture *f, enum fixture_step step)                                \
    {                                                                                          \
        struct anchor_place place = pinned;                                                    \
                                                                                               \
        change;                                                                                \
        attach(f, step, &place, FIXTURE_NOW_S + DELAY_S);                                      \
    }
PLACED(anchored, (void)0)
PLACED(wrong_chain, place.chain_id = 1)
PLACED(wrong_contract, place.contract[0] ^= 1)
PLACED(wrong_code, place.code_hash[0] ^= 1)
PLACED(front_run, place.submitter[0] ^= 1)

/* The block in the bundle is not the one that stayed. */
static void reorganised(struct fixture *f, enum fixture_step step)
{
    attach(f, step, &pinned, FIXTURE_NOW_S + DELAY_S);
    if (step == FIXTURE_INCLUSION) {
        pin.blocks[0].hash[0] ^= 1;
    }
}

/* Made today, it says that it was made a year ago. */
static void backdated(struct fixture *f, enum fixture_step step)
{
    attach(f, step, &pinned, FIXTURE_NOW_S + YEAR_S / 2);
}

/* It says that it was made after the stamp over it. */
static void postdated(struct fixture *f, enum fixture_step step)
{
    attach(f, step, &pinned, FIXTURE_NOW_S - 3600);
}

/* It names a head that its own intent is already in. */
ATTACK(later_head, FIXTURE_CORE, f->core.checkpoint_size = 3)

/* --- what no bundle can carry ------------------------------------------------------------- */

static void report(const char *name, enum ks_err err)
{
    (void)printf("%s: %s\n", name, err == KS_OK ? "accepted" : ks_err_detail());
}

/* Two leaves' node, shown as the entry of a tree of one. */
static void node_as_leaf(void)
{
    uint8_t leaves[2][32] = {{1}, {2}};
    uint8_t root[32];
    uint8_t leaf[32];

    OK(ks_merkle_root_of(leaves[0], 2, root));
    ks_merkle_leaf(KS_BYTES(leaves), leaf);
    report("node-as-leaf", ks_merkle_check_inclusion(0, 1, leaf, NULL, 0, root));
}

/* A reader remembers five entries; the tree of six that it is shown now has others. */
static void rollback(void)
{
    uint8_t leaves[6][32] = {{1}, {2}, {3}, {4}, {5}, {6}};
    uint8_t old_root[32];
    uint8_t root[32];
    struct ks_merkle_proof proof = {0};

    OK(ks_merkle_root_of(leaves[0], 5, old_root));
    leaves[1][0] ^= 1;
    OK(ks_merkle_root_of(leaves[0], 6, root));
    report("rollback-shrinks",
           ks_merkle_check_consistency(6, root, 5, old_root, proof.hashes[0], 0));
    /* the best that the liar can show: the honest sizes' path over its own tree */
    ks_merkle_leaf(KS_BYTES(leaves[5]), proof.hashes[0]);
    for (proof.count = 0; proof.count < 5; proof.count++) {
        if (ks_merkle_check_consistency(5, old_root, 6, root, proof.hashes[0], proof.count) ==
            KS_OK) {
            (void)printf("rollback-rewrites: accepted\n");
            return;
        }
    }
    report("rollback-rewrites",
           ks_merkle_check_consistency(5, old_root, 6, root, proof.hashes[0], 4));
}

/* --- all of them -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    fixture_change change;
} attacks[] = {
    {"honest", start},
    {"fresh-key", fresh_key},
    {"invented", invented},
    {"old-quote", old_quote},
    {"relayed-quote", relayed_quote},
    {"relayed-request", relayed_request},
    {"rebooted", rebooted},
    {"patched", patched},
    {"other-worker", other_worker},
    {"ground-seed", ground_seed},
    {"picked-run", picked_run},
    {"intent-afterwards", intent_afterwards},
    {"other-counter", other_counter},
    {"rewritten", rewritten},
    {"other-log", other_log},
    {"other-checkpoint", other_checkpoint},
    {"index-outside", index_outside},
    {"longer-path", longer_path},
    {"shorter-path", shorter_path},
    {"not-logged", not_logged},
    {"later-head", later_head},
    {"witnessed", witnessed},
    {"other-view", other_view},
    {"hidden-view", hidden_view},
    {"anchored", anchored},
    {"wrong-chain", wrong_chain},
    {"wrong-contract", wrong_contract},
    {"wrong-code", wrong_code},
    {"front-run", front_run},
    {"reorganised", reorganised},
    {"backdated", backdated},
    {"postdated", postdated},
};

static void write_file(const char *folder, const char *name, const char *end,
                       const struct ks_buf *bytes)
{
    char path[KS_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/%s.%s", folder, name, end);
    OK(ks_file_write(path, ks_buf_view(bytes), 0644));
}

static void trust_authority(void)
{
    struct ks_timestamp_trust_spec spec = {0};
    struct ks_buf pem;

    ks_buf_init(&pem, KS_TIMESTAMP_PEM_MAX);
    stamp_party_pem(&authority.root, &pem);
    spec.certificates = ks_buf_view(&pem);
    OK(ks_timestamp_trust_new(&spec, &stamps.trust));
    ks_buf_done(&pem);
}

int main(int argc, char **argv)
{
    KS_ASSERT(argc == 3);
    OK(ks_hex_decode(ks_bytes_text(argv[1]), circuit_hash, sizeof circuit_hash));
    fixture_keys_make(&keys);
    stamp_authority_make(&authority);
    trust_authority();
    know_witness();
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        struct fixture fixture;

        fixture_make(&fixture, &keys, attacks[i].change);
        write_file(argv[2], attacks[i].name, "bundle", &fixture.bundle);
        write_file(argv[2], attacks[i].name, "policy", &fixture.policy);
        fixture_free(&fixture);
    }
    node_as_leaf();
    rollback();
    ks_anchor_pin_done(&pin);
    ks_timestamp_trust_free(stamps.trust);
    stamp_authority_free(&authority);
    ks_witnesses_done(&witnesses);
    ks_sign_key_free(witness_key);
    fixture_keys_free(&keys);
    return 0;
}
