/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A device of a session of federated learning that can be asked to misbehave, for tests against
 * a running site:
 *
 *   fl_client [OPTION]… ACT
 *
 *   join       it takes part, with --samples
 *   leave      it does not
 *   send       seals an update, sends it, contributes it; prints the bundle
 *   upload     seals and sends it, prints the job that would contribute it
 *   part       sends the first of two parts of something else
 *
 *   --device=DIR       root.pem, device.pem, device.key, site.json, url, state/, as `ketseal`
 * has them
 *   --session=HEX      of 32 digits
 *   --samples=N        (default: 10)
 *   --loss=X           (default: 1)
 *   --scale=X          how large the numbers are (default: 0.001)
 *   --seed=N           which they are
 *   --age=SECONDS      how old its answer says it is (join, leave)
 *   --spoil=WHAT       see below
 *
 * Exit status as ketseal's; what goes wrong is on standard error. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "client/fl.h"
#include "client/inside.h"
#include "crypto/digest.h"
#include "crypto/kem.h"
#include "fl/seal.h"

#define PART_LEN   ((size_t)1024 * 1024)
#define BUNDLE_MAX (64 * 1024 * 1024)

/* What is wrong with an update: in what is sealed, in how it is sealed, in what is sent, in
 * what the job says. */
#define SPOIL_LIST(X)                                                                          \
    X(NOTHING, "nothing")                                                                      \
    X(NAN, "nan")                 /* one number of it is none */                               \
    X(INFINITE, "inf")            /* one is infinite */                                        \
    X(SHAPE, "shape")             /* it is of another shape */                                 \
    X(FEWER, "fewer")             /* of fewer numbers */                                       \
    X(DTYPE, "dtype")             /* encoded otherwise than it says */                         \
    X(ENCODING, "encoding")       /* and otherwise than the round wants */                     \
    X(ROUND, "round")             /* of another round */                                       \
    X(PARENT, "parent")           /* of another parent */                                      \
    X(SAMPLES, "samples")         /* of other samples than the job says */                     \
    X(TRAILING, "trailing")       /* with a byte behind its end */                             \
    X(NAME, "name")               /* sealed in another's name */                               \
    X(KEY, "key")                 /* sealed to another key */                                  \
    X(MAGIC, "magic")             /* no sealed update */                                       \
    X(BIT, "bit")                 /* one bit changed before it is sent */                      \
    X(CUT, "cut")                 /* cut short before it is sent */                            \
    X(EMPTY, "empty")             /* of one byte */                                            \
    X(MISLABELLED, "mislabelled") /* sent under another hash than its own */                   \
    X(UNSENT, "unsent")           /* not sent at all */                                        \
    X(JOB_ROUND, "job-round")     /* the job is about another round */                         \
    X(JOB_PARENT, "job-parent")   /* and another parent */                                     \
    X(JOB_SESSION, "job-session")                                                              \
    X(JOB_ENCODING, "job-encoding")                                                            \
    X(JOB_LENGTH, "job-length")                                                                \
    X(JOB_LONG, "job-long")       /* over what any model allows */                             \
    X(JOB_SAMPLES, "job-samples") /* more than a round allows */
enum spoil {
#define SPOIL_ENUM(name, word) SPOIL_##name,
    SPOIL_LIST(SPOIL_ENUM)
#undef SPOIL_ENUM
        SPOILS
};

static const char *const spoil_words[SPOILS] = {
#define SPOIL_WORD(name, word) word,
    SPOIL_LIST(SPOIL_WORD)
#undef SPOIL_WORD
};

struct options {
    const char *device;
    const char *session;
    uint64_t samples;
    uint64_t seed;
    uint64_t age_s;
    double scale;
    double loss;
    enum spoil spoil;
    const char *act;
};

struct device {
    struct options options;
    struct ks_client *client;
    struct ks_fl_descriptor descriptor;
};

static enum ks_err usage(const char *argument)
{
    return ks_fail(KS_ERR_USAGE, "'%s': see the head of fl_client.c", argument);
}

static enum ks_err read_spoil(const char *word, enum spoil *out_spoil)
{
    for (unsigned i = 0; i < SPOILS; i++) {
        if (strcmp(word, spoil_words[i]) == 0) {
            *out_spoil = (enum spoil)i;
            return KS_OK;
        }
    }
    return usage(word);
}

static const char *value_of(const char *argument, const char *flag)
{
    const size_t len = strlen(flag);

    return strncmp(argument, flag, len) == 0 ? argument + len : NULL;
}

static enum ks_err read_option(const char *argument, struct options *options)
{
    enum ks_err err = KS_OK;
    const char *value = NULL;

    if ((value = value_of(argument, "--device=")) != NULL) {
        options->device = value;
    } else if ((value = value_of(argument, "--session=")) != NULL) {
        options->session = value;
    } else if ((value = value_of(argument, "--samples=")) != NULL) {
        KS_TRY(ks_text_u64(ks_bytes_text(value), KS_JSON_INTEGER_MAX, &options->samples));
    } else if ((value = value_of(argument, "--seed=")) != NULL) {
        KS_TRY(ks_text_u64(ks_bytes_text(value), KS_JSON_INTEGER_MAX, &options->seed));
    } else if ((value = value_of(argument, "--age=")) != NULL) {
        KS_TRY(ks_text_u64(ks_bytes_text(value), 1000000000, &options->age_s));
    } else if ((value = value_of(argument, "--scale=")) != NULL) {
        KS_TRY(ks_text_double(ks_bytes_text(value), &options->scale));
    } else if ((value = value_of(argument, "--loss=")) != NULL) {
        KS_TRY(ks_text_double(ks_bytes_text(value), &options->loss));
    } else if ((value = value_of(argument, "--spoil=")) != NULL) {
        KS_TRY(read_spoil(value, &options->spoil));
    } else if (options->act == NULL && argument[0] != '-') {
        options->act = argument;
    } else {
        KS_TRY(usage(argument));
    }
out:
    return err;
}

static enum ks_err open_device(struct device *device)
{
    const struct ks_device_spec spec = {.version = 1, .directory = device->options.device};

    return ks_client_open_device(&spec, &device->client);
}

/* --- the update --------------------------------------------------------------------------- */

static void fill(const struct device *device, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)(device->options.scale *
                            sin((double)i + 1000.0 * (double)device->options.seed));
    }
}

/* One float32 of the payload becomes BITS. */
static void set_number(struct ks_buf *payload, uint32_t bits)
{
    for (unsigned i = 0; i < 4 && payload->len >= 8; i++) {
        payload->data[4 + i] = (uint8_t)(bits >> (24 - 8 * i));
    }
}

static enum ks_err write_payload(const struct device *device, struct ks_fl_update *update,
                                 struct ks_buf *payload)
{
    enum ks_err err = KS_OK;
    const enum spoil spoil = device->options.spoil;
    const size_t count = update->subject.params;
    struct ks_fl_encode encode = {.encoding = update->encoding};
    float *values = ks_calloc(count, sizeof *values);

    KS_CHECK(values != NULL, KS_ERR_NOMEM, "%zu numbers", count);
    fill(device, values, count);
    encode.encoding = spoil == SPOIL_DTYPE ? KS_FL_F16 : update->encoding;
    KS_TRY(ks_fl_encode(&encode, values, count, payload));
    if (spoil == SPOIL_NAN || spoil == SPOIL_INFINITE) {
        set_number(payload, spoil == SPOIL_NAN ? 0x7fc00000U : 0x7f800000U);
    }
    update->payload = ks_buf_view(payload);
out:
    ks_free(values);
    return err;
}

static void spoil_subject(enum spoil spoil, struct ks_fl_update *update)
{
    struct ks_fl_subject *subject = &update->subject;

    subject->round += spoil == SPOIL_ROUND ? 1 : 0;
    subject->parent[0] ^= spoil == SPOIL_PARENT ? 1 : 0;
    subject->shape[0] ^= spoil == SPOIL_SHAPE ? 1 : 0;
    subject->params -= spoil == SPOIL_FEWER ? 1 : 0;
    update->samples += spoil == SPOIL_SAMPLES ? 1 : 0;
    update->encoding = spoil == SPOIL_ENCODING ? KS_FL_F16 : update->encoding;
}

static enum ks_err write_update(const struct device *device, struct ks_fl_subject *out_subject,
                                struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_descriptor *descriptor = &device->descriptor;
    struct ks_fl_update update = {.samples = (uint32_t)device->options.samples};
    struct ks_buf payload;

    ks_buf_init(&payload, SIZE_MAX / 2);
    KS_TRY(ks_fl_encoding_of(descriptor->local.encoding, &update.encoding));
    ks_copy(update.subject.session, descriptor->session, sizeof update.subject.session);
    update.subject.round = descriptor->round;
    ks_copy(update.subject.parent, descriptor->parent, sizeof update.subject.parent);
    ks_copy(update.subject.shape, descriptor->shape, sizeof update.subject.shape);
    update.subject.params = (uint32_t)descriptor->params;
    *out_subject = update.subject;
    spoil_subject(device->options.spoil, &update);
    KS_TRY(write_payload(device, &update, &payload));
    ks_fl_update_write(&update, out);
    if (device->options.spoil == SPOIL_TRAILING) {
        ks_buf_put_u8(out, 0);
    }
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&payload);
    return err;
}

/* The public key to seal to: the round's, or one that nobody has. */
static enum ks_err other_key(struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    static const uint8_t seed[KS_KEM_SEED_LEN] = {7};
    struct ks_kem_key *key = NULL;

    KS_TRY(ks_kem_key_from_seed(KS_KEM_MLKEM768, KS_BYTES(seed), &key));
    KS_TRY(ks_kem_key_public(key, out));
out:
    ks_kem_key_free(key);
    return err;
}

static enum ks_err seal(const struct device *device, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const enum spoil spoil = device->options.spoil;
    struct ks_bytes public = KS_BYTES(device->descriptor.kem_public);
    struct ks_secret shared = {0};
    struct ks_fl_subject subject;
    struct ks_buf plain;
    struct ks_buf ciphertext;
    struct ks_buf other;
    uint8_t key[KS_AEAD_KEY_LEN] = {0};

    ks_buf_init(&plain, SIZE_MAX / 2);
    ks_buf_init(&ciphertext, KS_KEM_CIPHERTEXT_LEN);
    ks_buf_init(&other, KS_KEM_PUBLIC_LEN);
    KS_TRY(write_update(device, &subject, &plain));
    if (spoil == SPOIL_KEY) {
        KS_TRY(other_key(&other));
        public = ks_buf_view(&other);
    }
    KS_TRY(ks_kem_encap(KS_KEM_MLKEM768, public, &ciphertext, &shared));
    KS_TRY(ks_fl_seal_key(
        &shared, ks_buf_view(&ciphertext), &subject,
        ks_bytes_text(spoil == SPOIL_NAME ? "nobody" : ks_client_device(device->client)), key));
    KS_TRY(ks_fl_seal(key, ciphertext.data, ks_buf_view(&plain), out));
    if (spoil == SPOIL_MAGIC || spoil == SPOIL_BIT) {
        out->data[spoil == SPOIL_MAGIC ? 0 : out->len - 1] ^= 1;
    }
    if (spoil == SPOIL_CUT || spoil == SPOIL_EMPTY) {
        out->len = spoil == SPOIL_EMPTY ? 1 : out->len / 2;
    }
out:
    ks_wipe(key, sizeof key);
    ks_secret_done(&shared);
    ks_buf_done(&plain);
    ks_buf_done(&ciphertext);
    ks_buf_done(&other);
    return err;
}

/* --- sending ------------------------------------------------------------------------------ */

/* PART of BYTES, which are said to have LENGTH bytes and HASH in all. */
static enum ks_err put_part(const struct device *device, const uint8_t hash[32], size_t part,
                            uint64_t length, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    char hex[2 * 32 + 1];
    char target[160];
    struct ks_buf answer;
    const struct ks_session_call call = {.method = "PUT",
                                         .target = target,
                                         .content_type = "application/octet-stream",
                                         .body = bytes};

    ks_buf_init(&answer, 65536);
    ks_hex_encode(ks_bytes_of(hash, 32), hex);
    (void)snprintf(target, sizeof target, "/v1/fl/uploads/%s/%zu?length=%llu", hex, part,
                   (unsigned long long)length);
    KS_TRY(ks_session_call(ks_client_session(device->client), &call, &answer));
out:
    ks_buf_done(&answer);
    return err;
}

static enum ks_err upload(const struct device *device, struct ks_bytes bytes,
                          uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;

    ks_sha256(bytes, out_hash);
    if (device->options.spoil == SPOIL_MISLABELLED) {
        out_hash[0] ^= 1;
    }
    if (device->options.spoil == SPOIL_UNSENT) {
        return KS_OK;
    }
    for (size_t begin = 0; begin < bytes.len; begin += PART_LEN) {
        KS_TRY(
            put_part(device, out_hash, begin / PART_LEN, bytes.len,
                     ks_bytes_of(bytes.data + begin,
                                 bytes.len - begin < PART_LEN ? bytes.len - begin : PART_LEN)));
    }
out:
    return err;
}

static void spoil_job(enum spoil spoil, struct ks_job_update *update)
{
    update->round += spoil == SPOIL_JOB_ROUND ? 1 : 0;
    update->parent[0] ^= spoil == SPOIL_JOB_PARENT ? 1 : 0;
    update->session[0] ^= spoil == SPOIL_JOB_SESSION ? 1 : 0;
    update->length += spoil == SPOIL_JOB_LENGTH ? 1 : 0;
    if (spoil == SPOIL_JOB_ENCODING) {
        update->encoding = KS_LITERAL("q8");
    } else if (spoil == SPOIL_JOB_LONG) {
        update->length = KS_UPDATE_SEALED_MAX;
    } else if (spoil == SPOIL_JOB_SAMPLES) {
        update->samples = KS_UPDATE_SAMPLES_MAX;
    }
}

/* Seals and sends; the job that contributes it goes to OUT. */
static enum ks_err prepare(struct device *device, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_descriptor *descriptor = &device->descriptor;
    struct ks_job job = {.schema = 4, .kind = KS_KIND_UPDATE};
    struct ks_buf sealed;

    ks_buf_init(&sealed, SIZE_MAX / 2);
    KS_TRY(seal(device, &sealed));
    KS_TRY(upload(device, ks_buf_view(&sealed), job.update.sealed));
    ks_copy(job.update.session, descriptor->session, sizeof job.update.session);
    job.update.round = descriptor->round;
    ks_copy(job.update.parent, descriptor->parent, sizeof job.update.parent);
    job.update.encoding = descriptor->local.encoding;
    job.update.samples = device->options.samples;
    job.update.loss = device->options.loss;
    job.update.steps = 1;
    job.update.length = sealed.len;
    spoil_job(device->options.spoil, &job.update);
    ks_job_write(&job, out);
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&sealed);
    return err;
}

static enum ks_err send_update(struct device *device)
{
    enum ks_err err = KS_OK;
    struct ks_buf job;
    struct ks_buf bundle;

    ks_buf_init(&job, KS_JOB_BYTES_MAX);
    ks_buf_init(&bundle, BUNDLE_MAX);
    KS_TRY(prepare(device, &job));
    KS_TRY(ks_client_send_job(device->client, "/qjob", ks_buf_view(&job), &bundle));
    ks_buf_put_u8(&bundle, '\n');
    KS_TRY(ks_buf_check(&bundle));
    KS_TRY(ks_fd_write(1, ks_buf_view(&bundle), "standard output"));
out:
    ks_buf_done(&job);
    ks_buf_done(&bundle);
    return err;
}

static enum ks_err print_job(struct device *device)
{
    enum ks_err err = KS_OK;
    struct ks_buf job;

    ks_buf_init(&job, KS_JOB_BYTES_MAX);
    KS_TRY(prepare(device, &job));
    KS_TRY(ks_fd_write(1, ks_buf_view(&job), "standard output"));
out:
    ks_buf_done(&job);
    return err;
}

/* --- taking part -------------------------------------------------------------------------- */

static enum ks_err answer(struct device *device, bool leaves)
{
    enum ks_err err = KS_OK;
    struct ks_fl_join join = {.device = ks_bytes_text(ks_client_device(device->client)),
                              .round = device->descriptor.round,
                              .samples = device->options.samples,
                              .site = device->descriptor.site,
                              .leaves = leaves};
    struct ks_session_call call = {
        .method = "POST", .target = "/v1/fl/joins", .content_type = "application/json"};
    struct ks_buf document;
    struct ks_buf said;

    ks_buf_init(&document, KS_FL_JOIN_MAX);
    ks_buf_init(&said, 8 * 1024 * 1024);
    ks_copy(join.session, device->descriptor.session, sizeof join.session);
    join.created_us = ks_clock_us() - device->options.age_s * 1000000;
    KS_TRY(ks_session_connect(ks_client_session(device->client)));
    ks_copy(join.channel, ks_session_channel(ks_client_session(device->client)),
            sizeof join.channel);
    KS_TRY(ks_fl_join_write(&join, ks_client_key(device->client), &document));
    call.body = ks_buf_view(&document);
    KS_TRY(ks_session_call(ks_client_session(device->client), &call, &said));
out:
    ks_buf_done(&document);
    ks_buf_done(&said);
    return err;
}

static enum ks_err send_part(const struct device *device)
{
    enum ks_err err = KS_OK;
    uint8_t *bytes = ks_calloc(PART_LEN, 1);
    uint8_t hash[32] = {0};

    KS_CHECK(bytes != NULL, KS_ERR_NOMEM, "a part");
    hash[0] = (uint8_t)device->options.seed;
    KS_TRY(put_part(device, hash, 0, PART_LEN + 1, ks_bytes_of(bytes, PART_LEN)));
out:
    ks_free(bytes);
    return err;
}

static enum ks_err run(struct device *device)
{
    enum ks_err err = KS_OK;
    const struct options *options = &device->options;
    uint8_t session[KS_SESSION_LEN];

    KS_CHECK(options->act != NULL && options->session != NULL, KS_ERR_USAGE,
             "an act and --session");
    KS_TRY(ks_hex_decode(ks_bytes_text(options->session), session, sizeof session));
    KS_TRY(open_device(device));
    if (strcmp(options->act, "part") == 0) {
        return send_part(device);
    }
    KS_TRY(ks_client_fl_descriptor(device->client, session, &device->descriptor));
    if (strcmp(options->act, "join") == 0 || strcmp(options->act, "leave") == 0) {
        KS_TRY(answer(device, strcmp(options->act, "leave") == 0));
    } else if (strcmp(options->act, "send") == 0) {
        KS_TRY(send_update(device));
    } else if (strcmp(options->act, "upload") == 0) {
        KS_TRY(print_job(device));
    } else {
        KS_TRY(usage(options->act));
    }
out:
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct device device = {
        .options = {.device = ".", .samples = 10, .scale = 0.001, .loss = 1}};

    for (int i = 1; i < argc; i++) {
        KS_TRY(read_option(argv[i], &device.options));
    }
    KS_TRY(run(&device));
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "fl_client: %s\n", ks_err_detail());
    }
    ks_fl_descriptor_done(&device.descriptor);
    ks_client_close(device.client);
    return ks_err_exit_code(err);
}
