/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bundle show, bundle complete: what is in a bundle; the same record on another checkpoint of
 * its ledger, with what others say of that one. The record's bytes never change. */

#include <stdio.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/bundle.h"
#include "cli/device.h"
#include "cli/ledger.h"
#include "cli/verdict.h"
#include "ledger/proof.h"
#include "record/policy.h"

#define SHOWN_MAX (256 * 1024) /* bytes of what show prints */

/* --- show --------------------------------------------------------------------------------- */

/* What a bundle consists of, with its sizes in bytes. */
struct contents {
    const struct ks_bundle *bundle;
    struct ks_note note;
    struct ks_checkpoint checkpoint;
    struct ks_cert *device; /* who submitted, with the key that signed */
    size_t bundle_len;
};

static enum ks_err open_contents(const struct ks_bundle *bundle, struct contents *contents)
{
    enum ks_err err = KS_OK;
    struct ks_bundle_parts parts = ks_bundle_parts_of(bundle);
    struct ks_buf whole;

    ks_buf_init(&whole, KS_BUNDLE_BYTES_MAX);
    contents->bundle = bundle;
    ks_bundle_write(&parts, &whole);
    KS_TRY(ks_buf_check(&whole));
    contents->bundle_len = whole.len;
    KS_TRY(ks_note_parse(bundle->inclusion.checkpoint, &contents->note));
    KS_TRY(ks_checkpoint_parse(contents->note.text, &contents->checkpoint));
out:
    ks_buf_done(&whole);
    return ks_fail_prefix(err, "checkpoint");
}

static void put_anchor(struct ks_json_writer *writer, const struct ks_bundle *bundle)
{
    const struct ks_anchor *anchor = bundle->anchor;
    char time[KS_TIME_TEXT_LEN + 1];

    ks_time_text(anchor->block_time_s * 1000000, time);
    ks_json_put_key(writer, "anchor");
    ks_json_put_object(writer);
    ks_json_member_hex(writer, "block_hash", KS_BYTES(anchor->block_hash));
    ks_json_member_u64(writer, "block_number", anchor->block_number);
    ks_json_member_text(writer, "block_time", time);
    ks_json_member_u64(writer, "bytes", bundle->anchor_bytes.len);
    ks_json_member_u64(writer, "chain_id", anchor->chain_id);
    ks_json_member_hex(writer, "contract", KS_BYTES(anchor->contract));
    ks_json_member_hex(writer, "submitter", KS_BYTES(anchor->submitter));
    ks_json_put_end(writer);
}

static void put_stamp(struct ks_json_writer *writer, const struct ks_bundle *bundle)
{
    char time[KS_TIME_TEXT_LEN + 1];

    ks_time_text(bundle->stamp.time_us, time);
    ks_json_put_key(writer, "timestamp");
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "bytes", bundle->timestamp.len);
    ks_json_member_text(writer, "policy", bundle->stamp.policy);
    ks_json_member_text(writer, "signer", bundle->stamp.signer);
    ks_json_member_text(writer, "time", time);
    ks_json_put_end(writer);
}

static void put_checkpoint(struct ks_json_writer *writer, const struct contents *contents)
{
    ks_json_put_key(writer, "checkpoint");
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "bytes", contents->bundle->inclusion.checkpoint.len);
    ks_json_member_string(writer, "origin", contents->checkpoint.origin);
    ks_json_put_key(writer, "signers");
    ks_json_put_array(writer);
    for (size_t i = 0; i < contents->note.count; i++) {
        ks_json_put_string(writer, contents->note.lines[i].name);
    }
    ks_json_put_end(writer);
    ks_json_member_u64(writer, "size", contents->checkpoint.size);
    ks_json_put_end(writer);
}

static enum ks_err print_contents_json(const struct contents *contents)
{
    enum ks_err err = KS_OK;
    const struct ks_bundle *bundle = contents->bundle;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, SHOWN_MAX);
    ks_json_put_object(&writer);
    if (bundle->anchor != NULL) {
        put_anchor(&writer, bundle);
    }
    ks_json_member_u64(&writer, "bytes", contents->bundle_len);
    put_checkpoint(&writer, contents);
    ks_json_member_text(&writer, "device_key", ks_cert_key_name(contents->device));
    ks_json_member_u64(&writer, "index", bundle->inclusion.index);
    ks_json_member_u64(&writer, "intent", bundle->core.intent_index);
    ks_json_member_u64(&writer, "record_bytes", bundle->record.len);
    ks_json_member_text(&writer, "record_id", bundle->core.record_id);
    ks_json_member_text(&writer, "schema", "ketseal.bundle-show/1");
    if (bundle->timestamp.len > 0) {
        put_stamp(&writer, bundle);
    }
    ks_json_member_u64(&writer, "version", bundle->version);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

static void print_attached(const struct ks_bundle *bundle)
{
    char time[KS_TIME_TEXT_LEN + 1];
    char address[2 * KS_ADDRESS_LEN + 1];

    if (bundle->anchor != NULL) {
        ks_time_text(bundle->anchor->block_time_s * 1000000, time);
        ks_hex_encode(KS_BYTES(bundle->anchor->contract), address);
        ks_cli_print("anchor      %zu bytes: chain %llu, contract 0x%s, block %llu of %s\n",
                     bundle->anchor_bytes.len, (unsigned long long)bundle->anchor->chain_id,
                     address, (unsigned long long)bundle->anchor->block_number, time);
    }
    if (bundle->timestamp.len > 0) {
        ks_time_text(bundle->stamp.time_us, time);
        ks_cli_print("timestamp   %zu bytes: %s by '%s' under policy %s\n",
                     bundle->timestamp.len, time, bundle->stamp.signer, bundle->stamp.policy);
    }
}

static enum ks_err print_contents(const struct contents *contents)
{
    enum ks_err err = KS_OK;
    const struct ks_bundle *bundle = contents->bundle;
    struct ks_buf names;

    ks_buf_init(&names, SHOWN_MAX);
    for (size_t i = 0; i < contents->note.count; i++) {
        ks_buf_put_text(&names, i == 0 ? "" : ", ");
        ks_cli_put_shown(&names, contents->note.lines[i].name);
    }
    KS_TRY(ks_buf_check(&names));
    ks_cli_print("bundle      %zu bytes, version %u\n", contents->bundle_len, bundle->version);
    ks_cli_print("record      %zu bytes: %s of device %.*s, schema ketseal-%u\n",
                 bundle->record.len, bundle->core.record_id, (int)bundle->core.device.len,
                 (const char *)bundle->core.device.data, bundle->core.schema);
    ks_cli_print("submission  signed with %s\n", ks_cert_key_name(contents->device));
    ks_cli_print("ledger      index %llu, intent %llu, paths of %zu and %zu hashes\n",
                 (unsigned long long)bundle->inclusion.index,
                 (unsigned long long)bundle->core.intent_index, bundle->inclusion.path.count,
                 bundle->inclusion.intent_path.count);
    ks_cli_print("checkpoint  %zu bytes: size %llu, lines of %.*s\n",
                 bundle->inclusion.checkpoint.len,
                 (unsigned long long)contents->checkpoint.size, (int)names.len,
                 (const char *)names.data);
    print_attached(bundle);
out:
    ks_buf_done(&names);
    return err;
}

enum ks_err ks_command_bundle_show(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;
    struct contents contents = {0};

    KS_TRY(ks_cli_bundle_read(cli->operands[0], &bundle));
    KS_TRY(open_contents(bundle, &contents));
    KS_TRY(
        ks_fail_prefix(ks_cert_parse_der(ks_buf_view(&bundle->certificate), &contents.device),
                       "device certificate"));
    KS_TRY(cli->json ? print_contents_json(&contents) : print_contents(&contents));
out:
    ks_note_done(&contents.note);
    ks_cert_free(contents.device);
    ks_bundle_free(bundle);
    return err;
}

/* --- complete ----------------------------------------------------------------------------- */

/* The bundle to be, and what its parts borrow from. */
struct draft {
    struct ks_bundle *old;
    struct ks_inclusion inclusion;
    uint8_t digest[KS_SHA256_LEN]; /* of the new checkpoint's body */
    struct ks_buf checkpoint;
    struct ks_buf proofs[2]; /* of the record, of its intent */
    struct ks_buf anchor;
    struct ks_buf timestamp;
    struct ks_buf bytes;
};

static void draft_init(struct draft *draft)
{
    *draft = (struct draft){0};
    ks_buf_init(&draft->checkpoint, KS_NOTE_LEN_MAX);
    ks_buf_init(&draft->proofs[0], KS_TLOG_PROOF_MAX);
    ks_buf_init(&draft->proofs[1], KS_TLOG_PROOF_MAX);
    ks_buf_init(&draft->anchor, KS_ANCHOR_LEN_MAX);
    ks_buf_init(&draft->timestamp, KS_TIMESTAMP_TOKEN_MAX);
    ks_buf_init(&draft->bytes, KS_BUNDLE_BYTES_MAX);
}

static void draft_done(struct draft *draft)
{
    ks_bundle_free(draft->old);
    ks_buf_done(&draft->checkpoint);
    ks_buf_done(&draft->proofs[0]);
    ks_buf_done(&draft->proofs[1]);
    ks_buf_done(&draft->anchor);
    ks_buf_done(&draft->timestamp);
    ks_buf_done(&draft->bytes);
}

/* The proof file of FLAG, which must be of entry INDEX. Its checkpoint becomes the draft's
 * where there is none yet. */
static enum ks_err read_proof(const struct ks_cli *cli, const char *flag, uint64_t index,
                              struct draft *draft, struct ks_buf *text,
                              struct ks_merkle_proof *out_path)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, flag);
    struct ks_tlog_proof proof = {0};
    struct ks_inclusion inclusion = {0};
    uint8_t digest[KS_SHA256_LEN];

    KS_CHECK(path != NULL, KS_ERR_USAGE, "--proof and --intent-proof go together");
    KS_TRY(ks_file_read(path, KS_TLOG_PROOF_MAX, text));
    KS_TRY(ks_fail_prefix(ks_tlog_proof_parse(ks_buf_view(text), &proof), "%s", path));
    KS_CHECK(proof.index == index, KS_ERR_VERIFY, "%s is of entry %llu, not %llu", path,
             (unsigned long long)proof.index, (unsigned long long)index);
    if (draft->inclusion.checkpoint.len == 0) {
        draft->inclusion.checkpoint = proof.checkpoint;
    }
    inclusion.checkpoint = proof.checkpoint;
    KS_TRY(ks_inclusion_digest(&inclusion, digest));
    KS_TRY(ks_inclusion_digest(&draft->inclusion, draft->digest));
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), KS_BYTES(draft->digest)), KS_ERR_VERIFY,
             "%s leads to another checkpoint", path);
    *out_path = proof.path;
out:
    ks_tlog_proof_done(&proof);
    return err;
}

/* The body of NOTE. Its origin is not looked at: the verdict does. */
static enum ks_err read_head(struct ks_bytes note, struct ks_head *out_head)
{
    enum ks_err err = KS_OK;
    struct ks_note parsed = {0};
    struct ks_checkpoint checkpoint;

    KS_TRY(ks_note_parse(note, &parsed));
    KS_TRY(ks_checkpoint_parse(parsed.text, &checkpoint));
    out_head->size = checkpoint.size;
    ks_copy(out_head->root, checkpoint.root, sizeof out_head->root);
out:
    ks_note_done(&parsed);
    return ks_fail_prefix(err, "checkpoint");
}

/* Both paths to the draft's checkpoint, from the site. */
static enum ks_err fetch_paths(const struct ks_cli *cli, struct draft *draft)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    struct ks_head head = {0};
    const uint64_t indices[2] = {draft->old->inclusion.index, draft->old->core.intent_index};
    struct ks_merkle_proof *paths[2] = {&draft->inclusion.path, &draft->inclusion.intent_path};
    char target[128];

    KS_TRY(read_head(draft->inclusion.checkpoint, &head));
    KS_TRY(ks_cli_client(cli, &client));
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(target, sizeof target, "/v1/ledger/inclusion?index=%llu&size=%llu",
                       (unsigned long long)indices[i], (unsigned long long)head.size);
        KS_TRY(ks_cli_ledger_path(client, target, "ketseal.inclusion/1", paths[i]));
    }
out:
    ks_client_close(client);
    return err;
}

/* Both paths from the files in FROM, whose checkpoint becomes the draft's where there is none
 * yet; an earlier one will do. Nothing is believed: the paths lead to the checkpoint's root, or
 * the verdict says so. */
static enum ks_err make_paths(const char *from, struct draft *draft)
{
    enum ks_err err = KS_OK;
    const struct ks_bundle *old = draft->old;
    struct ks_tree *tree = NULL;
    struct ks_tree_source source;
    struct ks_tree_tiles tiles = {0};
    struct ks_tile_store store;
    struct ks_ledger *ledger = NULL;
    struct ks_head newest = {0};
    struct ks_head head = {0};
    struct ks_buf note;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    KS_TRY(ks_tree_open(from, false, &tree));
    KS_TRY(ks_tree_read_checkpoint(tree, &note));
    KS_TRY(read_head(ks_buf_view(&note), &newest));
    if (draft->inclusion.checkpoint.len == 0) {
        ks_buf_put(&draft->checkpoint, ks_buf_view(&note));
        KS_TRY(ks_buf_check(&draft->checkpoint));
        draft->inclusion.checkpoint = ks_buf_view(&draft->checkpoint);
    }
    KS_TRY(read_head(draft->inclusion.checkpoint, &head));
    KS_CHECK(old->inclusion.index < head.size, KS_ERR_NOT_FOUND,
             "the record is entry %llu, the checkpoint's tree has %llu",
             (unsigned long long)old->inclusion.index, (unsigned long long)head.size);
    source = ks_tree_source_of(tree);
    ks_tree_tiles_init(&tiles, &source, newest.size, &store);
    KS_TRY(ks_ledger_open(&store, &newest, &ledger));
    KS_TRY(ks_ledger_prove_inclusion(ledger, old->inclusion.index, head.size,
                                     &draft->inclusion.path));
    KS_TRY(ks_ledger_prove_inclusion(ledger, old->core.intent_index, head.size,
                                     &draft->inclusion.intent_path));
out:
    ks_ledger_close(ledger);
    ks_tree_tiles_done(&tiles);
    ks_tree_close(tree);
    ks_buf_done(&note);
    return ks_fail_prefix(err, "%s", from);
}

/* The checkpoint, and the paths of the record and its intent to it. */
static enum ks_err place(const struct ks_cli *cli, struct draft *draft)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "checkpoint");
    const struct ks_inclusion *old = &draft->old->inclusion;
    bool proofs = ks_cli_text(cli, "proof") != NULL || ks_cli_text(cli, "intent-proof") != NULL;
    bool fetch = ks_cli_switch(cli, "fetch");
    const char *from = ks_cli_text(cli, "from");
    bool anew = proofs || fetch || from != NULL;
    uint8_t digest[KS_SHA256_LEN];

    KS_CHECK(proofs + fetch + (from != NULL) <= 1, KS_ERR_USAGE,
             "--proof, --from and --fetch exclude each other");
    KS_CHECK(!fetch || path != NULL, KS_ERR_USAGE, "--fetch needs --checkpoint");
    draft->inclusion.index = old->index;
    if (path != NULL) {
        KS_TRY(ks_file_read(path, KS_NOTE_LEN_MAX, &draft->checkpoint));
        draft->inclusion.checkpoint = ks_buf_view(&draft->checkpoint);
    }
    if (proofs) {
        KS_TRY(read_proof(cli, "proof", old->index, draft, &draft->proofs[0],
                          &draft->inclusion.path));
        KS_TRY(read_proof(cli, "intent-proof", draft->old->core.intent_index, draft,
                          &draft->proofs[1], &draft->inclusion.intent_path));
    } else if (fetch) {
        KS_TRY(fetch_paths(cli, draft));
    } else if (from != NULL) {
        KS_TRY(make_paths(from, draft));
    } else {
        draft->inclusion.path = old->path;
        draft->inclusion.intent_path = old->intent_path;
        draft->inclusion.checkpoint =
            path == NULL ? old->checkpoint : draft->inclusion.checkpoint;
    }
    KS_TRY(ks_inclusion_digest(&draft->inclusion, draft->digest));
    KS_TRY(ks_inclusion_digest(old, digest));
    KS_CHECK(anew || ks_bytes_equal(KS_BYTES(digest), KS_BYTES(draft->digest)), KS_ERR_USAGE,
             "%s is of another tree than the bundle's: it takes --proof and --intent-proof, "
             "--from or --fetch",
             path == NULL ? "the checkpoint" : path);
out:
    return err;
}

static bool same_digest(const struct draft *draft, const uint8_t digest[32])
{
    return ks_bytes_equal(KS_BYTES(draft->digest), ks_bytes_of(digest, KS_SHA256_LEN));
}

/* The anchor of --anchor, or the old one if it is of the new checkpoint, too. */
static enum ks_err take_anchor(const struct ks_cli *cli, struct draft *draft)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "anchor");
    struct ks_anchor *anchor = NULL;
    struct ks_bytes text = {0};
    struct ks_buf file;

    ks_buf_init(&file, KS_ANCHOR_LEN_MAX + 1);
    if (path == NULL) {
        if (draft->old->anchor != NULL && same_digest(draft, draft->old->anchor->digest)) {
            ks_buf_put(&draft->anchor, ks_buf_view(&draft->old->anchor_bytes));
        } else if (draft->old->anchor != NULL) {
            ks_cli_progress(cli, "the anchor is of the old checkpoint: left out");
        }
        goto out;
    }
    KS_TRY(ks_file_read(path, KS_ANCHOR_LEN_MAX + 1, &file));
    text = ks_buf_view(&file);
    text.len -= text.len > 0 && text.data[text.len - 1] == '\n' ? 1 : 0;
    KS_TRY(ks_fail_prefix(ks_anchor_parse(text, &anchor), "%s", path));
    KS_CHECK(same_digest(draft, anchor->digest), KS_ERR_VERIFY,
             "%s is an anchor of another checkpoint", path);
    ks_anchor_write(anchor, &draft->anchor);
out:
    ks_anchor_free(anchor);
    ks_buf_done(&file);
    return err == KS_OK ? ks_buf_check(&draft->anchor) : err;
}

/* The same for time stamps. */
static enum ks_err take_timestamp(const struct ks_cli *cli, struct draft *draft)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "timestamp");
    const struct ks_bundle *old = draft->old;
    struct ks_timestamp stamp;
    struct ks_buf file;

    ks_buf_init(&file, KS_TIMESTAMP_RESPONSE_MAX);
    if (path == NULL) {
        if (old->timestamp.len > 0 && same_digest(draft, old->stamp.digest)) {
            ks_buf_put(&draft->timestamp, ks_buf_view(&old->timestamp));
        } else if (old->timestamp.len > 0) {
            ks_cli_progress(cli, "the time stamp is of the old checkpoint: left out");
        }
        goto out;
    }
    KS_TRY(ks_file_read(path, KS_TIMESTAMP_RESPONSE_MAX, &file));
    KS_TRY(ks_fail_prefix(
        ks_timestamp_answer_read(ks_buf_view(&file), (struct ks_bytes){0}, &draft->timestamp),
        "%s", path));
    KS_TRY(ks_timestamp_read(ks_buf_view(&draft->timestamp), &stamp));
    KS_CHECK(same_digest(draft, stamp.digest), KS_ERR_VERIFY,
             "%s is a time stamp of another checkpoint", path);
out:
    ks_buf_done(&file);
    return err == KS_OK ? ks_buf_check(&draft->timestamp) : err;
}

/* Nothing in it is false. What the policy asks for beyond what is there may still come. */
static enum ks_err check(const struct ks_cli *cli, const struct draft *draft)
{
    enum ks_err err = KS_OK;
    struct ks_bytes view = ks_buf_view(&draft->bytes);
    struct ks_policy *policy = NULL;
    struct ks_verdict *verdict = ks_calloc(1, sizeof *verdict);
    unsigned failed = 0;

    KS_CHECK(verdict != NULL, KS_ERR_NOMEM, "verdict");
    KS_TRY(ks_verdict_policy(ks_cli_text(cli, "policy"), &policy));
    err = ks_bundle_verify(&view, policy, verdict);
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        failed += verdict->checks[i].state == KS_FAIL ? 1 : 0;
    }
    if (err == KS_ERR_VERIFY && failed == 0) {
        ks_cli_progress(cli, "not complete yet: %s", ks_err_detail());
        err = KS_OK;
    }
out:
    ks_policy_free(policy);
    ks_free(verdict);
    return err;
}

enum ks_err ks_command_bundle_complete(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct draft draft;
    struct ks_bundle_parts parts = {0};

    draft_init(&draft);
    KS_TRY(ks_cli_bundle_read(cli->operands[0], &draft.old));
    KS_TRY(place(cli, &draft));
    KS_TRY(take_anchor(cli, &draft));
    KS_TRY(take_timestamp(cli, &draft));
    parts = (struct ks_bundle_parts){.record = ks_buf_view(&draft.old->record),
                                     .inclusion = &draft.inclusion,
                                     .anchor = ks_buf_view(&draft.anchor),
                                     .timestamp = ks_buf_view(&draft.timestamp)};
    ks_bundle_write(&parts, &draft.bytes);
    KS_TRY(ks_buf_check(&draft.bytes));
    KS_TRY(check(cli, &draft));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), cli->operands[0], ks_buf_view(&draft.bytes)));
out:
    draft_done(&draft);
    return err;
}
