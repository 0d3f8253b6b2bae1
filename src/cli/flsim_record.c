/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Writing the records of a session; reading them: flsim_records.c. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/flsim_line.h"
#include "cli/flsim_record.h"
#include "cli/flsim_work.h"
#include "crypto/digest.h"
#include "record/record.h"

#define LINE_ROOM ((size_t)2048)

static void put_figure(struct ks_json_writer *writer, const char *name, double value)
{
    KS_ASSERT(isfinite(value));
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

static void put_time(struct ks_json_writer *writer, const char *name, uint64_t time_us)
{
    char text[KS_TIME_TEXT_LEN + 1];

    ks_time_text(time_us, text);
    ks_json_member_text(writer, name, text);
}

/* --- cores -------------------------------------------------------------------------------- */

void ks_flsim_update_core(const struct ks_flsim_update_record *record, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    put_time(&writer, "at", record->at_us);
    ks_json_member_bool(&writer, "attacks", record->attacks);
    ks_json_member_string(&writer, "client", record->client);
    ks_json_member_text(&writer, "kind", ks_kind_name(KS_KIND_UPDATE));
    ks_json_member_u64(&writer, "length", record->length);
    put_figure(&writer, "loss", record->loss);
    put_figure(&writer, "norm", record->norm);
    ks_json_member_string(&writer, "reason", record->reason);
    ks_json_member_u64(&writer, "round", record->round);
    ks_json_member_u64(&writer, "samples", record->samples);
    ks_json_member_hex(&writer, "sealed", KS_BYTES(record->sealed));
    put_figure(&writer, "share", record->share);
    ks_json_member_u64(&writer, "steps", record->steps);
    put_figure(&writer, "suspicion", record->suspicion);
    ks_json_member_hex(&writer, "update", KS_BYTES(record->update));
    ks_json_member_u64(&writer, "version", record->version);
    ks_json_put_end(&writer);
}

void ks_flsim_round_core(const struct ks_flsim_round_record *record, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    if (record->metric.known && record->metric.classes) {
        put_figure(&writer, "accuracy", record->metric.accuracy);
    }
    ks_json_member_u64(&writer, "count", record->count);
    put_time(&writer, "finished_at", record->finished_us);
    ks_json_member_u64(&writer, "invited", record->invited);
    ks_json_member_text(&writer, "kind", ks_kind_name(KS_KIND_ROUND));
    ks_json_member_u64(&writer, "left", record->left);
    put_figure(&writer, "loss", record->loss);
    ks_json_member_hex(&writer, "model", KS_BYTES(record->model));
    ks_json_member_string(&writer, "outcome", record->outcome);
    ks_json_member_hex(&writer, "parent", KS_BYTES(record->parent));
    ks_json_member_hex(&writer, "previous", KS_BYTES(record->previous));
    ks_json_member_u64(&writer, "refused", record->refused);
    ks_json_member_u64(&writer, "round", record->round);
    ks_json_member_u64(&writer, "samples", record->samples);
    put_time(&writer, "started_at", record->started_us);
    if (record->metric.known) {
        put_figure(&writer, "test_loss", record->metric.loss);
    }
    ks_json_member_hex(&writer, "updates", KS_BYTES(record->updates));
    ks_json_member_u64(&writer, "uploaded", record->uploaded);
    ks_json_put_end(&writer);
}

/* --- signing ------------------------------------------------------------------------------ */

struct keys {
    struct ks_sign_key *ed25519;
    struct ks_sign_key *mldsa65;
};

static void keys_done(struct keys *keys)
{
    ks_sign_key_free(keys->ed25519);
    ks_sign_key_free(keys->mldsa65);
}

/* Both follow from the session's secret. */
static enum ks_err make_keys(const struct ks_flsim *sim, struct keys *keys)
{
    enum ks_err err = KS_OK;
    uint8_t seeds[64] = {0};

    KS_TRY(ks_hkdf_sha256(KS_BYTES(sim->state.secret), (struct ks_bytes){0},
                          KS_LITERAL("ketseal/fl-simulation-keys/1"), seeds, sizeof seeds));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_ED25519, ks_bytes_of(seeds, 32), &keys->ed25519));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_MLDSA65, ks_bytes_of(seeds + 32, 32), &keys->mldsa65));
out:
    ks_wipe(seeds, sizeof seeds);
    return err;
}

/* The line of CORE, signed by KEYS. */
static enum ks_err put_signed(const struct keys *keys, struct ks_bytes core, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint8_t hash[KS_SHA256_LEN];
    uint8_t digest[KS_SHA256_LEN];
    struct ks_buf signatures[2];
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_buf_init(&signatures[0], KS_SIG_LEN_MAX);
    ks_buf_init(&signatures[1], KS_SIG_LEN_MAX);
    ks_sha256(core, hash);
    ks_flsim_digest(hash, digest);
    KS_TRY(ks_sign(keys->ed25519, "", KS_BYTES(digest), &signatures[0]));
    KS_TRY(ks_sign(keys->mldsa65, KS_FLSIM_CONTEXT, KS_BYTES(digest), &signatures[1]));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "core");
    ks_json_put_canonical(&writer, core);
    ks_json_put_key(&writer, "signatures");
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "ed25519", ks_buf_view(&signatures[0]));
    ks_json_member_base64(&writer, "ml-dsa-65", ks_buf_view(&signatures[1]));
    ks_json_put_end(&writer);
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&signatures[0]);
    ks_buf_done(&signatures[1]);
    return err;
}

/* Appends LINES durably; the state that counts them comes after. */
static enum ks_err append(struct ks_flsim *sim, struct ks_buf *lines)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_buf_check(lines));
    KS_TRY(sim->spec.fs->append(sim->records, ks_buf_view(lines)));
    KS_TRY(sim->spec.fs->sync(sim->records));
    sim->state.records_len += lines->len;
out:
    return err;
}

/* --- the session -------------------------------------------------------------------------- */

static enum ks_err put_session_core(const struct ks_flsim *sim, const struct keys *keys,
                                    struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_json_writer writer = ks_json_writer_of(out);
    struct ks_buf publics[2];

    ks_buf_init(&publics[0], KS_SIG_PUBLIC_LEN_MAX);
    ks_buf_init(&publics[1], KS_SIG_PUBLIC_LEN_MAX);
    KS_TRY(ks_sign_key_public(keys->ed25519, &publics[0]));
    KS_TRY(ks_sign_key_public(keys->mldsa65, &publics[1]));
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "ed25519", ks_buf_view(&publics[0]));
    ks_json_member_text(&writer, "evidence", "none");
    ks_json_member_text(&writer, "isolation", "none");
    ks_json_member_text(&writer, "kind", "fl.simulation");
    ks_json_member_base64(&writer, "ml-dsa-65", ks_buf_view(&publics[1]));
    ks_json_member_hex(&writer, "model", KS_BYTES(sim->model.hash));
    ks_json_member_u64(&writer, "params", sim->params);
    ks_json_put_key(&writer, "plan");
    ks_json_put_canonical(&writer, sim->plan->text);
    ks_json_member_text(&writer, "schema", KS_FLSIM_SCHEMA);
    ks_json_member_hex(&writer, "session", KS_BYTES(sim->session));
    ks_json_member_hex(&writer, "shape", KS_BYTES(sim->model.shape));
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&publics[0]);
    ks_buf_done(&publics[1]);
    return err;
}

enum ks_err ks_flsim_record_begin(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    struct keys keys = {0};
    struct ks_buf core;
    struct ks_buf lines;

    ks_buf_init(&core, KS_FLSIM_LINE_MAX);
    ks_buf_init(&lines, KS_FLSIM_LINE_MAX + LINE_ROOM);
    KS_TRY(make_keys(sim, &keys));
    KS_TRY(put_session_core(sim, &keys, &core));
    ks_sha256(ks_buf_view(&core), sim->state.previous);
    KS_TRY(put_signed(&keys, ks_buf_view(&core), &lines));
    KS_TRY(append(sim, &lines));
out:
    keys_done(&keys);
    ks_buf_done(&core);
    ks_buf_done(&lines);
    return err;
}

/* --- a round ------------------------------------------------------------------------------ */

static struct ks_flsim_update_record update_record(const struct ks_flsim *sim, size_t member)
{
    const struct ks_flsim_member *fact = &sim->state.members[member];
    const struct ks_fl_score *score = &sim->scores[member];
    struct ks_flsim_update_record record = {
        .round = sim->state.ended + 1,
        .client = sim->plan->clients[fact->client].name,
        .attacks = ks_flsim_attacks(sim->plan, fact->client),
        .version = fact->version,
        .samples = fact->samples,
        .steps = fact->steps,
        .length = fact->length,
        .at_us = fact->at_us,
        .loss = fact->loss,
        .norm = fact->norm,
        .share = score->share,
        .suspicion = score->score,
        .reason = ks_bytes_text(ks_fl_suspicion_word(score->reason)),
    };

    ks_copy(record.update, fact->update, sizeof record.update);
    ks_copy(record.sealed, fact->sealed, sizeof record.sealed);
    return record;
}

static int by_bytes(const void *left, const void *right)
{
    return ks_bytes_compare(ks_bytes_of(left, KS_SHA256_LEN),
                            ks_bytes_of(right, KS_SHA256_LEN));
}

bool ks_flsim_sort(uint8_t *hashes, size_t count)
{
    bool unlike = true;

    qsort(hashes, count, KS_SHA256_LEN, by_bytes);
    for (size_t i = 1; i < count; i++) {
        unlike = unlike &&
                 by_bytes(&hashes[(i - 1) * KS_SHA256_LEN], &hashes[i * KS_SHA256_LEN]) != 0;
    }
    return unlike;
}

/* The lines of all members, and the hash of each core. */
static enum ks_err put_updates(const struct ks_flsim *sim, uint8_t *hashes,
                               struct ks_flsim_round_record *round, struct ks_buf *lines)
{
    enum ks_err err = KS_OK;
    struct ks_buf core;

    ks_buf_init(&core, LINE_ROOM);
    for (size_t i = 0; i < sim->state.members_count; i++) {
        const struct ks_flsim_update_record record = update_record(sim, i);

        ks_buf_clear(&core);
        ks_flsim_update_core(&record, &core);
        KS_TRY(ks_buf_check(&core));
        ks_sha256(ks_buf_view(&core), hashes + i * KS_SHA256_LEN);
        ks_buf_put_text(lines, "{\"core\":");
        ks_buf_put(lines, ks_buf_view(&core));
        ks_buf_put_text(lines, "}\n");
        round->samples += record.samples;
        round->uploaded += record.length;
        round->loss += (double)record.samples * record.loss;
    }
    round->loss = round->samples == 0 ? 0 : round->loss / (double)round->samples;
    round->count = sim->state.members_count;
out:
    ks_buf_done(&core);
    return err;
}

static struct ks_flsim_round_record round_record(const struct ks_flsim *sim,
                                                 const uint8_t parent[KS_FL_HASH_LEN],
                                                 const char *outcome)
{
    struct ks_flsim_round_record record = {
        .round = sim->state.ended + 1,
        .outcome = ks_bytes_text(outcome),
        .invited = sim->state.members_count + sim->state.refused + sim->state.left,
        .refused = sim->state.refused,
        .left = sim->state.left,
        .started_us = sim->state.began_us,
        .finished_us = ks_clock_us(),
        .metric = sim->metric,
    };
    struct ks_fl_round_status status;

    if (sim->round != NULL) {
        ks_fl_round_status(sim->round, &status);
        record.invited = ks_fl_round_participants(sim->round);
        record.left = status.left;
    }
    ks_copy(record.parent, parent, sizeof record.parent);
    ks_copy(record.model, sim->model.hash, sizeof record.model);
    ks_copy(record.previous, sim->state.previous, sizeof record.previous);
    return record;
}

enum ks_err ks_flsim_record_round(struct ks_flsim *sim, const uint8_t parent[KS_FL_HASH_LEN],
                                  const char *outcome)
{
    enum ks_err err = KS_OK;
    struct ks_flsim_round_record record = round_record(sim, parent, outcome);
    uint8_t *hashes = ks_calloc(sim->state.members_count, KS_SHA256_LEN);
    struct keys keys = {0};
    struct ks_buf core;
    struct ks_buf lines;

    ks_buf_init(&core, LINE_ROOM);
    ks_buf_init(&lines, (sim->state.members_count + 8) * LINE_ROOM);
    KS_CHECK(hashes != NULL, KS_ERR_NOMEM, "%zu records", sim->state.members_count);
    KS_TRY(make_keys(sim, &keys));
    KS_TRY(put_updates(sim, hashes, &record, &lines));
    (void)ks_flsim_sort(hashes, sim->state.members_count); /* each names another client */
    ks_round_updates_digest(hashes, sim->state.members_count, record.updates);
    ks_flsim_round_core(&record, &core);
    KS_TRY(ks_buf_check(&core));
    ks_sha256(ks_buf_view(&core), sim->state.previous);
    KS_TRY(put_signed(&keys, ks_buf_view(&core), &lines));
    KS_TRY(append(sim, &lines));
    sim->last = record;
out:
    keys_done(&keys);
    ks_free(hashes);
    ks_buf_done(&core);
    ks_buf_done(&lines);
    return err;
}

const struct ks_flsim_round_record *ks_flsim_last(const struct ks_flsim *sim)
{
    return &sim->last;
}

enum ks_err ks_flsim_records(struct ks_flsim *sim, struct ks_buf *out)
{
    return sim->spec.fs->read_all(sim->records, KS_FLSIM_RECORDS_MAX, out);
}
