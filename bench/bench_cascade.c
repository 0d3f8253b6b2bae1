/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_cascade: reconciliation of random frames, both ends in this process. One line of JSON
 * for each error rate: efficiency, frame error rate with its upper 95 % bound, messages, speed;
 * beside them what arXiv:1407.3257 published for frames of 10^4 bits over 10,000 runs.
 *
 *   bench_cascade [FRAMES [FRAME_BITS [GROUP [PERCENT]]]]      30000, 10000, 1, 1 to 8
 *
 * GROUP frames share shuffles and messages, as those of a block of a link do; with one, each
 * frame is an experiment of its own. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "qkd/cascade.h"
#include "qkd/real.h"

#define FRAMES_MAX 10000000

struct published {
    unsigned percent;
    double original;
    double option3;
    double yanetal;
};

static const struct published published[] = {
    {1, 1.143, 1.111, 1.095},
    {5, 1.185, 1.106, 1.077},
};

struct point {
    size_t frame_bits;
    size_t group;
    unsigned percent;
    uint64_t frames;
    uint64_t failed;
    uint64_t leaked;
    uint64_t errors;
    uint64_t steps; /* of groups */
    uint64_t groups;
    uint64_t time_us;
};

/* Upper end of the one-sided 95 % interval of Clopper and Pearson: the rate at which FAILED or
 * fewer of COUNT have probability 0.05. With no failure it is the rule of three. */
static double upper_bound(uint64_t failed, uint64_t count)
{
    double low = 0.0;
    double high = 1.0;

    for (unsigned i = 0; i < 100; i++) {
        const double p = (low + high) / 2;
        double sum = 0.0;

        for (uint64_t k = 0; k <= failed; k++) {
            sum += exp(lgamma((double)count + 1) - lgamma((double)k + 1) -
                       lgamma((double)(count - k) + 1) + (double)k * log(p) +
                       (double)(count - k) * log1p(-p));
        }
        if (sum > 0.05) {
            low = p;
        } else {
            high = p;
        }
    }
    return high;
}

/* Of the processor, so that a loaded machine measures the same. */
static uint64_t used_us(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void fill(struct ks_qkd_stream *stream, uint64_t *bits, size_t count)
{
    for (size_t w = 0; w < (count + 63) / 64; w++) {
        bits[w] = ks_qkd_stream_u64(stream);
    }
    if (count % 64 > 0) {
        bits[count / 64] &= ((uint64_t)1 << (count % 64)) - 1;
    }
}

/* Flips each bit with probability RATE; returns how many. */
static uint64_t disturb(struct ks_qkd_stream *stream, uint64_t *bits, size_t count, double rate)
{
    const double scale = 1.0 / ks_real_ln1p(-rate);
    uint64_t errors = 0;
    size_t at = 0;

    for (;;) {
        const double skip = ks_real_ln(ks_qkd_stream_unit(stream)) * scale;

        if (skip >= (double)(count - at)) {
            return errors;
        }
        at += (size_t)skip;
        bits[at / 64] ^= (uint64_t)1 << (at % 64);
        errors++;
        at++;
        if (at >= count) {
            return errors;
        }
    }
}

static enum ks_err exchange(struct ks_cascade *alice, struct ks_cascade *bob)
{
    enum ks_err err = KS_OK;
    struct ks_buf of_alice;
    struct ks_buf of_bob;

    ks_buf_init(&of_alice, (size_t)1 << 20);
    ks_buf_init(&of_bob, (size_t)1 << 20);
    while (!ks_cascade_done(alice)) {
        ks_buf_clear(&of_alice);
        ks_buf_clear(&of_bob);
        ks_cascade_show(alice, &of_alice);
        ks_cascade_show(bob, &of_bob);
        KS_TRY(ks_buf_check(&of_alice));
        KS_TRY(ks_cascade_take(bob, ks_buf_view(&of_alice)));
        KS_TRY(ks_cascade_take(alice, ks_buf_view(&of_bob)));
    }
out:
    ks_buf_done(&of_alice);
    ks_buf_done(&of_bob);
    return err;
}

static enum ks_err run_group(struct ks_qkd_stream *stream, struct point *point)
{
    enum ks_err err = KS_OK;
    const size_t bits = point->frame_bits * point->group;
    const double rate = (double)point->percent / 100;
    uint64_t *sent = ks_calloc(bits / 64 + 1, sizeof *sent);
    uint64_t *received = ks_calloc(bits / 64 + 1, sizeof *received);
    struct ks_cascade_spec spec = {
        .bits = bits, .frame_bits = point->frame_bits, .error_rate = rate};
    struct ks_cascade *alice = NULL;
    struct ks_cascade *bob = NULL;
    uint64_t start;

    KS_CHECK(sent != NULL && received != NULL, KS_ERR_NOMEM, "%zu bits", bits);
    fill(stream, sent, bits);
    ks_copy(received, sent, (bits / 64 + 1) * sizeof *sent);
    point->errors += disturb(stream, received, bits, rate);
    for (unsigned i = 0; i < 8; i++) {
        spec.shuffle.words[i] = ks_qkd_stream_u32(stream);
    }
    start = used_us();
    KS_TRY(ks_cascade_new(&spec, sent, &alice));
    spec.corrects = true;
    KS_TRY(ks_cascade_new(&spec, received, &bob));
    KS_TRY(exchange(alice, bob));
    point->time_us += used_us() - start;
    const uint64_t *corrected = ks_cascade_bits(bob);
    for (size_t f = 0; f < point->group; f++) {
        bool same = true;

        for (size_t i = f * point->frame_bits; i < (f + 1) * point->frame_bits; i++) {
            same = same && ((sent[i / 64] ^ corrected[i / 64]) >> (i % 64) & 1) == 0;
        }
        point->failed += same ? 0 : 1;
    }
    point->frames += point->group;
    point->groups++;
    point->leaked += ks_cascade_leaked(bob);
    point->steps += ks_cascade_steps(bob);
out:
    ks_cascade_free(alice);
    ks_cascade_free(bob);
    ks_free(sent);
    ks_free(received);
    return err;
}

static void print_point(const struct point *point)
{
    const double bits = (double)point->frames * (double)point->frame_bits;
    const double rate = (double)point->errors / bits;

    printf("{\"bench\":\"cascade\",\"frame_bits\":%zu,\"error_percent\":%u,\"group\":%zu,"
           "\"frames\":%llu,"
           "\"failed\":%llu,\"fer_upper_95\":%.3g,\"efficiency\":%.4f,\"leaked_bits\":%.1f,"
           "\"messages\":%.1f,\"cpu_mbit_s\":%.2f",
           point->frame_bits, point->percent, point->group, (unsigned long long)point->frames,
           (unsigned long long)point->failed, upper_bound(point->failed, point->frames),
           (double)point->leaked / (bits * ks_real_entropy(rate)),
           (double)point->leaked / (double)point->frames,
           2.0 * (double)point->steps / (double)point->groups, bits / (double)point->time_us);
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        if (published[i].percent == point->percent && point->frame_bits == 10000) {
            printf(",\"published_original\":%.3f,\"published_option3\":%.3f,"
                   "\"published_yanetal\":%.3f",
                   published[i].original, published[i].option3, published[i].yanetal);
        }
    }
    printf("}\n");
    (void)fflush(stdout);
}

static enum ks_err run_point(uint64_t frames, size_t frame_bits, size_t group, unsigned percent)
{
    enum ks_err err = KS_OK;
    const uint8_t seed[KS_QKD_KEY_LEN] = {'c', 'a', 's', 'c', 'a', 'd', 'e', (uint8_t)percent};
    const struct ks_qkd_key key = ks_qkd_key_of(seed);
    struct ks_qkd_stream stream;
    struct point point = {.frame_bits = frame_bits, .group = group, .percent = percent};

    ks_qkd_stream_init(&stream, &key, KS_QKD_USE_CHANNEL);
    while (point.frames < frames) {
        KS_TRY(run_group(&stream, &point));
    }
    print_point(&point);
out:
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    uint64_t frames = 30000;
    uint64_t frame_bits = 10000;
    uint64_t group = 1;
    uint64_t only = 0;

    if (argc > 1) {
        KS_TRY(ks_text_u64(ks_bytes_text(argv[1]), FRAMES_MAX, &frames));
    }
    if (argc > 2) {
        KS_TRY(ks_text_u64(ks_bytes_text(argv[2]), KS_CASCADE_FRAME_MAX, &frame_bits));
    }
    if (argc > 3) {
        KS_TRY(ks_text_u64(ks_bytes_text(argv[3]), 1000, &group));
    }
    if (argc > 4) {
        KS_TRY(ks_text_u64(ks_bytes_text(argv[4]), 25, &only));
    }
    for (unsigned percent = 1; percent <= 8; percent++) {
        if (only == 0 || only == percent) {
            KS_TRY(run_point(frames, (size_t)frame_bits, (size_t)group, percent));
        }
    }
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_cascade: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
