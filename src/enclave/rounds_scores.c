/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the rule of a round says of its updates: a file under its hash, since a round may have
 * tens of thousands, and one record that names it. Both are there before the round ends. */

#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "enclave/rounds_state.h"

#define SCORE_LEN (3 * 8 + 1)
#define BYTES_MAX (4 + (size_t)KS_FL_MEMBERS_MAX * SCORE_LEN)

void ks_rounds_scores_name(const uint8_t id[KS_SESSION_LEN], uint64_t number,
                           char target[KS_ROUNDS_FILE_NAME_MAX])
{
    char hex[2 * KS_SESSION_LEN + 1];

    ks_hex_encode(ks_bytes_of(id, KS_SESSION_LEN), hex);
    (void)snprintf(target, KS_ROUNDS_FILE_NAME_MAX, "fl-%s.%llu-s", hex,
                   (unsigned long long)number);
}

/* u32 count; for each, in the order of the chain: f64 suspicion, u8 reason, f64 cosine, f64
 * share */
static void put_scores(const struct ks_fl_score *scores, size_t count, struct ks_buf *out)
{
    ks_buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ks_buf_put_double(out, scores[i].score);
        ks_buf_put_u8(out, (uint8_t)scores[i].reason);
        ks_buf_put_double(out, scores[i].cosine);
        ks_buf_put_double(out, scores[i].share);
    }
}

static enum ks_err read_score(struct ks_reader *reader, struct ks_fl_score *out_score)
{
    enum ks_err err = KS_OK;
    struct ks_fl_score score = {0};
    uint8_t reason = 0;

    KS_TRY(ks_read_double(reader, &score.score));
    KS_TRY(ks_read_u8(reader, &reason));
    KS_TRY(ks_read_double(reader, &score.cosine));
    KS_TRY(ks_read_double(reader, &score.share));
    KS_CHECK(reason < KS_FL_SUSPICIONS && isfinite(score.score) && isfinite(score.cosine) &&
                 isfinite(score.share),
             KS_ERR_FORMAT, "a score that is none");
    score.reason = (enum ks_fl_suspicion)reason;
    *out_score = score;
out:
    return err;
}

static void set_score(struct ks_delivery *delivery, const struct ks_fl_score *score)
{
    delivery->suspicion = score->score;
    delivery->cosine = score->cosine;
    delivery->share = score->share;
    (void)snprintf(delivery->reason, sizeof delivery->reason, "%s",
                   ks_fl_suspicion_word(score->reason));
}

enum ks_err ks_rounds_scored(struct ks_rounds *rounds, struct ks_rounds_session *session,
                             const struct ks_fl_score *scores, uint64_t now_us)
{
    enum ks_err err = KS_OK;
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_SCORED, session);
    char name[KS_ROUNDS_FILE_NAME_MAX];
    struct ks_buf file;

    ks_buf_init(&file, BYTES_MAX);
    KS_CHECK(session->round != NULL, KS_ERR_CONFLICT, "no round is open");
    put_scores(scores, session->delivered, &file);
    KS_TRY(ks_buf_check(&file));
    ks_rounds_scores_name(session->id, session->last, name);
    KS_TRY(ks_fs_replace(rounds->fs, name, ks_buf_view(&file)));
    ks_sha256(ks_buf_view(&file), record.hash[0]);
    record.at_us = now_us;
    record.count = (uint32_t)session->delivered;
    KS_TRY(ks_rounds_apply(rounds, &record));
out:
    ks_buf_done(&file);
    return err;
}

enum ks_err ks_rounds_take_scores(const struct ks_rounds *rounds,
                                  struct ks_rounds_session *session,
                                  const struct ks_round_record *record)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader;
    struct ks_fl_score score = {0};
    char name[KS_ROUNDS_FILE_NAME_MAX];
    uint8_t digest[KS_SHA256_LEN];
    struct ks_buf file;
    uint32_t count = 0;

    ks_buf_init(&file, BYTES_MAX);
    ks_rounds_scores_name(session->id, session->last, name);
    err = ks_fs_load(rounds->fs, name, BYTES_MAX, &file);
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    ks_sha256(ks_buf_view(&file), digest);
    session->scores_lost = !ks_bytes_equal(KS_BYTES(digest), KS_BYTES(record->hash[0]));
    if (session->scores_lost) {
        goto out; /* later ones were written, and their record comes; or the round never ends */
    }
    reader = ks_reader_of(ks_buf_view(&file), name);
    KS_TRY(ks_read_u32(&reader, &count));
    KS_CHECK(count == session->delivered, KS_ERR_FORMAT, "%s: %u scores of %zu updates", name,
             count, session->delivered);
    for (uint32_t i = 0; i < count; i++) {
        KS_TRY(read_score(&reader, &score));
        set_score(&session->deliveries[i], &score);
    }
    KS_TRY(ks_read_end(&reader));
out:
    ks_buf_done(&file);
    return err;
}
