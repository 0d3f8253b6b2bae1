/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ledger head, prove, check: a site's ledger, believed only as far as the pinned keys and the
 * proofs reach. `check` remembers the last head it saw: a site that rewrites its ledger, or
 * shows another one than before, cannot pass it. The site makes its proofs; from static files
 * (--from) they are made here. */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/keep.h"
#include "cli/witness.h"
#include "ledger/proof.h"

#define PROOF_JSON_MAX 65536
#define ENTRY_MAX      (64 * 1024)

/* What head and check begin with. */
struct view {
    struct ks_cli_ledger ledger;
    struct ks_witnesses witnesses; /* demanded */
    struct ks_witnesses_said said;
};

static void view_done(struct view *view)
{
    ks_witnesses_done(&view->witnesses);
    ks_cli_ledger_close(&view->ledger);
}

/* That the checkpoint has the cosignatures that are asked for. */
static enum ks_err check_witnesses(struct view *view)
{
    enum ks_err err = KS_OK;
    const struct ks_witnesses *witnesses = &view->witnesses;

    KS_TRY(ks_witnesses_judge(witnesses, ks_bytes_text(view->ledger.site->origin),
                              ks_buf_view(&view->ledger.note), &view->said));
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
    struct ks_cli_ledger *ledger = &view->ledger;
    const char *target = "/v1/ledger/checkpoint";

    KS_TRY(ks_cli_ledger_open(cli, ledger));
    if (witnessed) {
        KS_TRY(ks_cli_witnesses(cli, ks_bytes_text(ledger->site->origin), &view->witnesses));
    }
    if (view->witnesses.count > 0) {
        target = "/v1/ledger/checkpoint?state=cosigned";
    }
    if (ks_cli_ledger_is_static(cli)) {
        KS_TRY(ks_cli_ledger_fetch(ledger));
    } else {
        KS_TRY(ks_client_get(ledger->client, target, &ledger->note));
        KS_TRY(ks_fail_prefix(
            ks_site_checkpoint_open(ledger->site, ks_buf_view(&ledger->note), &ledger->head),
            "the site's checkpoint"));
    }
    KS_TRY(check_witnesses(view));
out:
    return err;
}

static void put_head(const struct ks_cli_ledger *view, struct ks_json_writer *writer)
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

    ks_hex_encode(KS_BYTES(view->ledger.head.checkpoint.root), root);
    if (view->witnesses.count > 0) {
        (void)snprintf(witnesses, sizeof witnesses, ", cosigned by %zu of %zu witnesses",
                       view->said.names, ks_witnesses_names(&view->witnesses));
    }
    ks_cli_print("%s%s: %llu entries, root %s%s\n", before, view->ledger.site->origin,
                 (unsigned long long)view->ledger.head.checkpoint.size, root, witnesses);
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
        ks_json_member_string(&writer, "checkpoint", ks_buf_view(&view.ledger.note));
        put_head(&view.ledger, &writer);
        ks_json_member_text(&writer, "schema", "ketseal.ledger-head/1");
        ks_json_member_u64(&writer, "size", view.ledger.head.checkpoint.size);
        ks_json_member_u64(&writer, "time", view.ledger.head.time_s);
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

enum ks_err ks_cli_ledger_path(struct ks_client *client, const char *target, const char *schema,
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

static enum ks_err prove(const struct ks_cli_ledger *view, uint64_t index, struct ks_buf *entry,
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
    KS_TRY(ks_cli_ledger_path(view->client, target, "ketseal.inclusion/1", out_proof));
    ks_merkle_leaf(ks_buf_view(entry), leaf);
    KS_TRY(
        ks_fail_prefix(ks_merkle_check_inclusion(index, head->size, leaf, out_proof->hashes[0],
                                                 out_proof->count, head->root),
                       "entry %llu", (unsigned long long)index));
out:
    return err;
}

/* The entry is part of JSON for programs and a line for people: it has to be JSON itself. */
static enum ks_err print_proof(const struct ks_cli *cli, const struct ks_cli_ledger *view,
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
static enum ks_err write_proof(const char *path, const struct ks_cli_ledger *view,
                               uint64_t index, const struct ks_merkle_proof *proof)
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
    KS_TRY(ks_cli_ledger_is_static(cli)
               ? ks_cli_ledger_prove(&view.ledger, index, &entry, &proof)
               : prove(&view.ledger, index, &entry, &proof));
    if (out != NULL) {
        KS_TRY(write_proof(out, &view.ledger, index, &proof));
    }
    KS_TRY(print_proof(cli, &view.ledger, index, ks_buf_view(&entry)));
out:
    view_done(&view);
    ks_buf_done(&entry);
    return err;
}

/* --- check
 * -------------------------------------------------------------------------------------------
 */

/* KS_ERR_VERIFY: the ledger that OLD was the head of is not a prefix of the one shown now. By
 * the site's own proof, which a site that has forked cannot make. */
static enum ks_err compare(const struct ks_cli_ledger *view, const struct ks_head *old)
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
        KS_TRY(ks_cli_ledger_path(view->client, target, "ketseal.consistency/1", &proof));
    }
    KS_TRY(ks_merkle_check_consistency(old->size, old->root, head->size, head->root,
                                       proof.hashes[0], proof.count));
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
        put_head(&view->ledger, &writer);
        ks_json_member_text(&writer, "schema", "ketseal.ledger-check/1");
        ks_json_member_u64(&writer, "size", view->ledger.head.checkpoint.size);
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
    struct ks_cli_kept kept;
    bool fork = true;

    KS_TRY(view_open(cli, true, &view));
    KS_TRY(ks_cli_kept_open(cli, view.ledger.site, &kept));
    err = ks_cli_ledger_is_static(cli)
              ? ks_cli_ledger_consistent(&view.ledger, &kept.head, &fork)
              : compare(&view.ledger, &kept.head);
    if (err == KS_ERR_VERIFY && fork) {
        err = ks_cli_keep_fork(&kept, &view.ledger);
        if (err == KS_ERR_VERIFY && cli->json) {
            KS_TRY(print_check(cli, &view, kept.head.size, false));
            cli->answered = true;
            err = KS_ERR_VERIFY;
        }
    }
    KS_TRY(err);
    KS_TRY(ks_cli_keep_head(&kept, ks_buf_view(&view.ledger.note)));
    KS_TRY(print_check(cli, &view, kept.head.size, true));
out:
    view_done(&view);
    return err;
}
