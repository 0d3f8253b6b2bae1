/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/flsim_learn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "base/sys.h"
#include "base/text.h"
#include "cli/flsim_files.h"
#include "config/learn.h"
#include "crypto/digest.h"

#define EPOCHS_MAX      10000
#define SYNTHETIC_MAX   ((uint64_t)1 << 26) /* numbers */
#define SYNTHETIC_RANGE 0.05F
#define ROOT_SAMPLES    100
#define LOCAL_SEED      0x6c6f63616cU /* of a site by itself */
#define TUNE_SEED       0x74756e65U   /* of one that goes on from the global model */

static enum ks_err out_of_memory(size_t count)
{
    return ks_fail(KS_ERR_NOMEM, "room for %zu", count);
}

/* --- numbers of nobody -------------------------------------------------------------------- */

/* What a synthetic client sends: uniform in +-SYNTHETIC_RANGE, four numbers of one block of
 * Philox, which follow from seed, client, round and place. */
static enum ks_err synthesise(void *context, struct ks_flsim_turn *turn)
{
    const struct ks_flsim_learn *learn = context;
    const uint32_t key[2] = {(uint32_t)learn->how.seed,
                             (uint32_t)(learn->how.seed >> 32) ^ (uint32_t)turn->client};

    for (size_t i = 0; i < learn->params; i += 4) {
        const uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)turn->round,
                                     (uint32_t)(turn->round >> 32), 0x666c73};
        uint32_t words[4];

        ks_philox(key, counter, words);
        for (size_t k = 0; k < 4 && i + k < learn->params; k++) {
            turn->change[i + k] = ((float)(words[k] >> 8) * 0x1p-23F - 1) * SYNTHETIC_RANGE;
        }
    }
    if (turn->control_change != NULL) {
        ks_copy(turn->control_change, turn->change, learn->params * sizeof(float));
    }
    turn->loss = 0;
    turn->steps = 0;
    return KS_OK;
}

/* --- training ----------------------------------------------------------------------------- */

/* Another order and other dropout for each client and round. */
static uint64_t seed_of(const struct ks_flsim_learn *learn, size_t client, uint64_t round)
{
    const uint32_t key[2] = {(uint32_t)learn->how.seed, (uint32_t)(learn->how.seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)client, (uint32_t)round, (uint32_t)(round >> 32), 1};
    uint32_t words[4];

    ks_philox(key, counter, words);
    return (uint64_t)words[0] << 32 | words[1];
}

static struct ks_subset share_of(const struct ks_flsim_learn *learn,
                                 const struct ks_flsim_turn *turn)
{
    struct ks_subset share = {&learn->data.train, learn->root, learn->root_count};

    if (turn->client < learn->count) {
        share = learn->shares[turn->client];
    }
    if (turn->flipped) {
        share.samples = &learn->flipped;
    }
    return share;
}

static enum ks_err train_plainly(struct ks_flsim_learn *learn, struct ks_flsim_turn *turn,
                                 const struct ks_subset *share)
{
    enum ks_err err = KS_OK;
    struct ks_train_stats stats = {0};

    for (unsigned epoch = 1; epoch <= learn->epochs; epoch++) {
        KS_TRY(
            ks_train_epoch(learn->trainer, share, epoch, turn->model, learn->values, &stats));
        turn->steps += (share->count + learn->how.batch - 1) / learn->how.batch;
    }
    turn->loss = stats.loss;
out:
    return err;
}

/* The samples of SHARE in an order that follows from SEED. */
static void shuffle(const struct ks_subset *share, uint64_t seed, uint32_t *order)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};

    for (size_t i = 0; i < share->count; i++) {
        const uint32_t counter[4] = {(uint32_t)i, 2, 0, 0};
        uint32_t words[4];
        size_t other = 0;

        ks_philox(key, counter, words);
        other = (size_t)((uint64_t)words[0] * (i + 1) >> 32);
        order[i] = order[other];
        order[other] = share->indices != NULL ? share->indices[i] : (uint32_t)i;
    }
}

/* SCAFFOLD's step (Karimireddy et al., ICML 2020, algorithm 1): the gradient, less the client's
 * control, plus the server's. */
static void step_controlled(struct ks_flsim_learn *learn, const struct ks_flsim_turn *turn)
{
    const float rate = (float)learn->how.rate;

    for (size_t i = 0; i < learn->params; i++) {
        learn->values[i] -=
            rate * (learn->gradient[i] - turn->own_control[i] + turn->control[i]);
    }
}

static enum ks_err train_controlled(struct ks_flsim_learn *learn, struct ks_flsim_turn *turn,
                                    const struct ks_subset *share)
{
    enum ks_err err = KS_OK;
    const uint64_t seed = seed_of(learn, turn->client, turn->round);
    struct ks_train_stats stats = {0};

    for (unsigned epoch = 0; epoch < learn->epochs; epoch++) {
        double loss = 0;

        shuffle(share, seed + epoch, learn->order);
        for (size_t begin = 0; begin < share->count; begin += learn->how.batch) {
            const size_t left = share->count - begin;
            const struct ks_subset batch = {share->samples, learn->order + begin,
                                            left < learn->how.batch ? left : learn->how.batch};

            KS_TRY(ks_train_gradient(learn->trainer, &batch, learn->values, learn->gradient,
                                     &stats));
            step_controlled(learn, turn);
            loss += stats.loss * (double)batch.count;
            turn->steps++;
        }
        turn->loss = loss / (double)share->count;
    }
    for (size_t i = 0; i < learn->params; i++) { /* its option II */
        turn->control_change[i] = (float)(((double)turn->model[i] - (double)learn->values[i]) /
                                              ((double)turn->steps * learn->how.rate) -
                                          (double)turn->control[i]);
    }
out:
    return err;
}

static enum ks_err train(void *context, struct ks_flsim_turn *turn)
{
    enum ks_err err = KS_OK;
    struct ks_flsim_learn *learn = context;
    const struct ks_subset share = share_of(learn, turn);

    ks_copy(learn->values, turn->model, learn->params * sizeof(float));
    ks_trainer_reset(learn->trainer, seed_of(learn, turn->client, turn->round));
    KS_TRY(turn->control != NULL ? train_controlled(learn, turn, &share)
                                 : train_plainly(learn, turn, &share));
    for (size_t i = 0; i < learn->params; i++) {
        turn->change[i] = learn->values[i] - turn->model[i];
    }
out:
    return err;
}

static enum ks_err evaluate(void *context, uint64_t round, const float *model,
                            struct ks_flsim_metric *out_metric)
{
    enum ks_err err = KS_OK;
    struct ks_flsim_learn *learn = context;
    const struct ks_subset all = {&learn->data.test, NULL, learn->data.test.count};
    struct ks_test_stats stats = {0};

    if (round % learn->test_every != 0 && round != learn->rounds) {
        return KS_OK;
    }
    KS_TRY(ks_train_evaluate(learn->trainer, &all, model, &stats));
    if (isfinite(stats.loss)) {
        *out_metric = (struct ks_flsim_metric){.known = true,
                                               .classes = learn->data.test.labels != NULL,
                                               .accuracy = stats.accuracy,
                                               .loss = stats.loss};
    }
out:
    return err;
}

struct ks_flsim_hooks ks_flsim_learn_hooks(struct ks_flsim_learn *learn)
{
    return learn->synthetic
               ? (struct ks_flsim_hooks){.context = learn, .train = synthesise}
               : (struct ks_flsim_hooks){
                     .context = learn, .train = train, .root = train, .evaluate = evaluate};
}

/* --- a site by itself --------------------------------------------------------------------- */

/* Root mean square error of MODEL on what SITE held out, in its own unit. */
static enum ks_err site_error(struct ks_flsim_learn *learn, size_t site, const float *model,
                              double *out_error)
{
    enum ks_err err = KS_OK;
    const struct ks_learn_site *facts = &learn->data.site[site];
    uint32_t *indices = ks_calloc(facts->count, sizeof *indices);
    const struct ks_subset subset = {&learn->data.test, indices, facts->count};
    struct ks_test_stats stats = {0};

    KS_CHECK(indices != NULL, KS_ERR_NOMEM, "%zu samples", facts->count);
    for (size_t i = 0; i < facts->count; i++) {
        indices[i] = (uint32_t)(facts->begin + i);
    }
    KS_TRY(ks_train_evaluate(learn->trainer, &subset, model, &stats));
    *out_error = stats.root_mean_square * (double)facts->spread;
out:
    ks_free(indices);
    return err;
}

/* learn->values after one more pass over SITE's samples, and its error. */
static enum ks_err pass(struct ks_flsim_learn *learn, size_t site, uint64_t number,
                        double *out_error)
{
    enum ks_err err = KS_OK;
    struct ks_train_stats stats = {0};

    KS_TRY(ks_train_epoch(learn->trainer, &learn->shares[site], (unsigned)number, NULL,
                          learn->values, &stats));
    KS_TRY(site_error(learn, site, learn->values, out_error));
out:
    return err;
}

enum ks_err ks_flsim_learn_site(struct ks_flsim_learn *learn, size_t site,
                                const struct ks_flsim_comparison *comparison,
                                struct ks_flsim_site *out_site)
{
    enum ks_err err = KS_OK;
    const struct ks_learn_site *facts = &learn->data.site[site];
    struct ks_flsim_site result = {.name = learn->names + site * (KS_FL_CLIENT_NAME_MAX + 1),
                                   .persistence = facts->persistence,
                                   .mean = facts->mean,
                                   .samples = facts->count};

    KS_TRY(site_error(learn, site, comparison->model, &result.federated));
    result.tuned = result.federated;
    ks_copy(learn->values, comparison->model, learn->params * sizeof(float));
    ks_trainer_reset(learn->trainer, TUNE_SEED + site);
    for (uint64_t number = 1; number <= comparison->tune; number++) {
        KS_TRY(pass(learn, site, number, &result.tuned));
    }
    ks_model_init(learn->model, learn->how.seed, learn->values);
    ks_trainer_reset(learn->trainer, LOCAL_SEED + site);
    for (uint64_t number = 1; number <= comparison->rounds * learn->epochs; number++) {
        KS_TRY(pass(learn, site, number, &result.local));
        result.local_best = number == 1 ? result.local : fmin(result.local_best, result.local);
    }
    *out_site = result;
out:
    return err;
}

/* --- clients ------------------------------------------------------------------------------ */

static enum ks_err make_room(struct ks_flsim_learn *learn, size_t count)
{
    learn->names = ks_calloc(count, KS_FL_CLIENT_NAME_MAX + 1);
    learn->clients = ks_calloc(count, sizeof *learn->clients);
    learn->shares = ks_calloc(count, sizeof *learn->shares);
    return learn->names != NULL && learn->clients != NULL && learn->shares != NULL
               ? KS_OK
               : out_of_memory(count);
}

/* The client that has SHARE, whose name stands at its place already. */
static void add_client(struct ks_flsim_learn *learn, const struct ks_subset *share,
                       size_t samples, uint32_t samples_max)
{
    const char *name = learn->names + learn->count * (KS_FL_CLIENT_NAME_MAX + 1);

    learn->clients[learn->count].name = ks_bytes_text(name);
    learn->clients[learn->count].samples =
        samples < samples_max ? (uint32_t)samples : samples_max;
    learn->shares[learn->count++] = *share;
}

/* A name whose order is that of the numbers. */
static void number_client(struct ks_flsim_learn *learn, size_t number, size_t of)
{
    int digits = 1;

    for (size_t rest = of; rest >= 10; rest /= 10) {
        digits++;
    }
    (void)snprintf(learn->names + learn->count * (KS_FL_CLIENT_NAME_MAX + 1),
                   KS_FL_CLIENT_NAME_MAX + 1, "client_%0*zu", digits, number);
}

static enum ks_err split_images(struct ks_flsim_learn *learn, size_t count,
                                uint32_t samples_max)
{
    static const char *const kinds[] = {"iid", "shards", "dirichlet"};
    enum ks_err err = KS_OK;
    const char *kind = ks_cli_text(learn->cli, "split");
    struct ks_split_spec spec = {.parts = count, .seed = learn->how.seed};
    uint64_t shards = 0;
    unsigned index = 0;

    while (index < 3 && strcmp(kinds[index], kind) != 0) {
        index++;
    }
    KS_CHECK(index < 3, KS_ERR_USAGE, "--split: iid, shards or dirichlet, not '%s'", kind);
    spec.kind = (enum ks_split_kind)index;
    KS_TRY(ks_cli_number(learn->cli, "shards", UINT32_MAX, &shards));
    spec.shards = (unsigned)shards;
    KS_TRY(ks_cli_real(learn->cli, "alpha", &spec.alpha));
    KS_TRY(ks_fail_prefix(ks_split(&learn->data.train, &spec, &learn->split), "--split"));
    KS_TRY(make_room(learn, count));
    for (size_t part = 0; part < count; part++) {
        const struct ks_subset share = {
            &learn->data.train, learn->split.indices + learn->split.starts[part],
            learn->split.starts[part + 1] - learn->split.starts[part]};

        if (share.count > 0) { /* a part of Dirichlet's may be empty */
            number_client(learn, part + 1, count);
            add_client(learn, &share, share.count, samples_max);
        }
    }
out:
    return err;
}

/* A site's name: its file's, up to the first dot. */
static enum ks_err name_site(struct ks_flsim_learn *learn, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    const struct ks_bytes name = ks_bytes_of(base, strcspn(base, "."));

    if (!ks_text_is_name(name, KS_FL_CLIENT_NAME_MAX)) {
        return ks_fail(KS_ERR_USAGE,
                       "'%s': a site's file is named by letters, digits, '-' and '_'", path);
    }
    ks_copy(learn->names + learn->count * (KS_FL_CLIENT_NAME_MAX + 1), name.data, name.len);
    return KS_OK;
}

static enum ks_err split_sites(struct ks_flsim_learn *learn, uint32_t samples_max)
{
    enum ks_err err = KS_OK;

    KS_TRY(make_room(learn, learn->data.sites));
    learn->split.indices = ks_calloc(learn->data.train.count, sizeof(uint32_t));
    KS_CHECK(learn->split.indices != NULL, KS_ERR_NOMEM, "%zu samples",
             learn->data.train.count);
    for (size_t i = 0; i < learn->data.train.count; i++) {
        learn->split.indices[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < learn->data.sites; i++) {
        const struct ks_learn_site *site = &learn->data.site[i];
        const struct ks_subset share = {
            &learn->data.train, learn->split.indices + site->train_begin, site->train_count};

        KS_TRY(name_site(learn, site->path));
        add_client(learn, &share, share.count, samples_max);
    }
out:
    return err;
}

static enum ks_err make_synthetic(struct ks_flsim_learn *learn, size_t count,
                                  uint32_t samples_max)
{
    enum ks_err err = KS_OK;
    uint64_t params = 0;
    const struct ks_subset none = {0};

    KS_TRY(ks_cli_number(learn->cli, "params", SYNTHETIC_MAX, &params));
    KS_CHECK(params >= 1, KS_ERR_USAGE, "--params: at least 1");
    learn->synthetic = true;
    learn->params = (size_t)params;
    KS_TRY(make_room(learn, count));
    for (size_t i = 0; i < count; i++) {
        number_client(learn, i + 1, count);
        add_client(learn, &none, 1 + i % 1000, samples_max);
    }
out:
    return err;
}

/* --- data --------------------------------------------------------------------------------- */

/* All that SET consists of, and how it is laid out. */
static void hash_set(const struct ks_samples *set, uint8_t hash[KS_SHA256_LEN])
{
    const size_t count = set->count;
    const size_t numbers = ks_samples_numbers(set);
    const uint64_t sizes[] = {count, set->size, set->classes, numbers};
    const float scale[] = {set->centre, set->spread};
    const struct ks_bytes parts[] = {
        ks_bytes_of(sizes, sizeof sizes),
        ks_bytes_of(scale, sizeof scale),
        ks_bytes_of(set->pixels, set->pixels != NULL ? count * set->size : 0),
        ks_bytes_of(set->values, numbers * sizeof(float)),
        ks_bytes_of(set->starts, set->starts != NULL ? count * sizeof(uint32_t) : 0),
        ks_bytes_of(set->labels, set->labels != NULL ? count : 0),
        ks_bytes_of(set->targets, set->targets != NULL ? count * sizeof(float) : 0),
    };

    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], hash);
}

static void hash_data(struct ks_flsim_learn *learn)
{
    uint8_t train[KS_SHA256_LEN];
    uint8_t test[KS_SHA256_LEN];
    const struct ks_bytes parts[] = {KS_BYTES(train), KS_BYTES(test)};

    hash_set(&learn->data.train, train);
    hash_set(&learn->data.test, test);
    ks_sha256_parts(parts, 2, learn->data_hash);
}

static enum ks_err flip_labels(struct ks_flsim_learn *learn)
{
    const struct ks_samples *train = &learn->data.train;

    learn->flipped = *train;
    learn->flipped.labels = NULL;
    if (train->labels == NULL) {
        return KS_OK;
    }
    learn->flipped.labels = ks_calloc(train->count, 1);
    if (learn->flipped.labels == NULL) {
        return out_of_memory(train->count);
    }
    for (size_t i = 0; i < train->count; i++) {
        learn->flipped.labels[i] = (uint8_t)(train->classes - 1 - train->labels[i]);
    }
    return KS_OK;
}

/* A hundred samples of all clients', which the server has too. */
static enum ks_err take_root(struct ks_flsim_learn *learn)
{
    const size_t count = learn->data.train.count;

    learn->root_count = count < ROOT_SAMPLES ? count : ROOT_SAMPLES;
    learn->root = ks_calloc(learn->root_count, sizeof *learn->root);
    if (learn->root == NULL) {
        return out_of_memory(learn->root_count);
    }
    for (size_t i = 0; i < learn->root_count; i++) {
        learn->root[i] = (uint32_t)(seed_of(learn, i, UINT32_MAX) % count);
    }
    return KS_OK;
}

static enum ks_err read_data(struct ks_flsim_learn *learn)
{
    enum ks_err err = KS_OK;
    struct ks_cli *rest = ks_calloc(1, sizeof *rest);

    KS_CHECK(rest != NULL, KS_ERR_NOMEM, "operands");
    *rest = *learn->cli;
    if (ks_cli_text(learn->cli, "schema") != NULL) {
        KS_TRY(ks_flsim_files(learn->cli->operands, learn->cli->operand_count, &learn->paths,
                              &learn->paths_count));
        KS_CHECK(learn->paths_count <= KS_LEARN_SITES_MAX, KS_ERR_LIMIT, "over %d sites",
                 KS_LEARN_SITES_MAX);
        rest->operand_count = (unsigned)learn->paths_count;
        for (size_t i = 0; i < learn->paths_count; i++) {
            rest->operands[i] = learn->paths[i];
        }
    }
    KS_TRY(ks_learn_data_read(rest, &learn->data));
    hash_data(learn);
out:
    ks_free(rest);
    return err;
}

static enum ks_err make_model(struct ks_flsim_learn *learn)
{
    enum ks_err err = KS_OK;
    const struct ks_samples *train_samples = &learn->data.train;
    const char *name = ks_cli_text(learn->cli, "model");
    struct ks_model_spec spec;

    if (name == NULL) {
        name = learn->data.sites > 0 ? "gru" : "mnist-cnn";
    }
    KS_TRY(ks_config_model(name, train_samples->dims, train_samples->shape,
                           train_samples->labels != NULL ? train_samples->classes : 1, &spec));
    KS_TRY(ks_fail_prefix(ks_model_new(&spec, &learn->model), "--model"));
    learn->params = ks_model_params(learn->model);
    learn->values = ks_calloc_huge(learn->params, sizeof *learn->values);
    learn->gradient = ks_calloc_huge(learn->params, sizeof *learn->gradient);
    KS_CHECK(learn->values != NULL && learn->gradient != NULL, KS_ERR_NOMEM, "%zu parameters",
             learn->params);
    KS_TRY(ks_trainer_new(learn->model, &learn->how, learn->pool, &learn->trainer));
out:
    return err;
}

static enum ks_err read_how(struct ks_flsim_learn *learn)
{
    enum ks_err err = KS_OK;
    const struct ks_cli *cli = learn->cli;
    const char *optimiser = ks_cli_text(cli, "optimiser");
    struct ks_train_params *how = &learn->how;
    uint64_t number = 0;

    *how = KS_TRAIN_DEFAULTS;
    KS_CHECK(strcmp(optimiser, "sgd") == 0 || strcmp(optimiser, "adam") == 0, KS_ERR_USAGE,
             "--optimiser: sgd or adam, not '%s'", optimiser);
    how->optimiser = optimiser[0] == 'a' ? KS_OPTIMISER_ADAM : KS_OPTIMISER_SGD;
    KS_TRY(ks_cli_number(cli, "batch", KS_BATCH_MAX, &number));
    how->batch = (unsigned)number;
    KS_TRY(ks_cli_number(cli, "epochs", EPOCHS_MAX, &number));
    learn->epochs = (unsigned)number;
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &how->seed));
    KS_TRY(ks_cli_number(cli, "rounds", KS_FLSIM_ROUNDS_MAX, &learn->rounds));
    KS_TRY(ks_cli_number(cli, "test-every", KS_FLSIM_ROUNDS_MAX, &learn->test_every));
    KS_CHECK(how->batch >= 1 && learn->epochs >= 1 && learn->test_every >= 1, KS_ERR_USAGE,
             "--batch, --epochs, --test-every: at least 1");
    KS_TRY(ks_cli_real(cli, "rate", &how->rate));
    KS_TRY(ks_cli_real(cli, "momentum", &how->momentum));
    KS_TRY(ks_cli_real(cli, "weight-decay", &how->weight_decay));
    KS_TRY(ks_cli_real(cli, "clip-norm", &how->clip_norm));
    KS_TRY(ks_cli_real(cli, "proximal", &how->proximal));
out:
    return err;
}

static enum ks_err take_data(struct ks_flsim_learn *learn, size_t clients, uint32_t samples_max)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ks_cli_text(learn->cli, "params") == NULL, KS_ERR_USAGE,
             "--params: the model decides it where there are data");
    KS_TRY(read_data(learn));
    KS_TRY(make_model(learn));
    KS_TRY(learn->data.sites > 0 ? split_sites(learn, samples_max)
                                 : split_images(learn, clients, samples_max));
    KS_TRY(flip_labels(learn));
    KS_TRY(take_root(learn));
    learn->order = ks_calloc(learn->data.train.count, sizeof *learn->order);
    KS_CHECK(learn->order != NULL, KS_ERR_NOMEM, "%zu samples", learn->data.train.count);
out:
    return err;
}

enum ks_err ks_flsim_learn_init(struct ks_flsim_learn *learn, struct ks_cli *cli,
                                struct ks_pool *pool, uint32_t samples_max)
{
    enum ks_err err = KS_OK;
    uint64_t clients = 0;

    *learn = (struct ks_flsim_learn){.cli = cli, .pool = pool};
    KS_TRY(ks_cli_number(cli, "clients", KS_FL_CLIENTS_MAX, &clients));
    KS_CHECK(clients >= 1, KS_ERR_USAGE, "--clients: at least 1");
    KS_TRY(read_how(learn));
    if (cli->operand_count == 0) {
        KS_CHECK(ks_cli_text(cli, "params") != NULL, KS_ERR_USAGE,
                 "data to train on, or --params for numbers of nobody");
        KS_TRY(make_synthetic(learn, (size_t)clients, samples_max));
    } else {
        KS_TRY(take_data(learn, (size_t)clients, samples_max));
    }
out:
    return err;
}

void ks_flsim_learn_done(struct ks_flsim_learn *learn)
{
    for (size_t i = 0; i < learn->paths_count; i++) {
        ks_free(learn->paths[i]);
    }
    ks_free((void *)learn->paths);
    ks_learn_data_done(&learn->data);
    ks_split_done(&learn->split);
    ks_free(learn->flipped.labels);
    ks_trainer_free(learn->trainer);
    ks_model_free(learn->model);
    ks_free(learn->values);
    ks_free(learn->gradient);
    ks_free(learn->order);
    ks_free(learn->names);
    ks_free(learn->clients);
    ks_free(learn->shares);
    ks_free(learn->root);
}

/* --- the first model ---------------------------------------------------------------------- */

static enum ks_err write_synthetic(const struct ks_flsim_learn *learn, struct ks_buf *out)
{
    float *zeros = ks_calloc_huge(learn->params, sizeof *zeros);
    struct ks_tensor tensor = {.name = KS_LITERAL("weights"),
                               .dtype = KS_DTYPE_F32,
                               .dims = 1,
                               .shape = {learn->params}};

    if (zeros == NULL) {
        return out_of_memory(learn->params);
    }
    tensor.data = ks_tensor_data(zeros, learn->params);
    ks_tensors_write(&tensor, 1, NULL, 0, out);
    ks_free(zeros);
    return ks_buf_check(out);
}

/* The parameters of --from, of the model that the flags name. */
static enum ks_err read_from(const struct ks_flsim_learn *learn, const char *path)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_TENSORS_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_TENSORS_BYTES_MAX, &bytes));
    KS_TRY(ks_fail_prefix(
        ks_model_read_params(learn->model, ks_buf_view(&bytes), learn->values), "%s", path));
out:
    ks_buf_done(&bytes);
    return err;
}

enum ks_err ks_flsim_learn_first(const struct ks_flsim_learn *learn, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const char *from = ks_cli_text(learn->cli, "from");

    if (learn->synthetic) {
        return write_synthetic(learn, out);
    }
    ks_model_init(learn->model, learn->how.seed, learn->values);
    KS_TRY(from != NULL ? read_from(learn, from) : KS_OK);
    ks_model_write(learn->model, learn->values, (struct ks_bytes){0}, out);
    KS_TRY(ks_buf_check(out));
out:
    return err;
}
