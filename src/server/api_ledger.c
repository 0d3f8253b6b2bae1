/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The site itself and its ledger: all that a device may read without spending a key. */

#include "server/api.h"

void ks_api_site(struct ks_site_server *server, struct ks_http_request *request,
                 struct ks_bytes segment)
{
    (void)segment;
    ks_reply_json(request, 200, ks_buf_view(&server->site_document));
}

void ks_api_health(struct ks_site_server *server, struct ks_http_request *request,
                   struct ks_bytes segment)
{
    (void)server;
    (void)segment;
    ks_reply_json(request, 200,
                  KS_LITERAL("{\"schema\":\"ketseal.health/1\",\"status\":\"ok\"}"));
}

/* Ready means: the enclave answers. It is asked, since a site without it can seal nothing. */
static void step_ready(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                       struct ks_reader *answer)
{
    (void)server;
    (void)answer;
    if (err == KS_OK && !__atomic_load_n(&server->stopping, __ATOMIC_SEQ_CST)) {
        ks_reply_json(task->request, 200,
                      KS_LITERAL("{\"schema\":\"ketseal.health/1\",\"status\":\"ready\"}"));
        task->request = NULL;
        ks_task_free(server, task);
    } else {
        ks_task_fail(server, task,
                     err == KS_OK ? ks_fail(KS_ERR_UNAVAILABLE, "the site is stopping") : err);
    }
}

void ks_api_ready(struct ks_site_server *server, struct ks_http_request *request,
                  struct ks_bytes segment)
{
    struct ks_task *task = ks_task_new(server, request);

    (void)segment;
    if (task != NULL) {
        ks_task_ask(server, task, KS_FRAME_HELLO, (struct ks_bytes){0}, step_ready);
    }
}

/* --- attestation -------------------------------------------------------------------------- */

static void step_attested(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                          struct ks_reader *answer)
{
    struct ks_bytes document = {0};

    (void)server;
    KS_TRY(err);
    KS_TRY(ks_read_lp32(answer, KS_SITE_BYTES_MAX, &document));
    KS_TRY(ks_read_end(answer));
    ks_reply_json(task->request, 200, document);
    task->request = NULL;
    ks_task_free(server, task);
out:
    if (err != KS_OK) {
        ks_task_fail(server, task, err);
    }
}

/* GET /attest?nonce=64 hex digits: a fresh quote over the caller's nonce and its connection. */
void ks_api_attest(struct ks_site_server *server, struct ks_http_request *request,
                   struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    uint8_t bytes[KS_NONCE_LEN + KS_CHANNEL_LEN];
    struct ks_buf payload = {.data = bytes, .cap = sizeof bytes, .max = sizeof bytes};
    uint8_t nonce[KS_NONCE_LEN];
    struct ks_task *task = NULL;

    (void)segment;
    KS_TRY(ks_fail_prefix(ks_hex_decode(ks_api_query(request, "nonce"), nonce, sizeof nonce),
                          "query 'nonce'"));
    task = ks_task_new(server, request);
    if (task != NULL) {
        ks_buf_put(&payload, KS_BYTES(nonce));
        ks_buf_put(&payload, ks_http_request_exporter(request));
        ks_task_ask(server, task, KS_FRAME_ATTEST, ks_buf_view(&payload), step_attested);
    }
    return;
out:
    ks_reply_failure(request, err);
}

/* --- ledger ------------------------------------------------------------------------------- */

/* GET /v1/ledger/checkpoint?state=S; without a state the newest that was signed. */
void ks_api_ledger_checkpoint(struct ks_site_server *server, struct ks_http_request *request,
                              struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    const struct ks_bytes text = ks_api_query(request, "state");
    const struct ks_buf *note = &server->checkpoint;
    enum ks_witnessed_state state = KS_WITNESSED_COSIGNED;

    (void)segment;
    if (text.data != NULL) {
        KS_TRY(ks_fail_prefix(ks_witnessed_state_parse(text, &state), "query 'state'"));
        note = &server->witnessed[state].note;
    }
    KS_CHECK(note->len > 0, KS_ERR_NOT_FOUND, "the ledger has no %s%scheckpoint yet",
             text.data == NULL ? "" : ks_witnessed_state_name(state),
             text.data == NULL ? "" : " ");
    ks_reply_text(request, 200, ks_buf_view(note));
    return;
out:
    ks_reply_failure(request, err);
}

void ks_api_ledger_entry(struct ks_site_server *server, struct ks_http_request *request,
                         struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    uint64_t index = 0;
    struct ks_buf entry;

    ks_buf_init(&entry, KS_STORE_ENTRY_MAX);
    KS_TRY(ks_fail_prefix(ks_text_u64(segment, KS_MERKLE_SIZE_MAX, &index), "ledger index"));
    KS_TRY(ks_store_entry(server->reader, index, &entry));
out:
    ks_reply_buffer(request, err, &entry);
    ks_buf_done(&entry);
}

/* GET /ledger/checkpoint, /ledger/tile/0/x001/067, …: the static tree (docs/formats/ledger.md).
 * What it holds is as good in any cache, but for the checkpoint, which changes; a partial file
 * never changes either, but is not worth keeping for long. */
void ks_api_ledger_file(struct ks_site_server *server, struct ks_http_request *request,
                        struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_source source = ks_tree_source_of(server->publisher.served);
    struct ks_http_field cache = {.name = KS_LITERAL("Cache-Control")};
    struct ks_http_response response = {.status = 200, .fields = &cache, .field_count = 1};
    struct ks_tree_name name = {0};
    struct ks_buf file;

    ks_buf_init(&file, KS_TREE_FILE_MAX);
    if (ks_bytes_is(segment, KS_TREE_CHECKPOINT)) {
        KS_TRY(ks_tree_read_checkpoint(server->publisher.served, &file));
    } else {
        KS_CHECK(ks_tree_path_parse(segment, &name) == KS_OK, KS_ERR_NOT_FOUND,
                 "the ledger has no such file");
        KS_TRY(source.read(source.context, &name, &file));
    }
    response.content_type = ks_tree_content_type(name.width);
    cache.value = ks_bytes_text(ks_tree_cache_control(name.width));
    response.body = ks_buf_view(&file);
    ks_http_reply(request, &response);
out:
    if (err == KS_ERR_NOT_FOUND) { /* not with the name of a folder of the site */
        ks_http_reply_error(request, err, "the ledger has no such file");
    } else if (err != KS_OK) {
        ks_reply_failure(request, err);
    }
    ks_buf_done(&file);
}

static void put_proof(struct ks_json_writer *writer, const struct ks_merkle_proof *proof)
{
    ks_json_put_key(writer, "path");
    ks_json_put_array(writer);
    for (size_t i = 0; i < proof->count; i++) {
        ks_json_put_hex(writer, KS_BYTES(proof->hashes[i]));
    }
    ks_json_put_end(writer);
}

/* GET /v1/ledger/inclusion?index=I&size=N; N defaults to the newest checkpoint's. */
void ks_api_ledger_inclusion(struct ks_site_server *server, struct ks_http_request *request,
                             struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_merkle_proof proof;
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);
    uint64_t index = 0;
    uint64_t size = 0;

    (void)segment;
    ks_buf_init(&body, 16384);
    KS_TRY(ks_api_query_u64(request, "index", KS_MERKLE_SIZE_MAX, KS_MERKLE_SIZE_MAX, &index));
    KS_TRY(
        ks_api_query_u64(request, "size", server->signed_head.size, KS_MERKLE_SIZE_MAX, &size));
    KS_CHECK(index < size, KS_ERR_USAGE, "query 'index': below the size, which is %llu",
             (unsigned long long)size);
    KS_TRY(ks_ledger_prove_inclusion(server->ledger, index, size, &proof));
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "index", index);
    put_proof(&writer, &proof);
    ks_json_member_text(&writer, "schema", "ketseal.inclusion/1");
    ks_json_member_u64(&writer, "size", size);
    ks_json_put_end(&writer);
out:
    ks_reply_buffer(request, err, &body);
    ks_buf_done(&body);
}

/* GET /v1/ledger/consistency?old=M&size=N. */
void ks_api_ledger_consistency(struct ks_site_server *server, struct ks_http_request *request,
                               struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_merkle_proof proof;
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);
    uint64_t old_size = 0;
    uint64_t size = 0;

    (void)segment;
    ks_buf_init(&body, 16384);
    KS_TRY(ks_api_query_u64(request, "old", KS_MERKLE_SIZE_MAX, KS_MERKLE_SIZE_MAX, &old_size));
    KS_TRY(
        ks_api_query_u64(request, "size", server->signed_head.size, KS_MERKLE_SIZE_MAX, &size));
    KS_CHECK(old_size >= 1 && old_size <= size, KS_ERR_USAGE, "query 'old': 1 to %llu",
             (unsigned long long)size);
    KS_TRY(ks_ledger_prove_consistency(server->ledger, old_size, size, &proof));
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "old", old_size);
    put_proof(&writer, &proof);
    ks_json_member_text(&writer, "schema", "ketseal.consistency/1");
    ks_json_member_u64(&writer, "size", size);
    ks_json_put_end(&writer);
out:
    ks_reply_buffer(request, err, &body);
    ks_buf_done(&body);
}
