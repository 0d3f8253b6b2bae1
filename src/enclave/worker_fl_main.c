/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-worker-fl: adds up the updates of one round. It gets files as open descriptors, and
 * per update a key that opens nothing else; it opens no file, sees no long-lived key, and ends
 * with its round. Everything that it reads is bound by a hash that the enclave names.
 *
 *   ketseal-worker-fl THREADS ADDRESS_SPACE_BYTES      (started by ketseal-launch alone)
 *
 * The stacks of its threads come on top of that address space. */

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"
#include "base/sys.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "enclave/fl_work.h"
#include "enclave/frame.h"
#include "enclave/sandbox.h"
#include "fl/gather.h"
#include "fl/model.h"
#include "fl/state.h"

struct file {
    int fd; /* -1: not sent */
    uint64_t length;
};

struct round {
    struct ks_channel channel;
    struct ks_pool *pool;
    struct file files[KS_FL_FILES];
    int arrived; /* a descriptor whose frame is not read yet; -1: none */
    bool begun;
    bool ready; /* it began well */
    struct ks_fl_work_begin begin;
    struct ks_fl_gather *gather;
    struct ks_fl_score *scores; /* of all members */
    float *values;              /* of one update */
    struct ks_fl_state past;    /* what the rules remember; nothing in a first round */
    struct ks_buf parent;       /* the file of the model that the round began with */
    struct ks_buf sealed;       /* one sealed update, or a checkpoint */
    struct ks_buf open;         /* the same in the clear */
};

/* --- files -------------------------------------------------------------------------------- */

static enum ks_err check_hash(struct ks_bytes bytes, const uint8_t hash[32], const char *what)
{
    uint8_t digest[KS_SHA256_LEN];

    ks_sha256(bytes, digest);
    return ks_bytes_equal(KS_BYTES(digest), ks_bytes_of(hash, 32))
               ? KS_OK
               : ks_fail(KS_ERR_VERIFY, "%s: its hash is another", what);
}

/* All of FILE, at most LEN_MAX bytes, which have to be those of HASH, unless that is NULL. */
static enum ks_err read_file(const struct file *file, uint64_t len_max, const uint8_t *hash,
                             const char *what, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint8_t *room = NULL;
    size_t len = 0;

    ks_buf_clear(out);
    KS_CHECK(file->fd >= 0, KS_ERR_NOT_FOUND, "%s: there is none", what);
    KS_CHECK(file->length >= 1 && file->length <= len_max, KS_ERR_LIMIT,
             "%s: %llu bytes, at most %llu", what, (unsigned long long)file->length,
             (unsigned long long)len_max);
    room = ks_buf_reserve(out, (size_t)file->length);
    KS_TRY(ks_buf_check(out));
    while (len < file->length) {
        ssize_t count = pread(file->fd, room + len, (size_t)file->length - len, (off_t)len);

        KS_CHECK(count >= 0 || errno == EINTR, KS_ERR_IO, "%s: %s", what, strerror(errno));
        KS_CHECK(count != 0, KS_ERR_VERIFY, "%s: it is shorter than was said", what);
        len += count > 0 ? (size_t)count : 0;
    }
    ks_buf_grew(out, len);
    KS_TRY(hash == NULL ? KS_OK : check_hash(ks_buf_view(out), hash, what));
out:
    return err;
}

/* BYTES and nothing else; whoever opened it makes it durable. */
static enum ks_err write_file(const struct file *file, struct ks_bytes bytes, const char *what)
{
    enum ks_err err = KS_OK;
    size_t len = 0;

    KS_CHECK(file->fd >= 0, KS_ERR_NOT_FOUND, "%s: there is none", what);
    while (len < bytes.len) {
        ssize_t count = pwrite(file->fd, bytes.data + len, bytes.len - len, (off_t)len);

        KS_CHECK(count > 0 || errno == EINTR, KS_ERR_IO, "%s: %s", what, strerror(errno));
        len += count > 0 ? (size_t)count : 0;
    }
    KS_CHECK(ftruncate(file->fd, (off_t)bytes.len) == 0, KS_ERR_IO, "%s: %s", what,
             strerror(errno));
out:
    return err;
}

static enum ks_err take_file(struct round *round, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_file file;

    KS_TRY(ks_fl_work_file_read(payload, &file));
    KS_CHECK(round->arrived >= 0, KS_ERR_FORMAT, "file frame: without a descriptor");
    ks_fd_close(&round->files[file.file].fd);
    round->files[file.file] = (struct file){round->arrived, file.length};
    round->arrived = -1; /* transferred */
out:
    return err;
}

/* --- the round ---------------------------------------------------------------------------- */

static uint64_t sealed_max(const struct round *round)
{
    return ks_fl_update_bytes_max(round->begin.subject.params) + KS_FL_SEALED_OVERHEAD;
}

/* Goes on from a checkpoint that an earlier worker wrote. */
static enum ks_err resume(struct round *round)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_work_begin *begin = &round->begin;
    const struct ks_fl_accumulator *sum = ks_fl_gather_sum(round->gather);
    const uint64_t len_max = sum == NULL
                                 ? 0
                                 : ks_fl_accumulator_bytes(ks_fl_accumulator_params(sum)) +
                                       4096 + KS_FL_CHECKPOINT_OVERHEAD;
    struct ks_buf sealed;
    struct ks_buf open;

    ks_buf_init(&sealed, len_max);
    ks_buf_init(&open, len_max);
    KS_TRY(read_file(&round->files[begin->checkpoint], len_max, begin->checkpoint_hash,
                     "checkpoint", &sealed));
    KS_TRY(ks_fl_checkpoint_unseal(begin->checkpoint_key, ks_buf_view(&sealed), &open));
    KS_TRY(ks_fl_gather_resume(round->gather, ks_buf_view(&open)));
out:
    ks_buf_done(&sealed);
    ks_buf_done(&open);
    return err;
}

static enum ks_err read_parent(struct round *round)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_subject *subject = &round->begin.subject;
    const uint64_t len_max =
        KS_FL_MODEL_HEADER_MAX + 8 + sizeof(float) * (uint64_t)subject->params;
    struct ks_fl_model model;

    ks_buf_init(&round->parent, len_max);
    KS_TRY(read_file(&round->files[KS_FL_FILE_PARENT], len_max, subject->parent, "parent model",
                     &round->parent));
    KS_TRY(ks_fl_model_read(ks_buf_view(&round->parent), subject->params, &model));
    KS_CHECK(model.params == subject->params &&
                 ks_bytes_equal(KS_BYTES(model.shape), KS_BYTES(subject->shape)),
             KS_ERR_CONFLICT, "the parent model has another shape than the round");
out:
    return err;
}

static struct ks_fl_gather_params gather_of(const struct ks_fl_work_begin *begin)
{
    struct ks_fl_gather_params params = {.params = begin->subject.params,
                                         .members_max = begin->members_max,
                                         .clients = begin->clients,
                                         .robust = begin->robust,
                                         .bucket = begin->bucket,
                                         .bound = begin->bound};

    ks_fl_update_context(&begin->subject, params.context);
    return params;
}

static bool same_params(const struct ks_fl_server_params *a,
                        const struct ks_fl_server_params *b)
{
    return a->rule == b->rule && a->params == b->params && a->rate == b->rate &&
           a->beta1 == b->beta1 && a->beta2 == b->beta2 && a->tau == b->tau &&
           a->clients == b->clients;
}

/* The bytes of what is remembered, of a session with these rules. */
static uint64_t state_max(const struct round *round)
{
    return ks_fl_state_bytes(round->begin.subject.params, round->begin.keeps_aggregate,
                             round->begin.server.rule);
}

/* What the round before left: of this session, by the same rules, of the parent model. */
static enum ks_err check_past(const struct round *round)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_work_begin *begin = &round->begin;
    const struct ks_fl_state *past = &round->past;
    const size_t bytes = begin->subject.params * sizeof *round->values;

    KS_CHECK(ks_bytes_equal(KS_BYTES(past->session), KS_BYTES(begin->subject.session)) &&
                 past->round + 1 == begin->subject.round,
             KS_ERR_VERIFY, "state: it is of another round");
    KS_CHECK((past->aggregate != NULL) == begin->keeps_aggregate &&
                 (past->server != NULL) == (begin->server.rule != KS_FL_FEDAVG),
             KS_ERR_VERIFY, "state: it is of other rules");
    if (past->server != NULL) {
        KS_CHECK(same_params(ks_fl_server_params(past->server), &begin->server), KS_ERR_VERIFY,
                 "state: it is of another server rule");
        KS_CHECK(ks_bytes_equal(ks_bytes_of(ks_fl_server_model(past->server), bytes),
                                ks_bytes_of(round->values, bytes)),
                 KS_ERR_VERIFY, "state: its model is not the parent");
    }
out:
    return err;
}

static enum ks_err read_past(struct round *round)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_work_begin *begin = &round->begin;
    const uint64_t len_max = state_max(round);
    struct ks_fl_model parent;
    struct ks_buf sealed;
    struct ks_buf open;

    ks_buf_init(&sealed, len_max + KS_FL_STATE_OVERHEAD);
    ks_buf_init(&open, len_max);
    KS_TRY(read_file(&round->files[KS_FL_FILE_STATE], len_max + KS_FL_STATE_OVERHEAD, NULL,
                     "state", &sealed));
    KS_TRY(ks_fl_state_unseal(begin->state_key, ks_buf_view(&sealed), &open));
    KS_TRY(check_hash(ks_buf_view(&open), begin->state_hash, "state"));
    KS_TRY(ks_fl_state_read(ks_buf_view(&open), begin->subject.params, &round->past));
    KS_TRY(ks_fl_model_read(ks_buf_view(&round->parent), begin->subject.params, &parent));
    ks_fl_model_values(&parent, round->values);
    KS_TRY(check_past(round));
out:
    ks_buf_done(&sealed);
    ks_buf_done(&open);
    return err;
}

static enum ks_err begin_round(struct round *round, struct ks_bytes payload, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_fl_gather_params params;
    struct ks_fl_work_begun begun = {.threads = ks_pool_threads(round->pool)};

    KS_CHECK(!round->begun, KS_ERR_CONFLICT, "a worker has one round");
    round->begun = true; /* well or not */
    KS_TRY(ks_fl_work_begin_read(payload, &round->begin));
    KS_CHECK(round->begin.server.rule != KS_FL_SCAFFOLD, KS_ERR_UNAVAILABLE,
             "rule 'scaffold': no controls of clients come here");
    params = gather_of(&round->begin);
    KS_TRY(read_parent(round));
    round->values = ks_calloc_huge(params.params, sizeof *round->values);
    KS_CHECK(round->values != NULL, KS_ERR_NOMEM, "%zu numbers", params.params);
    round->scores = ks_calloc(params.members_max, sizeof *round->scores);
    KS_CHECK(round->scores != NULL, KS_ERR_NOMEM, "%zu scores", params.members_max);
    KS_TRY(ks_fl_gather_new(&params, &round->gather));
    KS_TRY(round->begin.has_state ? read_past(round) : KS_OK);
    KS_TRY(round->begin.resumes ? resume(round) : KS_OK);
    ks_buf_init(&round->sealed, sealed_max(round));
    ks_buf_init(&round->open, sealed_max(round));
    begun.kernels = ks_bytes_text(ks_fl_gather_kernel(round->gather));
    begun.members = (uint32_t)ks_fl_gather_members(round->gather);
    round->ready = true;
    ks_fl_work_begun_put(&begun, out);
out:
    return err;
}

static enum ks_err ready(const struct round *round)
{
    return round->ready ? KS_OK : ks_fail(KS_ERR_CONFLICT, "no round has begun");
}

/* The update that WORK names, opened, checked and decoded into round->values. */
static enum ks_err open_update(struct round *round, const struct ks_fl_work_update *work,
                               uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    struct ks_fl_update update;

    KS_TRY(read_file(&round->files[KS_FL_FILE_UPDATE], sealed_max(round), work->sealed,
                     "sealed update", &round->sealed));
    ks_buf_clear(&round->open);
    KS_TRY(ks_fl_unseal(work->key, ks_buf_view(&round->sealed), &round->open));
    KS_TRY(ks_fl_update_read(ks_buf_view(&round->open), &update));
    KS_TRY(ks_fl_update_about(&update, &round->begin.subject));
    KS_CHECK(update.samples == work->samples && update.encoding == work->encoding,
             KS_ERR_CONFLICT, "the update has other samples or another encoding than its job");
    ks_fl_decode(update.encoding, update.payload, round->begin.subject.params, round->values);
    ks_sha256(ks_buf_view(&round->open), out_hash);
out:
    return err;
}

static enum ks_err add_update(struct round *round, struct ks_bytes payload, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_update work = {0};
    struct ks_fl_member member = {0};
    struct ks_fl_work_added added = {.reason = KS_LITERAL("none")};

    KS_TRY(ready(round));
    KS_TRY(ks_fl_work_update_read(payload, &work));
    KS_TRY(open_update(round, &work, member.update));
    ks_fl_client_id(work.client, member.client);
    member.weight = work.samples;
    KS_TRY(ks_fl_gather_add(round->gather, &member, work.place, round->values, round->pool,
                            &added.norm));
    ks_copy(added.update, member.update, sizeof added.update);
    ks_fl_work_added_put(&added, out);
out:
    ks_fd_close(&round->files[KS_FL_FILE_UPDATE].fd);
    ks_wipe(&work, sizeof work);
    return err;
}

static struct ks_fl_work_written written_of(const struct round *round, struct ks_bytes bytes)
{
    struct ks_fl_work_written written = {
        .length = bytes.len,
        .members = (uint32_t)ks_fl_gather_members(round->gather),
        .weight = ks_fl_gather_weight(round->gather),
    };

    ks_sha256(bytes, written.hash);
    return written;
}

static enum ks_err write_checkpoint(struct round *round, struct ks_bytes payload,
                                    struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_accumulator *sum = NULL;
    struct ks_fl_work_checkpoint work;
    struct ks_fl_work_written written;
    uint64_t len = 0;
    struct ks_buf state;
    struct ks_buf sealed;

    ks_buf_init(&state, 0);
    ks_buf_init(&sealed, 0);
    KS_TRY(ready(round));
    KS_TRY(ks_fl_work_checkpoint_read(payload, &work));
    sum = ks_fl_gather_sum(round->gather);
    KS_CHECK(sum != NULL, KS_ERR_CONFLICT, "this rule has no checkpoints");
    len = ks_fl_accumulator_bytes_written(sum);
    ks_buf_init(&state, len);
    ks_buf_init(&sealed, len + KS_FL_CHECKPOINT_OVERHEAD);
    ks_fl_accumulator_write(sum, &state);
    KS_TRY(ks_buf_check(&state));
    KS_TRY(ks_fl_checkpoint_seal(round->begin.checkpoint_key, work.nonce, ks_buf_view(&state),
                                 &sealed));
    KS_TRY(write_file(&round->files[work.file], ks_buf_view(&sealed), "checkpoint"));
    written = written_of(round, ks_buf_view(&sealed));
    ks_fl_work_written_put(&written, out);
out:
    ks_buf_done(&state);
    ks_buf_done(&sealed);
    return err;
}

/* What the round is made from: the memory of its rule, or, in a first round, the parent. */
static enum ks_err take_server(struct round *round, const struct ks_fl_model *parent,
                               struct ks_fl_server **out_server)
{
    if (round->past.server != NULL) {
        *out_server = round->past.server;
        round->past.server = NULL; /* transferred */
        return KS_OK;
    }
    if (round->begin.has_state && round->begin.server.rule != KS_FL_FEDAVG) {
        return ks_fail(KS_ERR_CONFLICT, "the round was finished before");
    }
    ks_fl_model_values(parent, round->values);
    return ks_fl_server_new(&round->begin.server, round->values, out_server);
}

/* What the next round has to know, if it has to know anything: SERVER, the aggregate in
 * round->values. */
static enum ks_err write_next(const struct round *round, struct ks_fl_server *server,
                              const uint8_t nonce[KS_AEAD_NONCE_LEN], uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    const struct ks_fl_work_begin *begin = &round->begin;
    struct ks_fl_state next = {
        .round = begin->subject.round,
        .params = begin->subject.params,
        .aggregate = begin->keeps_aggregate ? round->values : NULL,
        .server = begin->server.rule == KS_FL_FEDAVG ? NULL : server,
    };
    struct ks_buf open;
    struct ks_buf sealed;

    ks_buf_init(&open, state_max(round));
    ks_buf_init(&sealed, state_max(round) + KS_FL_STATE_OVERHEAD);
    if (next.aggregate == NULL && next.server == NULL) {
        return KS_OK;
    }
    ks_copy(next.session, begin->subject.session, sizeof next.session);
    ks_fl_state_write(&next, &open);
    KS_TRY(ks_buf_check(&open));
    KS_TRY(ks_fl_state_seal(begin->state_key, nonce, ks_buf_view(&open), &sealed));
    KS_TRY(write_file(&round->files[KS_FL_FILE_NEXT], ks_buf_view(&sealed), "next state"));
    ks_sha256(ks_buf_view(&open), out_hash);
out:
    ks_buf_done(&open);
    ks_buf_done(&sealed);
    return err;
}

static enum ks_err finish(struct round *round, struct ks_bytes payload, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_finish work;
    struct ks_fl_work_finished finished = {.scores = round->scores};
    struct ks_fl_server *server = NULL;
    struct ks_fl_model parent;
    struct ks_buf file;

    ks_buf_init(&file, round->parent.len);
    KS_TRY(ready(round));
    KS_TRY(ks_fl_work_finish_read(payload, &work));
    KS_TRY(ks_fl_model_read(ks_buf_view(&round->parent), round->begin.subject.params, &parent));
    KS_TRY(take_server(round, &parent, &server));
    KS_TRY(ks_fl_gather_aggregate(round->gather, round->past.aggregate, round->pool,
                                  round->values, round->scores));
    KS_TRY(ks_fl_server_step(server, round->values, NULL, 0, round->pool));
    ks_fl_model_write(&parent, ks_fl_server_model(server), &file);
    KS_TRY(ks_buf_check(&file));
    KS_TRY(write_file(&round->files[KS_FL_FILE_MODEL], ks_buf_view(&file), "new model"));
    finished.model = written_of(round, ks_buf_view(&file));
    KS_TRY(write_next(round, server, work.nonce, finished.state));
    finished.count = ks_fl_gather_sum(round->gather) == NULL ? finished.model.members : 0;
    ks_fl_work_finished_put(&finished, out);
out:
    ks_fl_server_free(server);
    ks_buf_done(&file);
    return err;
}

/* --- frames ------------------------------------------------------------------------------- */

typedef enum ks_err (*request)(struct round *round, struct ks_bytes payload,
                               struct ks_buf *out);

static request request_of(uint16_t type)
{
    static const struct {
        uint16_t type;
        request run;
    } table[] = {
        {KS_FRAME_FL_BEGIN, begin_round},
        {KS_FRAME_FL_UPDATE, add_update},
        {KS_FRAME_FL_CHECKPOINT, write_checkpoint},
        {KS_FRAME_FL_FINISH, finish},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].type == type) {
            return table[i].run;
        }
    }
    return NULL;
}

static enum ks_err answer(struct round *round, const struct ks_frame *frame)
{
    enum ks_err err = KS_OK;
    const request run = request_of(frame->type);
    struct ks_buf payload;

    ks_buf_init(&payload, KS_FL_WORK_ANSWER_MAX);
    KS_CHECK(run != NULL, KS_ERR_FORMAT, "frame of type %u", frame->type);
    err = run(round, frame->payload, &payload);
    if (err == KS_OK) {
        err = ks_buf_check(&payload);
    }
    if (err == KS_OK) {
        size_t begin = ks_answer_begin(&round->channel.out, frame->type, frame->id);

        ks_buf_put(&round->channel.out, ks_buf_view(&payload));
        ks_frame_end(&round->channel.out, begin);
    } else {
        ks_answer_error(&round->channel.out, frame->type, frame->id, err);
    }
    KS_TRY(ks_channel_flush(&round->channel));
out:
    ks_buf_done(&payload);
    return err;
}

/* What is there, one read at a time: a read brings one descriptor at most, and its frame. */
static enum ks_err serve(struct round *round)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    bool found = false;

    for (;;) {
        KS_CHECK(round->arrived < 0, KS_ERR_FORMAT, "a descriptor without a frame");
        KS_TRY(ks_channel_fill(&round->channel, &round->arrived));
        for (;;) {
            KS_TRY(ks_channel_next(&round->channel, &frame, &found));
            if (!found) {
                break;
            }
            KS_TRY(frame.type == KS_FRAME_FL_FILE ? take_file(round, frame.payload)
                                                  : answer(round, &frame));
        }
    }
out:
    return err == KS_ERR_NOT_FOUND ? KS_OK
                                   : err; /* the enclave has closed: the round is over */
}

/* libcrypto looks for its algorithms at their first use, and reads a file of its own at its
 * very first: both before the doors close. What was sealed opens, or nothing here would. */
static enum ks_err try_sealing(void)
{
    static const uint8_t key[KS_AEAD_KEY_LEN] = {1};
    static const uint8_t nonce[KS_AEAD_NONCE_LEN] = {2};
    enum ks_err err = KS_OK;
    uint8_t digest[KS_SHA256_LEN];
    struct ks_buf sealed;
    struct ks_buf open;

    ks_buf_init(&sealed, 256);
    ks_buf_init(&open, 256);
    ks_sha256(KS_BYTES(key), digest);
    KS_TRY(ks_fl_checkpoint_seal(key, nonce, KS_BYTES(digest), &sealed));
    KS_TRY(ks_fl_checkpoint_unseal(key, ks_buf_view(&sealed), &open));
    KS_CHECK(ks_bytes_equal(ks_buf_view(&open), KS_BYTES(digest)), KS_ERR_INTERNAL,
             "what was sealed does not open");
out:
    ks_buf_done(&sealed);
    ks_buf_done(&open);
    return err;
}

static void round_done(struct round *round)
{
    for (size_t i = 0; i < KS_FL_FILES; i++) {
        ks_fd_close(&round->files[i].fd);
    }
    ks_fd_close(&round->arrived);
    ks_fl_gather_free(round->gather);
    ks_free(round->scores);
    ks_fl_state_done(&round->past);
    ks_free(round->values);
    ks_buf_done(&round->parent);
    ks_buf_done(&round->sealed);
    ks_buf_done(&round->open);
    ks_wipe(&round->begin, sizeof round->begin);
    ks_channel_done(&round->channel);
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct round round = {.arrived = -1};
    uint64_t threads = 0;
    uint64_t memory_max = 0;

    ks_channel_init(&round.channel, KS_WORKER_SOCKET_FD, "enclave");
    for (size_t i = 0; i < KS_FL_FILES; i++) {
        round.files[i].fd = -1;
    }
    KS_CHECK(argc == 3, KS_ERR_USAGE, "ketseal-worker-fl is started by ketseal-launch");
    KS_TRY(ks_text_u64(ks_bytes_text(argv[1]), KS_POOL_THREADS_MAX, &threads));
    KS_TRY(ks_text_u64(ks_bytes_text(argv[2]), UINT64_MAX, &memory_max));
    KS_TRY(ks_process_harden());
    KS_TRY(ks_pool_new((unsigned)threads, &round.pool));
    KS_TRY(try_sealing());
    memory_max += (threads - 1) * KS_POOL_STACK_BYTES; /* there already, and no round's */
    KS_TRY(ks_sandbox_worker_fl(memory_max));
    KS_TRY(serve(&round));
out:
    round_done(&round);
    return ks_err_exit_code(err); /* the pool's threads end with us */
}
