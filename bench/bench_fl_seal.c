/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_fl_seal: what it costs that an update is sealed, beside the same sum of the same
 * updates in the clear. One thread; one line of JSON for each of these, seconds of the
 * process's CPU for one update, medians of RUNS that alternate:
 *
 *   plain       added up, floats that are in memory already
 *   device      encoded, encapsulated to the round's key, sealed, hashed
 *   enclave     decapsulated and the update's key derived: does not depend on its length
 *   worker      hashed as it came, opened, parsed and checked, decoded, hashed, added up
 *   checkpoint  the sum written, sealed and hashed: once for each group of updates
 *
 * and one for the whole, in which UPDATES, each of another device, go into one round: seconds
 * with and without sealing, and that both sums have the same bytes.
 *
 *   bench_fl_seal [--params=1048576] [--updates=16] [--encoding=f32] [--runs=7] */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/philox.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/kem.h"
#include "fl/accumulate.h"
#include "fl/seal.h"

#define RUNS_MAX    100
#define UPDATES_MAX 1024
#define SAMPLES     600

struct bench {
    struct ks_fl_subject subject;
    enum ks_fl_encoding encoding;
    size_t updates;
    unsigned runs;
    struct ks_kem_key *key;
    struct ks_buf public_key;
    float *values; /* of an update */
    float *opened;
    struct ks_buf update; /* in the clear */
    struct ks_buf sealed;
    struct ks_buf state;
    struct ks_buf checkpoint;
};

/* Seconds of one update, or of one checkpoint. */
struct costs {
    double plain;
    double device;
    double enclave;
    double worker;
    double checkpoint;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        (void)fputs("bench_fl_seal: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static void ok(enum ks_err err)
{
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_fl_seal: %s\n", ks_err_detail());
        exit(1);
    }
}

static double used_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void fill(float *values, size_t count, uint32_t seed)
{
    const uint32_t key[2] = {seed, 0};

    for (size_t i = 0; i < count; i++) {
        const uint32_t counter[4] = {(uint32_t)i, 0, 0, 0};
        uint32_t words[4];

        ks_philox(key, counter, words);
        values[i] = (float)((words[0] + 0.5) / 4294967296.0 - 0.5) * 0.1f;
    }
}

static struct ks_fl_accumulator *sum_new(const struct bench *bench)
{
    const struct ks_fl_accumulator_params params = {.params = bench->subject.params,
                                                    .width = KS_FL_WIDTH_64,
                                                    .fraction_bits = KS_FL_FRACTION_BITS,
                                                    .members_max = bench->updates};
    struct ks_fl_accumulator *sum = NULL;

    ok(ks_fl_accumulator_new(&params, &sum));
    return sum;
}

static struct ks_bytes name_of(size_t client, char text[32])
{
    return ks_bytes_of(text, (size_t)snprintf(text, 32, "edge-%zu", client));
}

/* --- the parts ---------------------------------------------------------------------------- */

static void encode(struct bench *bench, uint64_t seed)
{
    const struct ks_fl_encode how = {
        .encoding = bench->encoding, .stochastic = true, .seed = seed};
    struct ks_fl_update update = {
        .subject = bench->subject, .samples = SAMPLES, .encoding = bench->encoding};
    struct ks_buf payload;

    ks_buf_init(&payload, SIZE_MAX / 2);
    ok(ks_fl_encode(&how, bench->values, bench->subject.params, &payload));
    update.payload = ks_buf_view(&payload);
    ks_buf_clear(&bench->update);
    ks_fl_update_write(&update, &bench->update);
    ok(ks_buf_check(&bench->update));
    ks_buf_done(&payload);
}

static void seal(struct bench *bench, size_t client, uint8_t out_hash[KS_SHA256_LEN])
{
    struct ks_secret shared = {0};
    struct ks_buf ciphertext;
    uint8_t key[KS_AEAD_KEY_LEN];
    char name[32];

    encode(bench, client);
    ks_buf_init(&ciphertext, KS_KEM_CIPHERTEXT_LEN);
    ok(ks_kem_encap(KS_KEM_MLKEM768, ks_buf_view(&bench->public_key), &ciphertext, &shared));
    ok(ks_fl_seal_key(&shared, ks_buf_view(&ciphertext), &bench->subject, name_of(client, name),
                      key));
    ks_buf_clear(&bench->sealed);
    ok(ks_fl_seal(key, ciphertext.data, ks_buf_view(&bench->update), &bench->sealed));
    ks_sha256(ks_buf_view(&bench->sealed), out_hash);
    ks_wipe(key, sizeof key);
    ks_secret_done(&shared);
    ks_buf_done(&ciphertext);
}

static void open_key(const struct bench *bench, size_t client, uint8_t out_key[KS_AEAD_KEY_LEN])
{
    const struct ks_bytes head = {bench->sealed.data, KS_FL_SEALED_HEAD_LEN};
    struct ks_secret shared = {0};
    struct ks_bytes ciphertext;
    char name[32];

    ok(ks_fl_sealed_ciphertext(head, &ciphertext));
    ok(ks_kem_decap(bench->key, ciphertext, &shared));
    ok(ks_fl_seal_key(&shared, ciphertext, &bench->subject, name_of(client, name), out_key));
    ks_secret_done(&shared);
}

static void add(size_t client, const float *values, const uint8_t hash[KS_SHA256_LEN],
                struct ks_fl_accumulator *sum)
{
    struct ks_fl_member member = {.weight = SAMPLES};
    char name[32];

    ks_fl_client_id(name_of(client, name), member.client);
    ks_copy(member.update, hash, sizeof member.update);
    ok(ks_fl_accumulator_add(sum, &member, values, 1, NULL));
}

static void open_and_add(struct bench *bench, size_t client, const uint8_t key[KS_AEAD_KEY_LEN],
                         const uint8_t sealed_hash[KS_SHA256_LEN],
                         struct ks_fl_accumulator *sum)
{
    struct ks_fl_update update;
    uint8_t hash[KS_SHA256_LEN];

    ks_sha256(ks_buf_view(&bench->sealed), hash);
    if (!ks_bytes_equal(KS_BYTES(hash), ks_bytes_of(sealed_hash, sizeof hash))) {
        ok(ks_fail(KS_ERR_VERIFY, "the sealed update changed"));
    }
    ks_buf_clear(&bench->update);
    ok(ks_fl_unseal(key, ks_buf_view(&bench->sealed), &bench->update));
    ok(ks_fl_update_read(ks_buf_view(&bench->update), &update));
    ok(ks_fl_update_about(&update, &bench->subject));
    ks_fl_decode(update.encoding, update.payload, bench->subject.params, bench->opened);
    ks_sha256(ks_buf_view(&bench->update), hash);
    add(client, bench->opened, hash, sum);
}

static void write_checkpoint(struct bench *bench, const struct ks_fl_accumulator *sum)
{
    static const uint8_t key[KS_AEAD_KEY_LEN] = {1};
    static const uint8_t nonce[KS_AEAD_NONCE_LEN] = {1};
    uint8_t hash[KS_SHA256_LEN];

    ks_buf_clear(&bench->state);
    ks_fl_accumulator_write(sum, &bench->state);
    ks_buf_clear(&bench->checkpoint);
    ok(ks_fl_checkpoint_seal(key, nonce, ks_buf_view(&bench->state), &bench->checkpoint));
    ks_sha256(ks_buf_view(&bench->checkpoint), hash);
}

/* --- a round ------------------------------------------------------------------------------ */

/* One round both ways; the seconds of each part are added to COSTS. */
static void run_round(struct bench *bench, struct costs *costs)
{
    struct ks_fl_accumulator *plain = sum_new(bench);
    struct ks_fl_accumulator *sealed = sum_new(bench);
    struct ks_buf state;

    for (size_t client = 0; client < bench->updates; client++) {
        uint8_t key[KS_AEAD_KEY_LEN];
        uint8_t sealed_hash[KS_SHA256_LEN];
        uint8_t update_hash[KS_SHA256_LEN];
        struct ks_fl_update update;
        double times[5];

        fill(bench->values, bench->subject.params, (uint32_t)client + 1);
        times[0] = used_s();
        seal(bench, client, sealed_hash);
        times[1] = used_s();
        open_key(bench, client, key);
        times[2] = used_s();
        open_and_add(bench, client, key, sealed_hash, sealed);
        times[3] = used_s();
        costs->device += times[1] - times[0];
        costs->enclave += times[2] - times[1];
        costs->worker += times[3] - times[2];
        /* What an encoding loses is lost in both sums. */
        ok(ks_fl_update_read(ks_buf_view(&bench->update), &update));
        ks_fl_decode(update.encoding, update.payload, bench->subject.params, bench->values);
        ks_sha256(ks_buf_view(&bench->update), update_hash);
        times[3] = used_s();
        add(client, bench->values, update_hash, plain);
        times[4] = used_s();
        costs->plain += times[4] - times[3];
    }
    costs->checkpoint -= used_s();
    write_checkpoint(bench, sealed);
    costs->checkpoint += used_s();
    ks_buf_init(&state, SIZE_MAX / 2);
    ks_fl_accumulator_write(plain, &state);
    ok(ks_buf_check(&state));
    if (!ks_bytes_equal(ks_buf_view(&state), ks_buf_view(&bench->state))) {
        ok(ks_fail(KS_ERR_VERIFY, "the sums differ"));
    }
    ks_buf_done(&state);
    ks_fl_accumulator_free(plain);
    ks_fl_accumulator_free(sealed);
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median(double *times, unsigned count)
{
    qsort(times, count, sizeof *times, by_value);
    return times[count / 2];
}

static void print_part(const struct bench *bench, const char *part, double seconds,
                       double plain)
{
    (void)printf("{\"bench\":\"fl.seal\",\"part\":\"%s\",\"params\":%" PRIu32
                 ",\"encoding\":\"%s\",\"bytes\":%zu,\"ms\":%.3f,\"per_s\":%.1f,\"mb_s\":%.1f,"
                 "\"times_plain\":%.2f}\n",
                 part, bench->subject.params, ks_fl_encoding_word(bench->encoding),
                 bench->sealed.len, 1e3 * seconds, 1 / seconds,
                 1e-6 * (double)bench->sealed.len / seconds, seconds / plain);
}

static void run(struct bench *bench)
{
    static double plain[RUNS_MAX];
    static double device[RUNS_MAX];
    static double enclave[RUNS_MAX];
    static double worker[RUNS_MAX];
    static double checkpoint[RUNS_MAX];
    const double updates = (double)bench->updates;
    double base = 0;
    double site = 0;

    for (unsigned i = 0; i < bench->runs; i++) {
        struct costs costs = {0};

        run_round(bench, &costs);
        plain[i] = costs.plain / updates;
        device[i] = costs.device / updates;
        enclave[i] = costs.enclave / updates;
        worker[i] = costs.worker / updates;
        checkpoint[i] = costs.checkpoint;
    }
    base = median(plain, bench->runs);
    site = median(enclave, bench->runs) + median(worker, bench->runs);
    print_part(bench, "plain", base, base);
    print_part(bench, "device", median(device, bench->runs), base);
    print_part(bench, "enclave", median(enclave, bench->runs), base);
    print_part(bench, "worker", median(worker, bench->runs), base);
    print_part(bench, "checkpoint", median(checkpoint, bench->runs), base);
    (void)printf("{\"bench\":\"fl.seal.round\",\"params\":%" PRIu32
                 ",\"encoding\":\"%s\",\"updates\":%zu,\"plain_s\":%.4f,\"sealed_s\":%.4f,"
                 "\"times_plain\":%.2f,\"same_sum\":true}\n",
                 bench->subject.params, ks_fl_encoding_word(bench->encoding), bench->updates,
                 base * updates, site * updates + median(checkpoint, bench->runs),
                 (site * updates + median(checkpoint, bench->runs)) / (base * updates));
}

static void option(struct bench *bench, const char *text)
{
    unsigned long value = 0;
    char *end = NULL;
    const char *equals = strchr(text, '=');

    if (equals != NULL && strncmp(text, "--encoding=", 11) == 0) {
        ok(ks_fl_encoding_of(ks_bytes_text(equals + 1), &bench->encoding));
        return;
    }
    value = equals == NULL ? 0 : strtoul(equals + 1, &end, 10);
    if (value >= 1 && *end == '\0' && strncmp(text, "--params=", 9) == 0 &&
        value <= KS_FL_PARAMS_MAX) {
        bench->subject.params = (uint32_t)value;
    } else if (value >= 1 && *end == '\0' && strncmp(text, "--updates=", 10) == 0 &&
               value <= UPDATES_MAX) {
        bench->updates = value;
    } else if (value >= 1 && *end == '\0' && strncmp(text, "--runs=", 7) == 0 &&
               value <= RUNS_MAX) {
        bench->runs = (unsigned)value;
    } else {
        (void)fprintf(stderr, "bench_fl_seal: what is '%s'?\n", text);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct bench bench = {.subject = {.round = 1, .params = 1048576}, .updates = 16, .runs = 7};

    for (int i = 1; i < argc; i++) {
        option(&bench, argv[i]);
    }
    if (bench.encoding == KS_FL_TOPK) {
        (void)fputs("bench_fl_seal: not with topk\n", stderr);
        return 2;
    }
    bench.values = must(ks_calloc_huge(bench.subject.params, sizeof(float)));
    bench.opened = must(ks_calloc_huge(bench.subject.params, sizeof(float)));
    ks_buf_init(&bench.public_key, KS_KEM_PUBLIC_LEN);
    ks_buf_init(&bench.update, SIZE_MAX / 2);
    ks_buf_init(&bench.sealed, SIZE_MAX / 2);
    ks_buf_init(&bench.state, SIZE_MAX / 2);
    ks_buf_init(&bench.checkpoint, SIZE_MAX / 2);
    ok(ks_kem_key_new(KS_KEM_MLKEM768, &bench.key));
    ok(ks_kem_key_public(bench.key, &bench.public_key));
    run(&bench);
    ks_kem_key_free(bench.key);
    ks_free(bench.values);
    ks_free(bench.opened);
    ks_buf_done(&bench.public_key);
    ks_buf_done(&bench.update);
    ks_buf_done(&bench.sealed);
    ks_buf_done(&bench.state);
    ks_buf_done(&bench.checkpoint);
    return 0;
}
