/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl join: a device's part in a session: it waits for a round that it is invited to, joins,
 * trains on what it has, contributes, keeps the bundle. Its samples stay here. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/alerts.h"
#include "cli/bundle.h"
#include "cli/device.h"
#include "cli/fl_lost.h"
#include "cli/joining.h"
#include "cli/learn_data.h"
#include "client/fl.h"
#include "client/jobs.h"
#include "fl/model.h"
#include "fl/round.h"
#include "fl/update.h"
#include "record/record.h"

#define STATUS_MAX  (8 * 1024 * 1024)
#define TARGET_MAX  128
#define POLL_MS     500
#define THREADS_MAX 64
#define EPOCHS_MAX  10000
#define TRIES_MAX   60 /* of one answer, or one update, that the site cannot take now */

/* The session as the site says it is. */
struct view {
    bool over;
    uint64_t round; /* that is open; 0: none */
    bool paused;
    bool training; /* and not paused */
};

struct join {
    struct ks_cli *cli;
    struct ks_client *client;
    struct ks_watch *watch;
    struct ks_joining who;
    char session_text[2 * KS_SESSION_LEN + 1];
    uint8_t session[KS_SESSION_LEN];
    struct ks_learn_data data;
    struct ks_split split;
    struct ks_subset share;
    struct ks_pool *pool;
    uint64_t seed;
    uint64_t done;  /* the last round that we had to do with */
    uint64_t taken; /* rounds that have our update */
    /* Of rounds with topk: what our updates have left out so far, and with the one that is
     * under way. NULL before the first. */
    float *residual;
    float *residual_next;
    uint64_t residual_round; /* of the update that is under way */
};

/* What is trained in one round. */
struct work {
    struct ks_fl_descriptor descriptor;
    struct ks_model *model;
    struct ks_trainer *trainer;
    float *parent;
    float *params;
    struct ks_train_stats stats;
    uint64_t local_us;
};

static void work_done(struct work *work)
{
    ks_trainer_free(work->trainer);
    ks_model_free(work->model);
    ks_free(work->parent);
    ks_free(work->params);
    ks_fl_descriptor_done(&work->descriptor);
}

static void pause_ms(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000),
                            .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&left, NULL); /* a signal shortens one pause, which harms nothing */
}

/* --- what the site says ------------------------------------------------------------------- */

static enum ks_err read_round(const struct ks_json *round, struct view *view)
{
    enum ks_err err = KS_OK;
    struct ks_bytes phase = {0};
    uint64_t number = 0;

    KS_TRY(ks_json_get_string(round, "phase", &phase));
    KS_TRY(ks_json_get_u64(round, "round", KS_JSON_INTEGER_MAX, &number));
    if (!ks_bytes_is(phase, ks_fl_phase_word(KS_FL_COMPLETED)) &&
        !ks_bytes_is(phase, ks_fl_phase_word(KS_FL_FAILED))) {
        view->round = number;
        KS_TRY(ks_json_get_bool(round, "paused", &view->paused));
        view->training = !view->paused && ks_bytes_is(phase, ks_fl_phase_word(KS_FL_TRAINING));
    }
out:
    return err;
}

static enum ks_err look(const struct join *join, struct view *out_view)
{
    static const struct ks_json_limits limits = {.len_max = STATUS_MAX,
                                                 .nodes_max = 1024 * 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *rounds = NULL;
    struct ks_bytes state = {0};
    struct view view = {0};
    struct ks_buf answer;
    char target[TARGET_MAX];

    ks_buf_init(&answer, STATUS_MAX);
    (void)snprintf(target, sizeof target, "/v1/fl/sessions/%s", join->session_text);
    KS_TRY(ks_client_get(join->client, target, &answer));
    KS_TRY(ks_json_parse(ks_buf_view(&answer), &limits, &doc));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "state", &state));
    view.over = !ks_bytes_is(state, "CREATED") && !ks_bytes_is(state, "RUNNING");
    KS_TRY(ks_json_get(ks_json_root(doc), "rounds", KS_JSON_ARRAY, &rounds));
    for (size_t i = 0; i < ks_json_count(rounds); i++) {
        KS_TRY(read_round(ks_json_at(rounds, i), &view));
    }
    *out_view = view;
out:
    ks_json_doc_free(doc);
    ks_buf_done(&answer);
    return err;
}

/* --- training ----------------------------------------------------------------------------- */

static enum ks_err fetch_parent(const struct join *join, struct work *work)
{
    enum ks_err err = KS_OK;
    struct ks_fl_model facts;
    struct ks_buf file;
    struct ks_buf card;

    ks_buf_init(&file, KS_TENSORS_BYTES_MAX);
    ks_buf_init(&card, KS_MODEL_CARD_MAX);
    KS_TRY(ks_client_fl_model(join->client, work->descriptor.parent, &file));
    KS_TRY(ks_fl_model_read(ks_buf_view(&file), KS_MODEL_PARAMS_MAX, &facts));
    KS_CHECK(facts.params == work->descriptor.params &&
                 ks_bytes_equal(KS_BYTES(facts.shape), KS_BYTES(work->descriptor.shape)),
             KS_ERR_VERIFY, "the global model has another shape than the round's descriptor");
    KS_TRY(ks_model_check_order(ks_buf_view(&file)));
    KS_TRY(ks_model_read(ks_buf_view(&file), &work->model, &work->params, &card));
    KS_CHECK(ks_model_params(work->model) == facts.params, KS_ERR_FORMAT,
             "the global model has numbers that no layer has");
    work->parent = ks_calloc_huge(facts.params, sizeof *work->parent);
    KS_CHECK(work->parent != NULL, KS_ERR_NOMEM, "%zu parameters", facts.params);
    ks_fl_model_values(&facts, work->parent);
out:
    ks_buf_done(&file);
    ks_buf_done(&card);
    return ks_fail_prefix(err, "global model");
}

/* Devices have one --seed unless told otherwise: what is random is another for each all the
 * same, and in each round. */
static uint64_t seed_of(const struct join *join, enum ks_fl_draw draw,
                        const struct ks_fl_descriptor *descriptor)
{
    return ks_fl_client_seed(draw, join->seed, ks_bytes_text(ks_client_device(join->client)),
                             descriptor->round);
}

static enum ks_err make_trainer(const struct join *join, struct work *work)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_plan_local *local = &work->descriptor.local;
    struct ks_train_params how = KS_TRAIN_DEFAULTS;

    KS_CHECK(local->batch <= KS_BATCH_MAX && local->epochs <= EPOCHS_MAX, KS_ERR_LIMIT,
             "the round asks for batches of %llu and %llu epochs",
             (unsigned long long)local->batch, (unsigned long long)local->epochs);
    KS_CHECK(ks_bytes_is(local->optimiser, "sgd") || ks_bytes_is(local->optimiser, "adam"),
             KS_ERR_UNAVAILABLE, "the round asks for an optimiser that is not here");
    how.optimiser =
        ks_bytes_is(local->optimiser, "adam") ? KS_OPTIMISER_ADAM : KS_OPTIMISER_SGD;
    how.batch = (unsigned)local->batch;
    how.rate = local->rate;
    how.momentum = local->momentum;
    how.weight_decay = local->weight_decay;
    how.clip_norm = local->clip_norm;
    how.proximal = local->proximal;
    how.seed = seed_of(join, KS_FL_DRAW_TRAINING, &work->descriptor);
    KS_TRY(ks_trainer_new(work->model, &how, join->pool, &work->trainer));
out:
    return err;
}

/* The parameters become what this device makes of them, the parent's place what was learned. */
static enum ks_err train(const struct join *join, struct work *work)
{
    enum ks_err err = KS_OK;
    const uint64_t epochs = work->descriptor.local.epochs;
    const uint64_t before = (work->descriptor.round - 1) * epochs;
    const uint64_t begin_us = ks_clock_monotonic_us();

    for (uint64_t epoch = 1; epoch <= epochs; epoch++) {
        KS_TRY(ks_train_epoch(work->trainer, &join->share, (unsigned)(before + epoch),
                              work->parent, work->params, &work->stats));
        ks_cli_progress(join->cli, "round %llu, epoch %llu: loss %.4f",
                        (unsigned long long)work->descriptor.round, (unsigned long long)epoch,
                        work->stats.loss);
    }
    KS_TRY(ks_model_check(work->model, work->params));
    for (size_t i = 0; i < ks_model_params(work->model); i++) {
        work->parent[i] = work->params[i] - work->parent[i];
    }
    work->local_us = ks_clock_monotonic_us() - begin_us;
out:
    return err;
}

/* --- a round ------------------------------------------------------------------------------ */

static uint64_t weight_of(const struct join *join, const struct ks_fl_descriptor *descriptor)
{
    return join->share.count < descriptor->samples_max ? join->share.count
                                                       : descriptor->samples_max;
}

/* Until the round is paused no more, and where TRAINING takes updates; *OUT_OPEN false: it has
 * ended without us. */
static enum ks_err await_round(const struct join *join, uint64_t round, bool training,
                               bool *out_open)
{
    enum ks_err err = KS_OK;
    struct view view = {0};

    *out_open = false;
    KS_TRY(look(join, &view));
    while (view.round == round && (training ? !view.training : view.paused)) {
        pause_ms(POLL_MS);
        KS_TRY(look(join, &view));
    }
    *out_open = view.round == round;
out:
    return err;
}

static enum ks_err keep_bundle(const struct join *join, uint64_t round,
                               const struct ks_buf *bundle)
{
    enum ks_err err = KS_OK;
    char name[TARGET_MAX];
    char path[KS_PATH_MAX];

    (void)snprintf(name, sizeof name, "%s-%llu.json", join->session_text,
                   (unsigned long long)round);
    KS_TRY(ks_path_join(ks_cli_text(join->cli, "out"), name, path));
    KS_TRY(ks_cli_bundle_check(join->cli, bundle));
    KS_TRY(ks_cli_output(path, NULL, ks_buf_view(bundle)));
    ks_cli_progress(join->cli, "round %llu: contributed, kept in %s", (unsigned long long)round,
                    path);
out:
    return err;
}

static enum ks_err contribute(const struct join *join, const struct work *work)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_descriptor *descriptor = &work->descriptor;
    const uint64_t batches =
        (join->share.count + descriptor->local.batch - 1) / descriptor->local.batch;
    const struct ks_client_update update = {.values = work->parent,
                                            .samples = weight_of(join, descriptor),
                                            .loss = work->stats.loss,
                                            .steps = batches * descriptor->local.epochs,
                                            .seed =
                                                seed_of(join, KS_FL_DRAW_ROUNDING, descriptor),
                                            .local_us = work->local_us,
                                            .residual = join->residual_next};
    struct ks_buf bundle;

    ks_buf_init(&bundle, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_client_fl_contribute(join->client, descriptor, &update, &bundle));
    ks_cli_key_notice(join->cli, join->client);
    KS_TRY(keep_bundle(join, descriptor->round, &bundle));
out:
    ks_buf_done(&bundle);
    return err;
}

/* The bundle of job ID, if that is this session's ROUND. */
static enum ks_err keep_if_ours(const struct join *join, uint64_t round, const char *id,
                                bool *out_kept)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_client_bundle(join->client, id, &bytes));
    KS_TRY(ks_fail_prefix(ks_bundle_parse(ks_buf_view(&bytes), &bundle), "the site's bundle"));
    *out_kept = bundle->core.kind == KS_KIND_UPDATE && bundle->core.fl.round == round &&
                ks_bytes_equal(KS_BYTES(bundle->core.fl.session), KS_BYTES(join->session));
    KS_TRY(*out_kept ? keep_bundle(join, round, &bytes) : KS_OK);
out:
    ks_bundle_free(bundle);
    ks_buf_done(&bytes);
    return err;
}

/* The update of ROUND counts; unless an earlier process sent it, and what it left out is lost.
 */
static void keep_residual(struct join *join, uint64_t round)
{
    float *const before = join->residual;

    if (join->residual_round == round) {
        join->residual = join->residual_next;
        join->residual_next = before;
        join->residual_round = 0;
    }
}

/* Our update counts, and its answer was lost: it is among the newest jobs. */
static enum ks_err recover(struct join *join, uint64_t round)
{
    static const struct ks_json_limits limits = {.len_max = STATUS_MAX, .nodes_max = 4096};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *jobs = NULL;
    struct ks_job_status job;
    struct ks_buf answer;
    bool kept = false;

    ks_buf_init(&answer, STATUS_MAX);
    KS_TRY(ks_client_get(join->client, "/v1/jobs?limit=8", &answer));
    KS_TRY(ks_json_parse(ks_buf_view(&answer), &limits, &doc));
    KS_TRY(ks_json_get(ks_json_root(doc), "jobs", KS_JSON_ARRAY, &jobs));
    for (size_t i = 0; i < ks_json_count(jobs) && !kept; i++) {
        KS_TRY(ks_job_status_take(ks_json_at(jobs, i), &job));
        if (job.phase == KS_JOB_PHASE_DONE) {
            KS_TRY(keep_if_ours(join, round, job.id, &kept));
        }
    }
    if (kept) {
        keep_residual(join, round);
    }
out:
    ks_json_doc_free(doc);
    ks_buf_done(&answer);
    return err;
}

/* What was left out so far is added to the next update, and what that leaves out stands beside
 * it until the update counts. */
static enum ks_err open_residual(struct join *join, const struct ks_fl_descriptor *descriptor)
{
    enum ks_err err = KS_OK;
    const size_t count = (size_t)descriptor->params;

    if (!ks_bytes_is(descriptor->local.encoding, ks_fl_encoding_word(KS_FL_TOPK))) {
        return KS_OK;
    }
    if (join->residual == NULL) {
        join->residual = ks_calloc_huge(count, sizeof *join->residual);
        join->residual_next = ks_calloc_huge(count, sizeof *join->residual);
        KS_CHECK(join->residual != NULL && join->residual_next != NULL, KS_ERR_NOMEM,
                 "%zu parameters", count);
    }
    ks_copy(join->residual_next, join->residual, count * sizeof *join->residual);
    join->residual_round = descriptor->round;
out:
    return err;
}

/* Joins; what cannot be had now, above all in a pause that has just begun, is asked for again
 * while the round is open. */
static enum ks_err join_round(const struct join *join, const struct work *work, bool *out_open)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_descriptor *descriptor = &work->descriptor;
    struct ks_buf answer;

    ks_buf_init(&answer, STATUS_MAX);
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        KS_TRY(await_round(join, descriptor->round, false, out_open));
        if (!*out_open) {
            break;
        }
        ks_buf_clear(&answer);
        err = ks_client_fl_join(join->client, descriptor, weight_of(join, descriptor), false,
                                &answer);
        if (err != KS_ERR_UNAVAILABLE) {
            break;
        }
        pause_ms(POLL_MS);
    }
out:
    ks_buf_done(&answer);
    return err;
}

/* Sends the update in the same way: what was trained is not to be lost. */
static enum ks_err send_round(struct join *join, const struct work *work, bool *out_open)
{
    enum ks_err err = KS_OK;

    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        KS_TRY(await_round(join, work->descriptor.round, true, out_open));
        if (!*out_open) {
            break;
        }
        KS_TRY(open_residual(join, &work->descriptor));
        err = contribute(join, work);
        if (err != KS_ERR_UNAVAILABLE) {
            break;
        }
        pause_ms(POLL_MS);
    }
out:
    return err;
}

/* The site may have lost ROUND since it said that it is open: we look again. */
static enum ks_err take_part(struct join *join, uint64_t round)
{
    enum ks_err err = KS_OK;
    struct work work = {.model = NULL};
    bool open = false;

    err = ks_client_fl_descriptor(join->client, join->session, &work.descriptor);
    if (err == KS_ERR_NOT_FOUND) {
        ks_cli_progress(join->cli, "%s", ks_err_detail());
        pause_ms(POLL_MS);
        err = KS_OK;
        goto out;
    }
    KS_TRY(err);
    KS_CHECK(work.descriptor.round >= round, KS_ERR_VERIFY,
             "the site sent the descriptor of round %llu",
             (unsigned long long)work.descriptor.round);
    if (work.descriptor.round == round &&
        ks_client_fl_invited(join->client, &work.descriptor)) {
        KS_TRY(join_round(join, &work, &open));
    }
    if (open) {
        KS_TRY(fetch_parent(join, &work));
        KS_TRY(make_trainer(join, &work));
        KS_TRY(train(join, &work));
        KS_TRY(send_round(join, &work, &open));
    }
    if (open) {
        join->taken++;
        keep_residual(join, round);
    }
    join->done = round; /* the descriptor may be the next one's already */
out:
    work_done(&work);
    return ks_fail_prefix(err, "round %llu", (unsigned long long)round);
}

static enum ks_err take_rounds(struct join *join, uint64_t rounds, uint64_t seconds)
{
    enum ks_err err = KS_OK;
    uint64_t since_us = ks_clock_monotonic_us();
    struct view view = {0};

    KS_TRY(look(join, &view));
    while (!view.over && (rounds == 0 || join->taken < rounds)) {
        if (view.paused) {
            since_us = ks_clock_monotonic_us();
            pause_ms(POLL_MS);
        } else if (view.round > join->done) {
            err = take_part(join, view.round);
            if (err == KS_ERR_CONFLICT) { /* too late, or it has an update of ours already */
                ks_cli_progress(join->cli, "%s", ks_err_detail());
                join->done = view.round;
                err = recover(join, view.round);
            }
            KS_TRY(err);
            since_us = ks_clock_monotonic_us();
        } else {
            KS_CHECK((ks_clock_monotonic_us() - since_us) / 1000000 < seconds,
                     KS_ERR_UNAVAILABLE, "no round has begun for %llu s",
                     (unsigned long long)seconds);
            pause_ms(POLL_MS);
        }
        KS_TRY(look(join, &view));
    }
out:
    return err;
}

static enum ks_err print_end(const struct join *join)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 4096);
    if (!join->cli->json) {
        ks_cli_print("%llu rounds with an update of this device\n",
                     (unsigned long long)join->taken);
    } else {
        ks_json_put_object(&writer);
        ks_json_member_u64(&writer, "rounds", join->taken);
        ks_json_member_u64(&writer, "samples", join->share.count);
        ks_json_member_text(&writer, "schema", "ketseal.fl-joined/1");
        ks_json_member_text(&writer, "session", join->session_text);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    }
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_fl_join(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct join join = {.cli = cli};
    uint64_t rounds = 0;
    uint64_t seconds = 0;
    uint64_t threads = 0;

    KS_TRY(ks_joining_read(cli, &join.who));
    KS_TRY(ks_dir_make(ks_cli_text(cli, "out"), 0755));
    KS_TRY(ks_cli_number(cli, "rounds", KS_FL_ROUNDS_MAX, &rounds));
    KS_TRY(ks_cli_number(cli, "seconds", KS_FL_SECONDS_MAX, &seconds));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &join.seed));
    KS_TRY(ks_cli_number(cli, "threads", THREADS_MAX, &threads));
    KS_CHECK(threads >= 1, KS_ERR_USAGE, "--threads: at least 1");
    KS_TRY(ks_learn_data_read(join.who.data, &join.data));
    KS_TRY(ks_learn_share(cli, &join.data.train, &join.split, &join.share));
    KS_TRY(ks_pool_new((unsigned)threads, &join.pool));
    join.watch = ks_calloc(1, sizeof *join.watch);
    KS_CHECK(join.watch != NULL, KS_ERR_NOMEM, "detector");
    KS_TRY(ks_watch_open(cli, KS_TRACE_UPDATE, join.watch));
    KS_TRY(ks_cli_client(cli, &join.client));
    KS_TRY(ks_watch_client(join.watch, join.client));
    KS_TRY(ks_joining_check(&join.who, join.client));
    KS_TRY(ks_joining_session(&join.who, join.client, seconds, join.session_text));
    KS_TRY(ks_hex_decode(ks_bytes_text(join.session_text), join.session, sizeof join.session));
    KS_TRY(ks_cli_fl_lost(cli, join.client, join.session_text));
    KS_TRY(take_rounds(&join, rounds, seconds));
    KS_TRY(ks_cli_fl_lost(cli, join.client, join.session_text));
    KS_TRY(print_end(&join));
out:
    ks_client_close(join.client);
    ks_free(join.residual);
    ks_free(join.residual_next);
    if (join.watch != NULL) {
        ks_watch_done(join.watch);
    }
    ks_free(join.watch);
    ks_pool_free(join.pool);
    ks_split_done(&join.split);
    ks_learn_data_done(&join.data);
    ks_joining_done(&join.who);
    return err;
}
