/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* learn train, evaluate, generate: models on this machine alone. */

#include <math.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/learn_data.h"
#include "config/learn.h"
#include "learn/train.h"

#define JSON_MAX    ((size_t)4 << 20) /* of as many epochs as there may be */
#define EPOCHS_MAX  10000
#define THREADS_MAX 64
#define CITY_MAX    ((size_t)64 << 20)

/* What train and evaluate work with. */
struct learn {
    struct ks_cli *cli;
    struct ks_learn_data data;
    struct ks_model *model;
    struct ks_train_params how;
    struct ks_pool *pool;
    struct ks_trainer *trainer;
    struct ks_split split;
    struct ks_subset share; /* of the samples to train with */
    float *params;
    float *anchor; /* what --from has given; NULL: nothing */
    char kernel[KS_TRAIN_KERNEL_MAX];
    unsigned epochs;
    double seconds; /* of the epochs */
    struct ks_train_stats trained;
    struct ks_test_stats tested;
};

static void learn_done(struct learn *learn)
{
    ks_trainer_free(learn->trainer);
    ks_pool_free(learn->pool);
    ks_model_free(learn->model);
    ks_learn_data_done(&learn->data);
    ks_split_done(&learn->split);
    ks_free(learn->params);
    ks_free(learn->anchor);
}

/* --- flags -------------------------------------------------------------------------------- */

static enum ks_err read_how(const struct ks_cli *cli, struct ks_train_params *how)
{
    enum ks_err err = KS_OK;
    const char *optimiser = ks_cli_text(cli, "optimiser");
    uint64_t batch = 0;

    *how = KS_TRAIN_DEFAULTS;
    KS_CHECK(strcmp(optimiser, "sgd") == 0 || strcmp(optimiser, "adam") == 0, KS_ERR_USAGE,
             "--optimiser: sgd or adam, not '%s'", optimiser);
    how->optimiser = optimiser[0] == 'a' ? KS_OPTIMISER_ADAM : KS_OPTIMISER_SGD;
    how->rate = how->optimiser == KS_OPTIMISER_ADAM ? 0.001 : how->rate;
    KS_TRY(ks_cli_number(cli, "batch", KS_BATCH_MAX, &batch));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &how->seed));
    how->batch = (unsigned)batch;
    KS_TRY(ks_cli_real(cli, "rate", &how->rate));
    KS_TRY(ks_cli_real(cli, "momentum", &how->momentum));
    KS_TRY(ks_cli_real(cli, "weight-decay", &how->weight_decay));
    KS_TRY(ks_cli_real(cli, "clip-norm", &how->clip_norm));
    KS_TRY(ks_cli_real(cli, "proximal", &how->proximal));
    KS_CHECK(how->proximal == 0 || ks_cli_text(cli, "from") != NULL, KS_ERR_USAGE,
             "--proximal: needs --from, the model that it pulls to");
out:
    return err;
}

static enum ks_err make_pool(struct learn *learn)
{
    enum ks_err err = KS_OK;
    uint64_t threads = 1;

    KS_TRY(ks_cli_number(learn->cli, "threads", THREADS_MAX, &threads));
    KS_CHECK(threads >= 1, KS_ERR_USAGE, "--threads: at least 1");
    KS_TRY(ks_pool_new((unsigned)threads, &learn->pool));
out:
    return err;
}

/* --- models ------------------------------------------------------------------------------- */

static enum ks_err read_model(const char *path, struct learn *learn)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    struct ks_buf card;

    ks_buf_init(&bytes, KS_TENSORS_BYTES_MAX);
    ks_buf_init(&card, KS_MODEL_CARD_MAX);
    KS_TRY(ks_file_read(path, KS_TENSORS_BYTES_MAX, &bytes));
    KS_TRY(ks_fail_prefix(
        ks_model_read(ks_buf_view(&bytes), &learn->model, &learn->params, &card), "%s", path));
out:
    ks_buf_done(&bytes);
    ks_buf_done(&card);
    return err;
}

/* The model of --from, else a new one by --model. */
static enum ks_err begin_model(struct learn *learn)
{
    enum ks_err err = KS_OK;
    const struct ks_samples *train = &learn->data.train;
    const char *from = ks_cli_text(learn->cli, "from");
    const char *name = ks_cli_text(learn->cli, "model");
    struct ks_model_spec spec;
    size_t count = 0;

    if (from != NULL) {
        KS_CHECK(name == NULL, KS_ERR_USAGE, "--model and --from: only one");
        KS_TRY(read_model(from, learn));
        count = ks_model_params(learn->model);
        learn->anchor = ks_calloc_huge(count, sizeof *learn->anchor);
        KS_CHECK(learn->anchor != NULL, KS_ERR_NOMEM, "%zu parameters", count);
        ks_copy(learn->anchor, learn->params, count * sizeof *learn->anchor);
        return KS_OK;
    }
    if (name == NULL) {
        name = learn->data.sites > 0 ? "gru" : "mnist-cnn";
    }
    KS_TRY(ks_config_model(name, train->dims, train->shape,
                           train->labels != NULL ? train->classes : 1, &spec));
    KS_TRY(ks_fail_prefix(ks_model_new(&spec, &learn->model), "--model"));
    count = ks_model_params(learn->model);
    learn->params = ks_calloc_huge(count, sizeof *learn->params);
    KS_CHECK(learn->params != NULL, KS_ERR_NOMEM, "%zu parameters", count);
    ks_model_init(learn->model, learn->how.seed, learn->params);
out:
    return err;
}

/* --- results ------------------------------------------------------------------------------ */

static void put_real(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

/* Each site of a series in the target's unit, beside what needs no model. */
static enum ks_err put_sites(const struct learn *learn, struct ks_json_writer *writer)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < learn->data.sites; i++) {
        const struct ks_learn_site *site = &learn->data.site[i];
        uint32_t *indices = ks_calloc(site->count, sizeof *indices);
        const struct ks_subset subset = {&learn->data.test, indices, site->count};
        struct ks_test_stats stats = {0};

        if (indices == NULL) {
            return ks_fail(KS_ERR_NOMEM, "%zu samples", site->count);
        }
        for (size_t k = 0; k < site->count; k++) {
            indices[k] = (uint32_t)(site->begin + k);
        }
        err = ks_train_evaluate(learn->trainer, &subset, learn->params, &stats);
        ks_free(indices);
        KS_TRY(err);
        if (writer == NULL) {
            ks_cli_print("%s: error %.2f (as now %.2f, as the mean %.2f), %zu samples\n",
                         site->path, stats.root_mean_square * (double)site->spread,
                         site->persistence, site->mean, site->count);
            continue;
        }
        ks_json_put_object(writer);
        put_real(writer, "error", stats.root_mean_square * (double)site->spread);
        put_real(writer, "error_absolute", stats.mean_absolute * (double)site->spread);
        put_real(writer, "error_mean", site->mean);
        put_real(writer, "error_persistence", site->persistence);
        ks_json_member_string(writer, "file", ks_bytes_text(site->path));
        ks_json_member_u64(writer, "samples", site->count);
        ks_json_put_end(writer);
    }
out:
    return err;
}

static void put_tested(const struct learn *learn, struct ks_json_writer *writer)
{
    const struct ks_test_stats *stats = &learn->tested;

    ks_json_put_object(writer);
    if (learn->data.test.labels != NULL) {
        put_real(writer, "accuracy", stats->accuracy);
    }
    put_real(writer, "loss", stats->loss);
    ks_json_member_u64(writer, "samples", learn->data.test.count);
    ks_json_put_end(writer);
}

/* How the model came about. Nothing of the clock: the same run writes the same file. */
static void put_card(const struct learn *learn, struct ks_buf *card)
{
    const struct ks_train_params *how = &learn->how;
    struct ks_json_writer writer = ks_json_writer_of(card);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "batch", how->batch);
    put_real(&writer, "clip_norm", how->clip_norm);
    ks_json_member_text(&writer, "data",
                        learn->data.sites > 0 ? learn->data.schema.name : "idx");
    ks_json_member_u64(&writer, "epochs", learn->epochs);
    ks_json_member_text(&writer, "kernel", learn->kernel);
    put_real(&writer, "momentum", how->momentum);
    ks_json_member_text(&writer, "optimiser",
                        how->optimiser == KS_OPTIMISER_ADAM ? "adam" : "sgd");
    put_real(&writer, "proximal", how->proximal);
    put_real(&writer, "rate", how->rate);
    ks_json_member_u64(&writer, "samples", learn->share.count);
    ks_json_member_text(&writer, "schema", "ketseal.model-card/1");
    ks_json_member_u64(&writer, "seed", how->seed);
    ks_json_put_key(&writer, "test");
    put_tested(learn, &writer);
    ks_json_member_u64(&writer, "threads", ks_pool_threads(learn->pool));
    put_real(&writer, "weight_decay", how->weight_decay);
    ks_json_put_end(&writer);
}

/* One line for people: what the test samples say. */
static void say_tested(const struct learn *learn, char *target, size_t size)
{
    if (learn->data.test.labels != NULL) {
        (void)snprintf(target, size, "test %.2f %%", 100 * learn->tested.accuracy);
    } else {
        (void)snprintf(target, size, "test loss %.4f", learn->tested.loss);
    }
}

/* --- train -------------------------------------------------------------------------------- */

static enum ks_err test(struct learn *learn)
{
    const struct ks_subset all = {&learn->data.test, NULL, learn->data.test.count};

    return ks_train_evaluate(learn->trainer, &all, learn->params, &learn->tested);
}

/* All epochs; with WRITER, an object for each. */
static enum ks_err train(struct learn *learn, struct ks_json_writer *writer)
{
    enum ks_err err = KS_OK;

    for (unsigned epoch = 1; epoch <= learn->epochs; epoch++) {
        const uint64_t start_us = ks_clock_monotonic_us();
        double seconds = 0;
        char tested[64];

        KS_TRY(ks_train_epoch(learn->trainer, &learn->share, epoch, learn->anchor,
                              learn->params, &learn->trained));
        seconds = (double)(ks_clock_monotonic_us() - start_us) / 1e6;
        learn->seconds += seconds;
        KS_TRY(test(learn));
        say_tested(learn, tested, sizeof tested);
        ks_cli_progress(learn->cli, "epoch %u: loss %.4f, %s, %.1f s, %.0f samples/s", epoch,
                        learn->trained.loss, tested, seconds,
                        (double)learn->share.count / seconds);
        if (learn->cli->json) {
            ks_json_put_object(writer);
            ks_json_member_u64(writer, "epoch", epoch);
            put_real(writer, "loss", learn->trained.loss);
            put_real(writer, "seconds", seconds);
            ks_json_put_key(writer, "test");
            put_tested(learn, writer);
            ks_json_put_end(writer);
        }
    }
out:
    return err;
}

static enum ks_err save(const struct learn *learn)
{
    enum ks_err err = KS_OK;
    struct ks_buf card;
    struct ks_buf bytes;

    ks_buf_init(&card, KS_MODEL_CARD_MAX);
    ks_buf_init(&bytes, KS_TENSORS_BYTES_MAX);
    KS_TRY(ks_model_check(learn->model, learn->params));
    put_card(learn, &card);
    KS_TRY(ks_buf_check(&card));
    ks_model_write(learn->model, learn->params, ks_buf_view(&card), &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(ks_cli_output(ks_cli_text(learn->cli, "out"), learn->cli->operands[0],
                         ks_buf_view(&bytes)));
out:
    ks_buf_done(&card);
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err prepare(struct learn *learn)
{
    enum ks_err err = KS_OK;
    const struct ks_cli *cli = learn->cli;
    uint64_t epochs = 0;

    KS_TRY(read_how(cli, &learn->how));
    KS_TRY(ks_cli_number(cli, "epochs", EPOCHS_MAX, &epochs));
    learn->epochs = (unsigned)epochs;
    ks_train_kernel(learn->kernel);
    KS_TRY(make_pool(learn));
    KS_TRY(ks_learn_data_read(cli, &learn->data));
    KS_TRY(ks_learn_share(cli, &learn->data.train, &learn->split, &learn->share));
    KS_TRY(begin_model(learn));
    KS_TRY(ks_trainer_new(learn->model, &learn->how, learn->pool, &learn->trainer));
    KS_TRY(test(learn)); /* also whether model and data go together */
    ks_cli_progress(cli, "%s, %zu parameters; %zu samples, %zu to test; %u threads, %s",
                    ks_model_spec(learn->model)->name, ks_model_params(learn->model),
                    learn->share.count, learn->data.test.count, ks_pool_threads(learn->pool),
                    learn->kernel);
out:
    return err;
}

static enum ks_err finish(const struct learn *learn, struct ks_json_writer *writer)
{
    enum ks_err err = KS_OK;

    if (!learn->cli->json) {
        char tested[64];

        say_tested(learn, tested, sizeof tested);
        ks_cli_print("%s, %zu parameters, %u epochs in %.1f s: %s\n",
                     ks_model_spec(learn->model)->name, ks_model_params(learn->model),
                     learn->epochs, learn->seconds, tested);
        KS_TRY(put_sites(learn, NULL));
        return KS_OK;
    }
    ks_json_member_text(writer, "kernel", learn->kernel);
    ks_json_member_text(writer, "model", ks_model_spec(learn->model)->name);
    ks_json_member_u64(writer, "parameters", ks_model_params(learn->model));
    ks_json_member_u64(writer, "samples", learn->share.count);
    ks_json_member_text(writer, "schema", "ketseal.learn-train/1");
    ks_json_member_u64(writer, "seed", learn->how.seed);
    ks_json_put_key(writer, "sites");
    ks_json_put_array(writer);
    KS_TRY(put_sites(learn, writer));
    ks_json_put_end(writer);
    ks_json_put_key(writer, "test");
    put_tested(learn, writer);
    ks_json_member_u64(writer, "threads", ks_pool_threads(learn->pool));
out:
    return err;
}

enum ks_err ks_command_learn_train(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct learn learn = {.cli = cli};
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, JSON_MAX);
    KS_TRY(prepare(&learn));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "epochs");
    ks_json_put_array(&writer);
    KS_TRY(train(&learn, &writer));
    ks_json_put_end(&writer);
    KS_TRY(save(&learn));
    KS_TRY(finish(&learn, &writer));
    ks_json_put_end(&writer);
    if (cli->json) {
        KS_TRY(ks_cli_print_json(&out));
    }
out:
    learn_done(&learn);
    ks_buf_done(&out);
    return err;
}

/* --- evaluate ----------------------------------------------------------------------------- */

static enum ks_err print_evaluated(const struct learn *learn)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);
    char tested[64];

    ks_buf_init(&out, JSON_MAX);
    if (!learn->cli->json) {
        say_tested(learn, tested, sizeof tested);
        ks_cli_print("%s, %zu parameters: %s of %zu samples\n",
                     ks_model_spec(learn->model)->name, ks_model_params(learn->model), tested,
                     learn->data.test.count);
        KS_TRY(put_sites(learn, NULL));
    } else {
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "model", ks_model_spec(learn->model)->name);
        ks_json_member_u64(&writer, "parameters", ks_model_params(learn->model));
        ks_json_member_text(&writer, "schema", "ketseal.learn-evaluate/1");
        ks_json_put_key(&writer, "sites");
        ks_json_put_array(&writer);
        KS_TRY(put_sites(learn, &writer));
        ks_json_put_end(&writer);
        ks_json_put_key(&writer, "test");
        put_tested(learn, &writer);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    }
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_learn_evaluate(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct learn learn = {.cli = cli, .how = KS_TRAIN_DEFAULTS};

    KS_TRY(make_pool(&learn));
    KS_TRY(read_model(ks_cli_text(cli, "model"), &learn));
    KS_TRY(ks_learn_data_read(cli, &learn.data));
    KS_TRY(ks_trainer_new(learn.model, &learn.how, learn.pool, &learn.trainer));
    KS_TRY(ks_fail_prefix(test(&learn), "%s", ks_cli_text(cli, "model")));
    KS_TRY(print_evaluated(&learn));
out:
    learn_done(&learn);
    return err;
}

/* --- generate ----------------------------------------------------------------------------- */

enum ks_err ks_command_learn_generate(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_city_spec spec = {0};
    struct ks_buf out;
    uint64_t site = 0;
    uint64_t hours = 0;

    ks_buf_init(&out, CITY_MAX);
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &spec.seed));
    KS_TRY(ks_cli_number(cli, "site", UINT32_MAX, &site));
    KS_TRY(ks_cli_number(cli, "hours", KS_CITY_HOURS_MAX, &hours));
    KS_TRY(ks_fail_prefix(
        ks_series_time(ks_bytes_text(ks_cli_text(cli, "start")), &spec.from_us), "--start"));
    spec.site = (unsigned)site;
    spec.hours = (unsigned)hours;
    KS_TRY(ks_city(&spec, &out));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), NULL, ks_buf_view(&out)));
out:
    ks_buf_done(&out);
    return err;
}
