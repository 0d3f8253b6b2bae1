/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Devices whose updates are known beforehand, and what a round has to make of them, computed
 * from these updates by the rules of src/fl alone: no sealing, no worker, no order of arrival.
 *
 *   fl_direct contribute DIRECTORY URL SESSION ROUNDS NUMBER SCALE BUNDLE
 *       takes part in the rounds of SESSION from 1 on with the update NUMBER times SCALE; with
 *       ROUNDS 0 it joins the first one, and no more
 *   fl_direct expect MODEL SESSION ROUNDS RULE ATTACKERS BUCKET BOUND RADIUS NAME:NUMBER:SCALE…
 *       "HASH GAIN" of the model that follows MODEL after so many rounds; GAIN: how far the
 * last of them went the honest way */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "base/text.h"
#include "client/fl.h"
#include "crypto/digest.h"
#include "fl/buckets.h"
#include "fl/model.h"
#include "fl/rules.h"
#include "fl/update.h"
#include "ketseal/client.h"

#define CLIENTS_MAX 16
#define TRIES_MAX   300
#define FILE_MAX    (1 << 20)

/* --- updates ------------------------------------------------------------------------------ */

static uint32_t samples_of(uint64_t number)
{
    return (uint32_t)(10 * (number + 1));
}

/* Whole numbers of 2^-12, so that nothing about them is rounded anywhere. */
static float whole(uint64_t *state, int bound)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (float)((int)(*state >> 40) % (2 * bound + 1) - bound) / 4096;
}

static void way(float *values, size_t count)
{
    uint64_t state = 1;

    for (size_t i = 0; i < count; i++) {
        values[i] = whole(&state, 2048);
    }
}

static void update_of(uint64_t number, float scale, float *values, size_t count)
{
    uint64_t state = number + 2;

    way(values, count);
    for (size_t i = 0; i < count; i++) {
        values[i] = scale * (values[i] + whole(&state, 256));
    }
}

/* --- a device ----------------------------------------------------------------------------- */

static void pause_ms(long ms)
{
    const struct timespec left = {.tv_nsec = ms * 1000000};

    (void)nanosleep(&left, NULL);
}

static enum ks_err await_round(struct ks_client *client, const uint8_t session[KS_SESSION_LEN],
                               uint64_t round, struct ks_fl_descriptor *out_descriptor)
{
    enum ks_err err = KS_ERR_NOT_FOUND;

    for (unsigned i = 0; i < TRIES_MAX && err == KS_ERR_NOT_FOUND; i++) {
        err = ks_client_fl_descriptor(client, session, out_descriptor);
        if (err == KS_OK && out_descriptor->round < round) {
            ks_fl_descriptor_done(out_descriptor);
            err = ks_fail(KS_ERR_NOT_FOUND, "round %llu does not begin",
                          (unsigned long long)round);
        }
        if (err == KS_ERR_NOT_FOUND) {
            pause_ms(100);
        }
    }
    return err;
}

struct device {
    struct ks_client *client;
    uint8_t session[KS_SESSION_LEN];
    uint64_t number;
    float scale;
};

/* BUNDLE is NULL: joins alone. */
static enum ks_err take_part(const struct device *device, uint64_t round, const char *bundle)
{
    enum ks_err err = KS_OK;
    struct ks_client_update update = {.loss = 0.5, .steps = 1};
    struct ks_fl_descriptor descriptor = {0};
    struct ks_client *client = device->client;
    float *values = NULL;
    struct ks_buf out;

    ks_buf_init(&out, FILE_MAX);
    KS_TRY(await_round(client, device->session, round, &descriptor));
    values = ks_calloc((size_t)descriptor.params, sizeof *values);
    KS_CHECK(values != NULL, KS_ERR_NOMEM, "values");
    update_of(device->number, device->scale, values, (size_t)descriptor.params);
    update.values = values;
    update.samples = samples_of(device->number);
    KS_TRY(ks_client_fl_join(client, &descriptor, update.samples, false, &out));
    if (bundle == NULL) {
        goto out;
    }
    err = KS_ERR_UNAVAILABLE; /* until all have joined */
    for (unsigned i = 0; i < TRIES_MAX && err == KS_ERR_UNAVAILABLE; i++) {
        ks_buf_clear(&out);
        err = ks_client_fl_contribute(client, &descriptor, &update, &out);
        if (err == KS_ERR_UNAVAILABLE) {
            pause_ms(100);
        }
    }
    KS_TRY(err);
    KS_TRY(ks_file_write(bundle, ks_buf_view(&out), 0644));
out:
    ks_fl_descriptor_done(&descriptor);
    ks_free(values);
    ks_buf_done(&out);
    return err;
}

static enum ks_err contribute(char **argv)
{
    enum ks_err err = KS_OK;
    const struct ks_device_spec spec = {.version = 1, .directory = argv[0], .url = argv[1]};
    struct device device = {.scale = strtof(argv[5], NULL)};
    uint64_t rounds = 0;

    KS_TRY(ks_hex_decode(ks_bytes_text(argv[2]), device.session, sizeof device.session));
    KS_TRY(ks_text_u64(ks_bytes_text(argv[3]), TRIES_MAX, &rounds));
    KS_TRY(ks_text_u64(ks_bytes_text(argv[4]), CLIENTS_MAX, &device.number));
    KS_TRY(ks_client_open_device(&spec, &device.client));
    KS_TRY(rounds == 0 ? take_part(&device, 1, NULL) : KS_OK);
    for (uint64_t round = 1; round <= rounds; round++) {
        KS_TRY(take_part(&device, round, argv[6]));
    }
out:
    ks_client_close(device.client);
    return err;
}

/* --- what has to come of it --------------------------------------------------------------- */

struct client {
    uint8_t id[KS_FL_HASH_LEN];
    uint32_t samples;
    size_t place; /* by name */
    float *values;
};

struct round {
    struct ks_fl_subject subject;
    struct ks_fl_robust robust;
    unsigned bucket;
    double bound;
    const float *center; /* the last change, where the rule begins there; else NULL */
    struct client clients[CLIENTS_MAX];
    size_t count;
};

static int by_id(const void *left, const void *right)
{
    return memcmp(((const struct client *)left)->id, ((const struct client *)right)->id,
                  KS_FL_HASH_LEN);
}

static enum ks_err read_clients(struct round *round, char **names)
{
    enum ks_err err = KS_OK;

    for (; names[round->count] != NULL; round->count++) {
        struct client *client = &round->clients[round->count];
        const char *number = strchr(names[round->count], ':');
        const char *scale = number == NULL ? NULL : strchr(number + 1, ':');

        KS_CHECK(round->count < CLIENTS_MAX && scale != NULL, KS_ERR_USAGE, "'%s'",
                 names[round->count]);
        client->place = round->count; /* given in their order */
        ks_fl_client_id(
            ks_bytes_of(names[round->count], (size_t)(number - names[round->count])),
            client->id);
        client->samples = samples_of(strtoul(number + 1, NULL, 10));
        client->values = ks_calloc(round->subject.params, sizeof *client->values);
        KS_CHECK(client->values != NULL, KS_ERR_NOMEM, "values");
        update_of(strtoul(number + 1, NULL, 10), strtof(scale + 1, NULL), client->values,
                  round->subject.params);
    }
out:
    return err;
}

static struct ks_fl_accumulator_params sum_of(const struct round *round)
{
    struct ks_fl_accumulator_params params = {.params = round->subject.params,
                                              .width = KS_FL_WIDTH_64,
                                              .fraction_bits = KS_FL_FRACTION_BITS,
                                              .members_max = round->count};

    ks_fl_update_context(&round->subject, params.context);
    return params;
}

static struct ks_fl_member member_of(const struct client *client)
{
    struct ks_fl_member member = {.weight = client->samples};

    memcpy(member.client, client->id, sizeof member.client);
    return member;
}

static double scale_of(const struct round *round, const float *values)
{
    return ks_fl_norm_scale(sqrt(ks_fl_norm_squared(values, round->subject.params, NULL)),
                            round->bound);
}

static enum ks_err sum_up(const struct round *round, float *out_change)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_accumulator_params params = sum_of(round);
    struct ks_fl_accumulator *sum = NULL;

    KS_TRY(ks_fl_accumulator_new(&params, &sum));
    for (size_t i = 0; i < round->count; i++) {
        const struct ks_fl_member member = member_of(&round->clients[i]);

        KS_TRY(ks_fl_accumulator_add(sum, &member, round->clients[i].values,
                                     scale_of(round, round->clients[i].values), NULL));
    }
    KS_TRY(ks_fl_accumulator_mean(sum, 0, out_change));
out:
    ks_fl_accumulator_free(sum);
    return err;
}

static enum ks_err fill_buckets(const struct round *round, float *means, size_t *out_count)
{
    enum ks_err err = KS_OK;
    struct ks_fl_buckets_params params = {
        .sum = sum_of(round), .clients = round->count, .size = round->bucket};
    const struct ks_bytes parts[] = {KS_LITERAL("ketseal/fl-dealing/1\n"),
                                     KS_BYTES(params.sum.context)};
    struct ks_fl_buckets *buckets = NULL;
    uint8_t digest[KS_SHA256_LEN];
    size_t which[CLIENTS_MAX];

    ks_sha256_parts(parts, 2, digest);
    for (size_t i = 0; i < 8; i++) {
        params.seed = params.seed << 8 | digest[i];
    }
    KS_TRY(ks_fl_buckets_new(&params, &buckets));
    for (size_t i = 0; i < round->count; i++) {
        const struct client *client = &round->clients[i];
        const struct ks_fl_member member = member_of(client);

        KS_TRY(ks_fl_buckets_add(buckets, client->place, &member, client->values,
                                 scale_of(round, client->values), NULL));
    }
    KS_TRY(ks_fl_buckets_means(buckets, means, which, out_count));
out:
    ks_fl_buckets_free(buckets);
    return err;
}

/* A rule that looks at rows: the updates by their clients' ids, or the buckets' means. */
static enum ks_err look(struct round *round, float *out_change)
{
    enum ks_err err = KS_OK;
    const size_t params = round->subject.params;
    const float *rows[CLIENTS_MAX];
    struct ks_fl_robust_input input = {.rows = {rows, round->count, params},
                                       .center = round->center};
    float *means = ks_calloc(CLIENTS_MAX * params, sizeof *means);

    KS_CHECK(means != NULL, KS_ERR_NOMEM, "means");
    if (round->bucket > 1) {
        KS_TRY(fill_buckets(round, means, &input.rows.count));
    }
    qsort(round->clients, round->count, sizeof round->clients[0], by_id);
    for (size_t i = 0; i < round->count; i++) {
        rows[i] = round->bucket > 1 ? means + i * params : round->clients[i].values;
        if (round->bucket <= 1) {
            (void)ks_fl_bound_norm(round->clients[i].values, params, round->bound, NULL);
        }
    }
    KS_TRY(ks_fl_robust_aggregate(&round->robust, &input, NULL, out_change, NULL));
out:
    ks_free(means);
    return err;
}

/* FILE becomes that of the model which CHANGE makes of it; how far that goes the honest way. */
static enum ks_err step(struct ks_buf *file, const float *change, double *out_gain)
{
    enum ks_err err = KS_OK;
    struct ks_fl_server_params params;
    struct ks_fl_server *server = NULL;
    struct ks_fl_model parent;
    float *values = NULL;
    struct ks_buf next;

    ks_buf_init(&next, FILE_MAX);
    KS_TRY(ks_fl_model_read(ks_buf_view(file), FILE_MAX, &parent));
    params = ks_fl_server_defaults(KS_FL_FEDAVG, parent.params);
    values = ks_calloc(parent.params, sizeof *values);
    KS_CHECK(values != NULL, KS_ERR_NOMEM, "values");
    way(values, parent.params);
    *out_gain = ks_fl_dot(change, values, parent.params, NULL) /
                ks_fl_norm_squared(values, parent.params, NULL);
    ks_fl_model_values(&parent, values);
    KS_TRY(ks_fl_server_new(&params, values, &server));
    KS_TRY(ks_fl_server_step(server, change, NULL, 0, NULL));
    ks_fl_model_write(&parent, ks_fl_server_model(server), &next);
    KS_TRY(ks_buf_check(&next));
    ks_buf_clear(file);
    ks_buf_put(file, ks_buf_view(&next));
out:
    ks_fl_server_free(server);
    ks_free(values);
    ks_buf_done(&next);
    return err;
}

/* What NAMES contribute to round NUMBER makes of the model in FILE; CHANGE was the round's
 * before, and is this one's then. */
static enum ks_err run_round(struct round *round, uint64_t number, char **names,
                             struct ks_buf *file, float *change, double *out_gain)
{
    enum ks_err err = KS_OK;
    const bool begins =
        round->robust.rule == KS_FL_RFA || round->robust.rule == KS_FL_CENTERED_CLIP;
    struct ks_fl_model parent;
    float *last = NULL;

    KS_TRY(ks_fl_model_read(ks_buf_view(file), FILE_MAX, &parent));
    last = ks_calloc(parent.params, sizeof *last);
    KS_CHECK(last != NULL, KS_ERR_NOMEM, "center");
    memcpy(last, change, parent.params * sizeof *last);
    round->center = begins && number > 1 ? last : NULL;
    round->subject.round = number;
    memcpy(round->subject.parent, parent.hash, sizeof parent.hash);
    KS_TRY(read_clients(round, names));
    KS_TRY(round->robust.rule == KS_FL_MEAN && round->bucket <= 1 ? sum_up(round, change)
                                                                  : look(round, change));
    KS_TRY(step(file, change, out_gain));
out:
    for (; round->count > 0; round->count--) {
        ks_free(round->clients[round->count - 1].values);
    }
    ks_free(last);
    return err;
}

static enum ks_err expect(char **argv)
{
    enum ks_err err = KS_OK;
    struct round round = {.count = 0};
    struct ks_fl_model parent;
    float *change = NULL;
    uint64_t rounds = 0;
    double gain = 0;
    uint8_t hash[KS_SHA256_LEN];
    char hex[2 * KS_SHA256_LEN + 1];
    struct ks_buf file;

    ks_buf_init(&file, FILE_MAX);
    KS_TRY(ks_file_read(argv[0], FILE_MAX, &file));
    KS_TRY(ks_fl_model_read(ks_buf_view(&file), FILE_MAX, &parent));
    KS_TRY(ks_hex_decode(ks_bytes_text(argv[1]), round.subject.session, KS_SESSION_LEN));
    KS_TRY(ks_text_u64(ks_bytes_text(argv[2]), TRIES_MAX, &rounds));
    KS_TRY(ks_fl_rule_of(ks_bytes_text(argv[3]), &round.robust.rule));
    round.robust.attackers = (unsigned)strtoul(argv[4], NULL, 10);
    round.bucket = (unsigned)strtoul(argv[5], NULL, 10);
    round.bound = strtod(argv[6], NULL);
    round.robust.radius = strtod(argv[7], NULL);
    memcpy(round.subject.shape, parent.shape, sizeof parent.shape);
    round.subject.params = (uint32_t)parent.params;
    change = ks_calloc(parent.params, sizeof *change);
    KS_CHECK(change != NULL, KS_ERR_NOMEM, "change");
    for (uint64_t number = 1; number <= rounds; number++) {
        KS_TRY(run_round(&round, number, argv + 8, &file, change, &gain));
    }
    ks_sha256(ks_buf_view(&file), hash);
    ks_hex_encode(KS_BYTES(hash), hex);
    (void)printf("%s %.3f\n", hex, gain);
out:
    ks_free(change);
    ks_buf_done(&file);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_ERR_USAGE;

    if (argc == 9 && strcmp(argv[1], "contribute") == 0) {
        err = contribute(argv + 2);
    } else if (argc > 10 && strcmp(argv[1], "expect") == 0) {
        err = expect(argv + 2);
    }
    if (err != KS_OK) {
        (void)fprintf(stderr, "fl_direct: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
