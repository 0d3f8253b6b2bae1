/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/fl_work.h"

#include <math.h>

#include "base/text.h"

static enum ks_err read_file(struct ks_reader *reader, enum ks_fl_file least,
                             enum ks_fl_file most, enum ks_fl_file *out_file)
{
    enum ks_err err = KS_OK;
    uint8_t file = 0;

    KS_TRY(ks_read_u8(reader, &file));
    KS_CHECK(file >= least && file <= most, KS_ERR_FORMAT, "file %u", file);
    *out_file = (enum ks_fl_file)file;
out:
    return err;
}

static enum ks_err read_bool(struct ks_reader *reader, bool *out_value)
{
    enum ks_err err = KS_OK;
    uint8_t value = 0;

    KS_TRY(ks_read_u8(reader, &value));
    KS_CHECK(value <= 1, KS_ERR_FORMAT, "%u, where 0 or 1 stands", value);
    *out_value = value == 1;
out:
    return err;
}

static enum ks_err read_finite(struct ks_reader *reader, double *out_figure)
{
    enum ks_err err = KS_OK;
    double figure = 0;

    KS_TRY(ks_read_double(reader, &figure));
    KS_CHECK(isfinite(figure), KS_ERR_FORMAT, "a number is infinite or none");
    *out_figure = figure;
out:
    return err;
}

/* Finite, from 0 on. */
static enum ks_err read_figure(struct ks_reader *reader, double *out_figure)
{
    enum ks_err err = KS_OK;
    double figure = 0;

    KS_TRY(ks_read_double(reader, &figure));
    KS_CHECK(isfinite(figure) && !signbit(figure), KS_ERR_FORMAT,
             "a number is negative, infinite or none");
    *out_figure = figure;
out:
    return err;
}

void ks_fl_work_file_put(const struct ks_fl_work_file *file, struct ks_buf *out)
{
    ks_buf_put_u8(out, (uint8_t)file->file);
    ks_buf_put_u64(out, file->length);
}

enum ks_err ks_fl_work_file_read(struct ks_bytes payload, struct ks_fl_work_file *out_file)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "file frame");
    struct ks_fl_work_file file = {0};

    KS_TRY(read_file(&reader, KS_FL_FILE_PARENT, KS_FL_FILE_NEXT, &file.file));
    KS_TRY(ks_read_u64(&reader, &file.length));
    KS_TRY(ks_read_end(&reader));
    *out_file = file;
out:
    return ks_fail_prefix(err, "file frame");
}

static void put_subject(const struct ks_fl_subject *subject, struct ks_buf *out)
{
    ks_buf_put(out, KS_BYTES(subject->session));
    ks_buf_put_u64(out, subject->round);
    ks_buf_put(out, KS_BYTES(subject->parent));
    ks_buf_put(out, KS_BYTES(subject->shape));
    ks_buf_put_u32(out, subject->params);
}

static enum ks_err read_subject(struct ks_reader *reader, struct ks_fl_subject *subject)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_read_copy(reader, subject->session, sizeof subject->session));
    KS_TRY(ks_read_u64(reader, &subject->round));
    KS_TRY(ks_read_copy(reader, subject->parent, sizeof subject->parent));
    KS_TRY(ks_read_copy(reader, subject->shape, sizeof subject->shape));
    KS_TRY(ks_read_u32(reader, &subject->params));
    KS_CHECK(subject->params >= 1 && subject->params <= KS_FL_PARAMS_MAX, KS_ERR_FORMAT,
             "%u numbers", subject->params);
out:
    return err;
}

/* PARAMS is the subject's; what the figures may be is for fl/rules.h to say. */
static enum ks_err read_server(struct ks_reader *reader, struct ks_fl_server_params *server)
{
    enum ks_err err = KS_OK;
    uint8_t rule = 0;

    KS_TRY(ks_read_u8(reader, &rule));
    KS_CHECK(rule < KS_FL_SERVER_RULES, KS_ERR_FORMAT, "rule %u", rule);
    server->rule = (enum ks_fl_server_rule)rule;
    KS_TRY(read_figure(reader, &server->rate));
    KS_TRY(read_figure(reader, &server->beta1));
    KS_TRY(read_figure(reader, &server->beta2));
    KS_TRY(read_figure(reader, &server->tau));
    KS_TRY(ks_read_u32(reader, &server->clients));
out:
    return err;
}

static void put_robust(const struct ks_fl_robust *robust, struct ks_buf *out)
{
    ks_buf_put_u8(out, (uint8_t)robust->rule);
    ks_buf_put_u32(out, robust->attackers);
    ks_buf_put_u32(out, robust->keep);
    ks_buf_put_u32(out, robust->iterations);
    ks_buf_put_double(out, robust->radius);
    ks_buf_put_double(out, robust->smoothing);
}

/* What the figures may be is for fl/robust.h to say. */
static enum ks_err read_robust(struct ks_reader *reader, struct ks_fl_robust *robust)
{
    enum ks_err err = KS_OK;
    uint8_t rule = 0;
    uint32_t count = 0;

    KS_TRY(ks_read_u8(reader, &rule));
    KS_CHECK(rule < KS_FL_RULES, KS_ERR_FORMAT, "rule of aggregation %u", rule);
    robust->rule = (enum ks_fl_rule)rule;
    KS_TRY(ks_read_u32(reader, &count));
    robust->attackers = count;
    KS_TRY(ks_read_u32(reader, &count));
    robust->keep = count;
    KS_TRY(ks_read_u32(reader, &count));
    robust->iterations = count;
    KS_TRY(read_figure(reader, &robust->radius));
    KS_TRY(read_figure(reader, &robust->smoothing));
out:
    return err;
}

void ks_fl_work_begin_put(const struct ks_fl_work_begin *begin, struct ks_buf *out)
{
    put_subject(&begin->subject, out);
    ks_buf_put_u32(out, begin->members_max);
    ks_buf_put_u32(out, begin->clients);
    put_robust(&begin->robust, out);
    ks_buf_put_u32(out, begin->bucket);
    ks_buf_put_double(out, begin->bound);
    ks_buf_put_u8(out, (uint8_t)begin->server.rule);
    ks_buf_put_double(out, begin->server.rate);
    ks_buf_put_double(out, begin->server.beta1);
    ks_buf_put_double(out, begin->server.beta2);
    ks_buf_put_double(out, begin->server.tau);
    ks_buf_put_u32(out, begin->server.clients);
    ks_buf_put(out, KS_BYTES(begin->checkpoint_key));
    ks_buf_put_u8(out, begin->resumes ? (uint8_t)begin->checkpoint : 0);
    ks_buf_put(out, KS_BYTES(begin->checkpoint_hash));
    ks_buf_put_u8(out, begin->keeps_aggregate);
    ks_buf_put_u8(out, begin->has_state);
    ks_buf_put(out, KS_BYTES(begin->state_key));
    ks_buf_put(out, KS_BYTES(begin->state_hash));
}

enum ks_err ks_fl_work_begin_read(struct ks_bytes payload, struct ks_fl_work_begin *out_begin)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "begin frame");
    struct ks_fl_work_begin begin = {0};
    uint8_t checkpoint = 0;

    KS_TRY(read_subject(&reader, &begin.subject));
    KS_TRY(ks_read_u32(&reader, &begin.members_max));
    KS_CHECK(begin.members_max >= 1 && begin.members_max <= KS_FL_MEMBERS_MAX, KS_ERR_FORMAT,
             "%u members", begin.members_max);
    KS_TRY(ks_read_u32(&reader, &begin.clients));
    KS_TRY(read_robust(&reader, &begin.robust));
    KS_TRY(ks_read_u32(&reader, &begin.bucket));
    KS_TRY(read_figure(&reader, &begin.bound));
    KS_TRY(read_server(&reader, &begin.server));
    begin.server.params = begin.subject.params;
    KS_TRY(ks_read_copy(&reader, begin.checkpoint_key, sizeof begin.checkpoint_key));
    KS_TRY(ks_read_u8(&reader, &checkpoint));
    KS_CHECK(checkpoint == 0 || checkpoint == KS_FL_FILE_FIRST ||
                 checkpoint == KS_FL_FILE_SECOND,
             KS_ERR_FORMAT, "checkpoint %u", checkpoint);
    KS_TRY(ks_read_copy(&reader, begin.checkpoint_hash, sizeof begin.checkpoint_hash));
    KS_TRY(read_bool(&reader, &begin.keeps_aggregate));
    KS_TRY(read_bool(&reader, &begin.has_state));
    KS_TRY(ks_read_copy(&reader, begin.state_key, sizeof begin.state_key));
    KS_TRY(ks_read_copy(&reader, begin.state_hash, sizeof begin.state_hash));
    KS_TRY(ks_read_end(&reader));
    begin.resumes = checkpoint != 0;
    begin.checkpoint = (enum ks_fl_file)checkpoint;
    *out_begin = begin;
out:
    ks_wipe(&begin, sizeof begin);
    return ks_fail_prefix(err, "begin frame");
}

void ks_fl_work_begun_put(const struct ks_fl_work_begun *begun, struct ks_buf *out)
{
    ks_buf_put_lp16(out, begun->kernels);
    ks_buf_put_u32(out, begun->threads);
    ks_buf_put_u32(out, begun->members);
}

enum ks_err ks_fl_work_begun_read(struct ks_reader *reader, struct ks_fl_work_begun *out_begun)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_begun begun = {0};

    KS_TRY(ks_read_lp16(reader, KS_FL_WORK_NAME_MAX, &begun.kernels));
    KS_CHECK(ks_text_is_name(begun.kernels, KS_FL_WORK_NAME_MAX), KS_ERR_FORMAT,
             "the name of its kernels is none");
    KS_TRY(ks_read_u32(reader, &begun.threads));
    KS_TRY(ks_read_u32(reader, &begun.members));
    KS_TRY(ks_read_end(reader));
    *out_begun = begun;
out:
    return err;
}

void ks_fl_work_update_put(const struct ks_fl_work_update *update, struct ks_buf *out)
{
    ks_buf_put(out, KS_BYTES(update->key));
    ks_buf_put_lp16(out, update->client);
    ks_buf_put_u32(out, update->place);
    ks_buf_put_u32(out, update->samples);
    ks_buf_put_u8(out, (uint8_t)update->encoding);
    ks_buf_put(out, KS_BYTES(update->sealed));
}

enum ks_err ks_fl_work_update_read(struct ks_bytes payload,
                                   struct ks_fl_work_update *out_update)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "update frame");
    struct ks_fl_work_update update = {0};
    uint8_t encoding = 0;

    KS_TRY(ks_read_copy(&reader, update.key, sizeof update.key));
    KS_TRY(ks_read_lp16(&reader, KS_FL_CLIENT_NAME_MAX, &update.client));
    KS_CHECK(ks_text_is_name(update.client, KS_FL_CLIENT_NAME_MAX), KS_ERR_FORMAT,
             "update frame: a client without a name");
    KS_TRY(ks_read_u32(&reader, &update.place));
    KS_TRY(ks_read_u32(&reader, &update.samples));
    KS_CHECK(update.samples >= 1 && update.samples <= KS_FL_WEIGHT_MAX, KS_ERR_FORMAT,
             "update frame: %u samples", update.samples);
    KS_TRY(ks_read_u8(&reader, &encoding));
    KS_CHECK(encoding < KS_FL_ENCODINGS, KS_ERR_FORMAT, "update frame: encoding %u", encoding);
    update.encoding = (enum ks_fl_encoding)encoding;
    KS_TRY(ks_read_copy(&reader, update.sealed, sizeof update.sealed));
    KS_TRY(ks_read_end(&reader));
    *out_update = update;
out:
    ks_wipe(&update, sizeof update);
    return err;
}

void ks_fl_work_added_put(const struct ks_fl_work_added *added, struct ks_buf *out)
{
    ks_buf_put(out, KS_BYTES(added->update));
    ks_buf_put_double(out, added->norm);
    ks_buf_put_double(out, added->suspicion);
    ks_buf_put_lp16(out, added->reason);
}

enum ks_err ks_fl_work_added_read(struct ks_reader *reader, struct ks_fl_work_added *out_added)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_added added = {0};

    KS_TRY(ks_read_copy(reader, added.update, sizeof added.update));
    KS_TRY(read_figure(reader, &added.norm));
    KS_TRY(read_figure(reader, &added.suspicion));
    KS_TRY(ks_read_lp16(reader, KS_FL_WORK_WORD_MAX, &added.reason));
    KS_CHECK(ks_text_is_name(added.reason, KS_FL_WORK_WORD_MAX), KS_ERR_FORMAT,
             "the reason is no word");
    KS_TRY(ks_read_end(reader));
    *out_added = added;
out:
    return err;
}

void ks_fl_work_checkpoint_put(const struct ks_fl_work_checkpoint *checkpoint,
                               struct ks_buf *out)
{
    ks_buf_put_u8(out, (uint8_t)checkpoint->file);
    ks_buf_put(out, KS_BYTES(checkpoint->nonce));
}

enum ks_err ks_fl_work_checkpoint_read(struct ks_bytes payload,
                                       struct ks_fl_work_checkpoint *out_checkpoint)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "checkpoint frame");
    struct ks_fl_work_checkpoint checkpoint = {0};

    KS_TRY(read_file(&reader, KS_FL_FILE_FIRST, KS_FL_FILE_SECOND, &checkpoint.file));
    KS_TRY(ks_read_copy(&reader, checkpoint.nonce, sizeof checkpoint.nonce));
    KS_TRY(ks_read_end(&reader));
    *out_checkpoint = checkpoint;
out:
    return ks_fail_prefix(err, "checkpoint frame");
}

void ks_fl_work_written_put(const struct ks_fl_work_written *written, struct ks_buf *out)
{
    ks_buf_put(out, KS_BYTES(written->hash));
    ks_buf_put_u64(out, written->length);
    ks_buf_put_u32(out, written->members);
    ks_buf_put_u64(out, written->weight);
}

static enum ks_err read_written(struct ks_reader *reader,
                                struct ks_fl_work_written *out_written)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_written written = {0};

    KS_TRY(ks_read_copy(reader, written.hash, sizeof written.hash));
    KS_TRY(ks_read_u64(reader, &written.length));
    KS_TRY(ks_read_u32(reader, &written.members));
    KS_TRY(ks_read_u64(reader, &written.weight));
    *out_written = written;
out:
    return err;
}

enum ks_err ks_fl_work_written_read(struct ks_reader *reader,
                                    struct ks_fl_work_written *out_written)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_written written;

    KS_TRY(read_written(reader, &written));
    KS_TRY(ks_read_end(reader));
    *out_written = written;
out:
    return err;
}

void ks_fl_work_finish_put(const struct ks_fl_work_finish *finish, struct ks_buf *out)
{
    ks_buf_put(out, KS_BYTES(finish->nonce));
}

enum ks_err ks_fl_work_finish_read(struct ks_bytes payload,
                                   struct ks_fl_work_finish *out_finish)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "finish frame");
    struct ks_fl_work_finish finish = {0};

    KS_TRY(ks_read_copy(&reader, finish.nonce, sizeof finish.nonce));
    KS_TRY(ks_read_end(&reader));
    *out_finish = finish;
out:
    return err;
}

/* --- scores ------------------------------------------------------------------------------- */

static void put_score(const struct ks_fl_score *score, struct ks_buf *out)
{
    ks_buf_put_double(out, score->score);
    ks_buf_put_u8(out, (uint8_t)score->reason);
    ks_buf_put_double(out, score->norm);
    ks_buf_put_double(out, score->distance);
    ks_buf_put_double(out, score->cosine);
    ks_buf_put_double(out, score->share);
}

static enum ks_err read_score(struct ks_reader *reader, struct ks_fl_score *out_score)
{
    enum ks_err err = KS_OK;
    struct ks_fl_score score = {0};
    uint8_t reason = 0;

    KS_TRY(read_figure(reader, &score.score));
    KS_TRY(ks_read_u8(reader, &reason));
    KS_CHECK(reason < KS_FL_SUSPICIONS, KS_ERR_FORMAT, "reason %u", reason);
    score.reason = (enum ks_fl_suspicion)reason;
    KS_TRY(read_finite(reader, &score.norm));
    KS_TRY(read_finite(reader, &score.distance));
    KS_TRY(read_finite(reader, &score.cosine));
    KS_TRY(read_figure(reader, &score.share));
    *out_score = score;
out:
    return err;
}

void ks_fl_work_finished_put(const struct ks_fl_work_finished *finished, struct ks_buf *out)
{
    ks_fl_work_written_put(&finished->model, out);
    ks_buf_put(out, KS_BYTES(finished->state));
    ks_buf_put_u32(out, finished->count);
    for (uint32_t i = 0; i < finished->count; i++) {
        put_score(&finished->scores[i], out);
    }
}

enum ks_err ks_fl_work_finished_read(struct ks_reader *reader, uint32_t count_max,
                                     struct ks_fl_work_finished *out_finished)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_finished finished = {.scores = out_finished->scores};

    KS_TRY(read_written(reader, &finished.model));
    KS_TRY(ks_read_copy(reader, finished.state, sizeof finished.state));
    KS_TRY(ks_read_u32(reader, &finished.count));
    KS_CHECK(finished.count <= count_max, KS_ERR_FORMAT, "%u scores, where there are %u",
             finished.count, count_max);
    for (uint32_t i = 0; i < finished.count; i++) {
        KS_TRY(read_score(reader, &finished.scores[i]));
    }
    KS_TRY(ks_read_end(reader));
    *out_finished = finished;
out:
    return err;
}
