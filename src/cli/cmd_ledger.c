/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ledger head, prove, check: a site's ledger, believed only as far as the pinned keys and the
 * proofs reach. `check` keeps the last head it saw in the device's state directory: a site that
 * rewrites its ledger, or shows this device another one than before, cannot pass it. */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/device.h"
#include "cli/witness.h"
#include "ledger/proof.h"

#define PROOF_JSON_MAX 65536
#define ENTRY_MAX      (64 * 1024)
#define HEAD_FILE      "ledger-head" /* the last checkpoint that passed, a signed note */
#define FORK_FILE                                                                              \
    "ledger-fork" /* a checkpoint that does not go with it: both are the evidence */

/* What the three commands begin with. */
struct view {
    struct ks_witnesses witnesses; /* demanded */
    struct ks_witnesses_said said;
    struct ks_site *site;
    struct ks_client *client;
    struct ks_buf note; /* as the site sent it */
    struct ks_checkpoint_opened head;
};

static void view_done(struct view *view)
{
    ks_witnesses_done(&view->witnesses);
    ks_client_close(view->client);
    ks_free(view->site);
    ks_buf_done(&view->note);
}

/* That the checkpoint has the cosignatures that are asked for. */
static enum ks_err check_witnesses(struct view *view)
{
    enum ks_err err = KS_OK;
    const struct ks_witnesses *witnesses = &view->witnesses;

    KS_TRY(ks_witnesses_judge(witnesses, ks_bytes_text(view->site->origin),
                              ks_buf_view(&view->note), &view->said));
    KS_CHECK(view->said.names >= witnesses->quorum, KS_ERR_VERIFY,
             "%zu of %zu witnesses have cosigned, %llu are asked for", view->said.names,
             ks_witnesses_names(witnesses), (unsigned long long)witnesses->quorum);
out:
    return ks_fail_prefix(err, "the site's checkpoint");
}

/* Fetches the newest checkpoint, or the newest cosigned one where witnesses are asked for, and
 * checks its signatures. VIEW is the caller's to release, always. */
static enum ks_err view_open(const struct ks_cli *cli, bool witnessed, struct view *view)
{
    enum ks_err err = KS_OK;
    const char *target = "/v1/ledger/checkpoint";

    *view = (struct view){.site = ks_calloc(1, sizeof *view->site)};
    ks_buf_init(&view->note, KS_NOTE_LEN_MAX);
    KS_CHECK(view->site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_cli_site(cli, view->site));
    if (witnessed) {
        KS_TRY(ks_cli_witnesses(cli, ks_bytes_text(view->site->origin), &view->witnesses));
    }
    if (view->witnesses.count > 0) {
        target = "/v1/ledger/checkpoint?state=cosigned";
    }
    KS_TRY(ks_cli_client(cli, &view->client));
    KS_TRY(ks_client_get(view->client, target, &view->note));
    KS_TRY(ks_fail_prefix(
        ks_site_checkpoint_open(view->site, ks_buf_view(&view->note), &view->head),
        "the site's checkpoint"));
    KS_TRY(check_witnesses(view));
out:
    return err;
}

static void put_head(const struct view *view, struct ks_json_writer *writer)
{
    ks_json_member_string(writer, "origin", view->head.checkpoint.origin);
    ks_json_member_hex(writer, "root", KS_BYTES(view->head.checkpoint.root));
}

/* How many of the witnesses that were asked for have cosigned; sorts last. */
static void put_witnesses(const struct view *view, struct ks_json_writer *writer)
{
    if (view->witnesses.count > 0) {
        ks_json_member_u64(writer, "witnesses", view->said.names);
    }
}

static void print_head(const struct view *view, const char *before)
{
    char root[2 * KS_MERKLE_LEN + 1];

    char witnesses[64] = "";

    ks_hex_encode(KS_BYTES(view->head.checkpoint.root), root);
    if (view->witnesses.count > 0) {
        (void)snprintf(witnesses, sizeof witnesses, ", cosigned by %zu of %zu witnesses",
                       view->said.names, ks_witnesses_names(&view->witnesses));
    }
    ks_cli_print("%s%s: %llu entries, root %s%s\n", before, view->site->origin,
                 (unsigned long long)view->head.checkpoint.size, root, witnesses);
}

/* --- head
 * --------------------------------------------------------------------------------------------
 */

enum ks_err ks_command_ledger_head(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct view view = {0};
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 2 * KS_NOTE_LEN_MAX);
    KS_TRY(view_open(cli, true, &view));
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_string(&writer, "checkpoint", ks_buf_view(&view.note));
        put_head(&view, &writer);
        ks_json_member_text(&writer, "schema", "ketseal.ledger-head/1");
        ks_json_member_u64(&writer, "size", view.head.checkpoint.size);
        ks_json_member_u64(&writer, "time", view.head.time_s);
        put_witnesses(&view, &writer);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        print_head(&view, "");
    }
out:
    view_done(&view);
    ks_buf_done(&out);
    return err;
}

/* --- proofs
 * ------------------------------------------------------------------------------------------ */

/* The member 'path' of the proof at TARGET, whose schema is SCHEMA. What else it says is not
 * believed. */
static enum ks_err fetch_path(struct ks_client *client, const char *target, const char *schema,
                              struct ks_merkle_proof *out_proof)
{
    static const struct ks_json_limits limits = {.len_max = PROOF_JSON_MAX, .nodes_max = 256};
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_json_doc *doc = NULL;
    struct ks_bytes text = {0};
    const struct ks_json *path = NULL;
    struct ks_merkle_proof proof = {0};

    ks_buf_init(&body, PROOF_JSON_MAX);
    KS_TRY(ks_client_get(client, target, &body));
    KS_TRY(ks_json_parse(ks_buf_view(&body), &limits, &doc));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "schema", &text));
    KS_CHECK(ks_bytes_is(text, schema), KS_ERR_FORMAT, "'schema': expected %s", schema);
    KS_TRY(ks_json_get(ks_json_root(doc), "path", KS_JSON_ARRAY, &path));
    proof.count = ks_json_count(path);
    KS_CHECK(proof.count <= KS_MERKLE_PATH_MAX, KS_ERR_LIMIT, "'path': over %d hashes",
             KS_MERKLE_PATH_MAX);
    for (size_t i = 0; i < proof.count; i++) {
        KS_TRY(ks_json_string(ks_json_at(path, i), &text));
        KS_TRY(ks_hex_decode(text, proof.hashes[i], sizeof proof.hashes[i]));
    }
    *out_proof = proof;
out:
    ks_json_doc_free(doc);
    ks_buf_done(&body);
    return ks_fail_prefix(err, "the site's proof");
}

static enum ks_err prove(const struct view *view, uint64_t index, struct ks_buf *entry,
                         struct ks_merkle_proof *out_proof)
{
    enum ks_err err = KS_OK;
    const struct ks_checkpoint *head = &view->head.checkpoint;
    uint8_t leaf[KS_MERKLE_LEN];
    char target[128];

    KS_CHECK(index < head->size, KS_ERR_NOT_FOUND,
             "the ledger has %llu entries, none of index %llu yet",
             (unsigned long long)head->size, (unsigned long long)index);
    (void)snprintf(target, sizeof target, "/v1/ledger/entries/%llu", (unsigned long long)index);
    KS_TRY(ks_client_get(view->client, target, entry));
    (void)snprintf(target, sizeof target, "/v1/ledger/inclusion?index=%llu&size=%llu",
                   (unsigned long long)index, (unsigned long long)head->size);
    KS_TRY(fetch_path(view->client, target, "ketseal.inclusion/1", out_proof));
    ks_merkle_leaf(ks_buf_view(entry), leaf);
    KS_TRY(
        ks_fail_prefix(ks_merkle_check_inclusion(index, head->size, leaf, out_proof->hashes[0],
                                                 out_proof->count, head->root),
                       "entry %llu", (unsigned long long)index));
out:
    return err;
}

/* The entry is part of JSON for programs and a line for people: it has to be JSON itself. */
static enum ks_err print_proof(const struct ks_cli *cli, const struct view *view,
                               uint64_t index, struct ks_bytes entry)
{
    static const struct ks_json_limits limits = {.len_max = ENTRY_MAX, .nodes_max = 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 2 * ENTRY_MAX);
    KS_TRY(ks_fail_prefix(ks_json_parse_canonical(entry, &limits, &doc), "entry %llu",
                          (unsigned long long)index));
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_put_key(&writer, "entry");
        ks_json_put_canonical(&writer, entry);
        ks_json_member_u64(&writer, "index", index);
        put_head(view, &writer);
        ks_json_member_text(&writer, "schema", "ketseal.ledger-prove/1");
        ks_json_member_u64(&writer, "size", view->head.checkpoint.size);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_buf_put_format(&out, "entry %llu of %llu: ", (unsigned long long)index,
                          (unsigned long long)view->head.checkpoint.size);
        ks_cli_put_shown(&out, entry);
        ks_buf_put_text(&out, "\n");
        KS_TRY(ks_buf_check(&out));
        ks_cli_print_bytes(ks_buf_view(&out));
    }
out:
    ks_json_doc_free(doc);
    ks_buf_done(&out);
    return err;
}

/* A proof file of c2sp.org/tlog-proof@v1: it needs no site any more. */
static enum ks_err write_proof(const char *path, const struct view *view, uint64_t index,
                               const struct ks_merkle_proof *proof)
{
    enum ks_err err = KS_OK;
    const struct ks_tlog_proof file = {
        .index = index, .path = *proof, .checkpoint = ks_buf_view(&view->note)};
    struct ks_buf out;

    ks_buf_init(&out, KS_TLOG_PROOF_MAX);
    KS_TRY(ks_tlog_proof_print(&file, &out));
    KS_TRY(ks_cli_output(path, NULL, ks_buf_view(&out)));
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_ledger_prove(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *out = ks_cli_text(cli, "out");
    struct view view = {0};
    struct ks_merkle_proof proof;
    struct ks_buf entry;
    uint64_t index = 0;

    ks_buf_init(&entry, ENTRY_MAX);
    KS_CHECK(out == NULL || strcmp(out, "-") != 0, KS_ERR_USAGE,
             "--out: standard output is for the entry; name a file for the proof");
    KS_CHECK(ks_text_u64(ks_bytes_text(cli->operands[0]), KS_MERKLE_SIZE_MAX, &index) == KS_OK,
             KS_ERR_USAGE, "'%s' is no index", cli->operands[0]);
    KS_TRY(view_open(cli, false, &view));
    KS_TRY(prove(&view, index, &entry, &proof));
    if (out != NULL) {
        KS_TRY(write_proof(out, &view, index, &proof));
    }
    KS_TRY(print_proof(cli, &view, index, ks_buf_view(&entry)));
out:
    view_done(&view);
    ks_buf_done(&entry);
    return err;
}

/* --- check
 * -------------------------------------------------------------------------------------------
 */

static enum ks_err state_path(const struct ks_cli *cli, const char *name,
                              char target[KS_PATH_MAX])
{
    enum ks_err err = KS_OK;
    char state[KS_PATH_MAX];

    KS_TRY(ks_path_join(ks_cli_text(cli, "device"), "state", state));
    KS_TRY(ks_path_join(state, name, target));
out:
    return err;
}

/* The head that was kept; size 0 when there is none yet. NOTE owns what OUT_HEAD borrows. */
static enum ks_err read_kept(const struct ks_cli *cli, const struct ks_site *site,
                             struct ks_buf *note, struct ks_checkpoint *out_head)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_checkpoint_opened opened;

    KS_TRY(state_path(cli, HEAD_FILE, path));
    err = ks_file_read(path, KS_NOTE_LEN_MAX, note);
    if (err == KS_ERR_NOT_FOUND) {
        *out_head = (struct ks_checkpoint){0};
        ks_merkle_empty(out_head->root);
        return KS_OK;
    }
    KS_TRY(err);
    err = ks_site_checkpoint_open(site, ks_buf_view(note), &opened);
    KS_CHECK(
        err != KS_ERR_VERIFY, KS_ERR_CONFLICT,
        "%s is of another site than the pinned one; remove it only if the site was replaced "
        "with your knowledge",
        path);
    KS_TRY(ks_fail_prefix(err, "%s", path));
    *out_head = opened.checkpoint;
out:
    return err;
}

/* KS_ERR_VERIFY: the ledger that OLD was the head of is not a prefix of the one shown now. */
static enum ks_err compare(const struct view *view, const struct ks_checkpoint *old)
{
    enum ks_err err = KS_OK;
    const struct ks_checkpoint *head = &view->head.checkpoint;
    struct ks_merkle_proof proof = {0};
    char target[128];

    KS_CHECK(head->size >= old->size, KS_ERR_VERIFY, "it had %llu entries and now shows %llu",
             (unsigned long long)old->size, (unsigned long long)head->size);
    if (old->size > 0 && old->size < head->size) {
        (void)snprintf(target, sizeof target, "/v1/ledger/consistency?old=%llu&size=%llu",
                       (unsigned long long)old->size, (unsigned long long)head->size);
        KS_TRY(fetch_path(view->client, target, "ketseal.consistency/1", &proof));
    }
    KS_TRY(ks_merkle_check_consistency(old->size, old->root, head->size, head->root,
                                       proof.hashes[0], proof.count));
out:
    return err;
}

/* Both heads carry the site's signatures: together they prove to anybody what the site did. */
static enum ks_err keep_evidence(const struct ks_cli *cli, const struct view *view)
{
    enum ks_err err = KS_OK;
    char reason[KS_ERR_DETAIL_MAX];
    char kept[KS_PATH_MAX];
    char fork[KS_PATH_MAX];

    (void)snprintf(reason, sizeof reason, "%s", ks_err_detail());
    KS_TRY(state_path(cli, HEAD_FILE, kept));
    KS_TRY(state_path(cli, FORK_FILE, fork));
    KS_TRY(ks_file_write(fork, ks_buf_view(&view->note), 0600));
    err = ks_fail(
        KS_ERR_VERIFY,
        "FORK: the ledger of %.64s is not the one seen before: %.160s. Keep %s and %s: both "
        "are signed by the site and prove it",
        view->site->origin, reason, kept, fork);
out:
    return err;
}

static enum ks_err print_check(const struct ks_cli *cli, const struct view *view,
                               uint64_t old_size, bool consistent)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);
    char before[64];

    ks_buf_init(&out, 65536);
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_bool(&writer, "consistent", consistent);
        if (!consistent) {
            ks_json_member_text(&writer, "detail", ks_err_detail());
        }
        ks_json_member_u64(&writer, "old_size", old_size);
        put_head(view, &writer);
        ks_json_member_text(&writer, "schema", "ketseal.ledger-check/1");
        ks_json_member_u64(&writer, "size", view->head.checkpoint.size);
        put_witnesses(view, &writer);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else if (consistent) {
        (void)snprintf(before, sizeof before,
                       "consistent since %llu: ", (unsigned long long)old_size);
        print_head(view, old_size == 0 ? "first seen: " : before);
    }
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_ledger_check(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct view view = {0};
    struct ks_buf kept;
    struct ks_checkpoint old;
    char path[KS_PATH_MAX];

    ks_buf_init(&kept, KS_NOTE_LEN_MAX);
    KS_TRY(view_open(cli, true, &view));
    KS_TRY(read_kept(cli, view.site, &kept, &old));
    err = compare(&view, &old);
    if (err == KS_ERR_VERIFY) {
        err = keep_evidence(cli, &view);
        if (err == KS_ERR_VERIFY && cli->json) {
            KS_TRY(print_check(cli, &view, old.size, false));
            cli->answered = true;
            err = KS_ERR_VERIFY;
        }
    }
    KS_TRY(err);
    KS_TRY(state_path(cli, HEAD_FILE, path));
    KS_TRY(ks_file_write(path, ks_buf_view(&view.note), 0600));
    KS_TRY(print_check(cli, &view, old.size, true));
out:
    view_done(&view);
    ks_buf_done(&kept);
    return err;
}
