/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What others said of checkpoints: kept, served, and taken from operators. */

#include "server/witnessed.h"

#include "base/log.h"
#include "record/attachment.h"
#include "server/api.h"

_Static_assert(KS_ANCHOR_LEN_MAX <= KS_STORE_ATTACHED_MAX &&
                   KS_TIMESTAMP_TOKEN_MAX <= KS_STORE_ATTACHED_MAX &&
                   KS_NOTE_LEN_MAX <= KS_STORE_COSIGNED_MAX,
               "what is accepted can be stored");

static const char *const state_names[KS_WITNESSED_STATES] = {
    [KS_WITNESSED_COSIGNED] = "cosigned",
    [KS_WITNESSED_ANCHORED] = "anchored",
    [KS_WITNESSED_TIMESTAMPED] = "timestamped",
};

const char *ks_witnessed_state_name(enum ks_witnessed_state state)
{
    return state_names[state];
}

enum ks_err ks_witnessed_state_parse(struct ks_bytes text, enum ks_witnessed_state *out_state)
{
    for (unsigned i = 0; i < KS_WITNESSED_STATES; i++) {
        if (ks_bytes_is(text, state_names[i])) {
            *out_state = (enum ks_witnessed_state)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "expected cosigned, anchored or timestamped");
}

void ks_witnessed_init(struct ks_witnessed *witnessed)
{
    *witnessed = (struct ks_witnessed){0};
    ks_buf_init(&witnessed->note, KS_STORE_COSIGNED_MAX);
    ks_buf_init(&witnessed->anchor, KS_STORE_ATTACHED_MAX);
    ks_buf_init(&witnessed->timestamp, KS_STORE_ATTACHED_MAX);
}

void ks_witnessed_done(struct ks_witnessed *witnessed)
{
    ks_buf_done(&witnessed->note);
    ks_buf_done(&witnessed->anchor);
    ks_buf_done(&witnessed->timestamp);
}

static enum ks_err copy_parts(struct ks_witnessed *target, struct ks_bytes note,
                              struct ks_bytes anchor, struct ks_bytes timestamp)
{
    enum ks_err err = KS_OK;
    struct ks_buf *const bufs[] = {&target->note, &target->anchor, &target->timestamp};
    const struct ks_bytes parts[] = {note, anchor, timestamp};

    for (size_t i = 0; i < 3; i++) {
        ks_buf_clear(bufs[i]);
        ks_buf_put(bufs[i], parts[i]);
        KS_TRY(ks_buf_check(bufs[i]));
    }
out:
    return err;
}

/* That NOTE is a checkpoint of this very ledger: name, both signatures, and the root that the
 * tree had at its size. */
static enum ks_err check_own(struct ks_site_server *server, struct ks_bytes note,
                             struct ks_head *out_head)
{
    enum ks_err err = KS_OK;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_checkpoint_opened opened;
    struct ks_head head = {0};

    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_site_read(ks_buf_view(&server->site_document), site));
    KS_TRY(ks_site_checkpoint_open(site, note, &opened));
    KS_CHECK(opened.checkpoint.size >= 1 &&
                 opened.checkpoint.size <= ks_ledger_head(server->ledger)->size,
             KS_ERR_VERIFY, "a checkpoint of %llu entries, the ledger has %llu",
             (unsigned long long)opened.checkpoint.size,
             (unsigned long long)ks_ledger_head(server->ledger)->size);
    KS_TRY(ks_ledger_root(server->ledger, opened.checkpoint.size, head.root));
    KS_CHECK(ks_bytes_equal(KS_BYTES(head.root), KS_BYTES(opened.checkpoint.root)),
             KS_ERR_VERIFY, "the ledger had another root at %llu entries",
             (unsigned long long)opened.checkpoint.size);
    head.size = opened.checkpoint.size;
    *out_head = head;
out:
    ks_free(site);
    return err;
}

/* --- stored ------------------------------------------------------------------------------- */

static void attached_done(struct ks_store_attached *attached)
{
    ks_buf_done(&attached->note);
    ks_buf_done(&attached->anchor);
    ks_buf_done(&attached->timestamp);
}

static void attached_init(struct ks_store_attached *attached)
{
    *attached = (struct ks_store_attached){0};
    ks_buf_init(&attached->note, KS_STORE_COSIGNED_MAX);
    ks_buf_init(&attached->anchor, KS_STORE_ATTACHED_MAX);
    ks_buf_init(&attached->timestamp, KS_STORE_ATTACHED_MAX);
}

typedef enum ks_err (*read_attached)(struct ks_store_reader *reader,
                                     struct ks_store_attached *attached);

static enum ks_err load_attached(struct ks_site_server *server, enum ks_witnessed_state state,
                                 read_attached read)
{
    enum ks_err err = KS_OK;
    struct ks_witnessed *target = &server->witnessed[state];
    struct ks_store_attached attached;

    attached_init(&attached);
    err = read(server->reader, &attached);
    if (err == KS_ERR_NOT_FOUND) {
        err = KS_OK;
        goto out;
    }
    KS_TRY(err);
    KS_TRY(check_own(server, ks_buf_view(&attached.note), &target->head));
    KS_TRY(copy_parts(target, ks_buf_view(&attached.note), ks_buf_view(&attached.anchor),
                      ks_buf_view(&attached.timestamp)));
out:
    attached_done(&attached);
    return ks_fail_prefix(err, "stored as %s", state_names[state]);
}

enum ks_err ks_witnessed_load(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    struct ks_witnessed *cosigned = &server->witnessed[KS_WITNESSED_COSIGNED];
    uint64_t size = 0;

    err = ks_store_cosigned(server->reader, &size, &cosigned->note);
    if (err == KS_OK) {
        KS_TRY(ks_fail_prefix(check_own(server, ks_buf_view(&cosigned->note), &cosigned->head),
                              "stored as cosigned"));
    }
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    KS_TRY(load_attached(server, KS_WITNESSED_ANCHORED, ks_store_anchored));
    KS_TRY(load_attached(server, KS_WITNESSED_TIMESTAMPED, ks_store_timestamped));
out:
    return err;
}

enum ks_err ks_witnessed_cosigned(struct ks_site_server *server, struct ks_bytes note,
                                  const struct ks_head *head)
{
    enum ks_err err = KS_OK;
    struct ks_witnessed *target = &server->witnessed[KS_WITNESSED_COSIGNED];

    KS_TRY(ks_store_begin(server->store));
    KS_TRY(ks_store_cosigned_put(server->store, head->size, note));
    KS_TRY(ks_store_commit(server->store));
    KS_TRY(copy_parts(target, note, (struct ks_bytes){0}, (struct ks_bytes){0}));
    target->head = *head;
    server->checkpoint_unpublished = true;
out:
    ks_store_rollback(server->store);
    return err;
}

/* --- attachments, from operators ---------------------------------------------------------- */

/* What is there already stays: an attachment adds, or repeats. */
static enum ks_err merge(const struct ks_attachment *parts, struct ks_store_attached *there,
                         struct ks_store_attachment *out_merged)
{
    enum ks_err err = KS_OK;
    struct ks_bytes anchor = ks_buf_view(&there->anchor);
    struct ks_bytes timestamp = ks_buf_view(&there->timestamp);

    KS_CHECK(anchor.len == 0 || parts->anchor.len == 0 || ks_bytes_equal(anchor, parts->anchor),
             KS_ERR_CONFLICT, "this checkpoint has another anchor already");
    KS_CHECK(timestamp.len == 0 || parts->timestamp.len == 0 ||
                 ks_bytes_equal(timestamp, parts->timestamp),
             KS_ERR_CONFLICT, "this checkpoint has another time stamp already");
    *out_merged = (struct ks_store_attachment){
        .note = parts->checkpoint,
        .anchor = anchor.len > 0 ? anchor : parts->anchor,
        .timestamp = timestamp.len > 0 ? timestamp : parts->timestamp,
    };
out:
    return err;
}

/* The newest of its kind is what bundles are made with. */
static enum ks_err serve(struct ks_site_server *server, enum ks_witnessed_state state,
                         const struct ks_store_attachment *merged, const struct ks_head *head)
{
    enum ks_err err = KS_OK;
    struct ks_witnessed *target = &server->witnessed[state];

    if (head->size >= target->head.size) {
        KS_TRY(copy_parts(target, merged->note, merged->anchor, merged->timestamp));
        target->head = *head;
    }
out:
    return err;
}

static enum ks_err keep(struct ks_site_server *server, const struct ks_attachment *parts,
                        const struct ks_head *head)
{
    enum ks_err err = KS_OK;
    struct ks_store_attachment merged = {0};
    struct ks_store_attached there;

    attached_init(&there);
    err = ks_store_attachment(server->reader, head->size, &there);
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    KS_TRY(merge(parts, &there, &merged));
    KS_TRY(ks_store_begin(server->store));
    KS_TRY(ks_store_attachment_put(server->store, head->size, &merged));
    KS_TRY(ks_store_commit(server->store));
    if (merged.anchor.len > 0) {
        KS_TRY(serve(server, KS_WITNESSED_ANCHORED, &merged, head));
    }
    if (merged.timestamp.len > 0) {
        KS_TRY(serve(server, KS_WITNESSED_TIMESTAMPED, &merged, head));
    }
out:
    ks_store_rollback(server->store);
    attached_done(&there);
    return err;
}

static void log_attached(const struct ks_attachment *parts, const struct ks_head *head,
                         const char *operator_name)
{
    struct ks_log_line line;

    ks_log_begin(&line, KS_LOG_INFO, "ledger.attached");
    ks_log_u64(&line, "size", head->size);
    ks_log_u64(&line, "anchor_bytes", parts->anchor.len);
    ks_log_u64(&line, "timestamp_bytes", parts->timestamp.len);
    ks_log_text(&line, "operator", operator_name);
    ks_log_end(&line);
}

/* POST /v1/ledger/attachments: what was anchored or time-stamped is kept, not believed: proofs
 * are judged by whoever verifies the bundle. */
void ks_api_attach(struct ks_site_server *server, struct ks_http_request *request,
                   struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_attachment_read read = {0};
    struct ks_head head = {0};
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);

    (void)segment;
    ks_buf_init(&body, 1024);
    KS_TRY(ks_attachment_parse(ks_http_request_body(request), &read));
    KS_TRY(ks_fail_prefix(check_own(server, read.parts.checkpoint, &head), "attachment"));
    KS_TRY(keep(server, &read.parts, &head));
    log_attached(&read.parts, &head, ks_http_request_peer_name(request));
    ks_json_put_object(&writer);
    ks_json_member_bool(&writer, "anchor", read.parts.anchor.len > 0);
    ks_json_member_hex(&writer, "digest", KS_BYTES(read.digest));
    ks_json_member_text(&writer, "schema", "ketseal.attached/1");
    ks_json_member_u64(&writer, "size", head.size);
    ks_json_member_bool(&writer, "timestamp", read.parts.timestamp.len > 0);
    ks_json_put_end(&writer);
out:
    ks_reply_buffer(request, err, &body);
    ks_attachment_done(&read);
    ks_buf_done(&body);
}
