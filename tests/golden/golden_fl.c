/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Prints a digest of what federated aggregation computes from fixed updates, one line each:
 * sums by the kernel that is named, and all rules, servers and encodings by the best kernel of
 * the machine. tests/vectors/fl/golden.txt holds the lines, which are those of every machine.
 * Plain C with base and fl only, so that it runs for any architecture under an emulator.
 *
 *   golden_fl [KERNEL [THREADS]] */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/philox.h"
#include "fl/accumulate.h"
#include "fl/buckets.h"
#include "fl/compress.h"
#include "fl/kernel.h"
#include "fl/robust.h"
#include "fl/rules.h"

#define ROWS   23
#define PARAMS 40007

#define DIGEST_FIRST 0xcbf29ce484222325u
#define MUST(call)   KS_ASSERT((call) == KS_OK)

static float numbers[ROWS][PARAMS];
static const float *rows[ROWS];
static float out[PARAMS];

/* FNV-1a, 64 bits: enough against accidents, which is all there is here. */
static uint64_t digest(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    }
    return hash;
}

static void print(const char *what, const char *name, uint64_t hash)
{
    (void)printf("%s %s %016" PRIx64 "\n", what, name, hash);
}

/* Sums of twelve uniform numbers: nothing that a C library computes. */
static void fill(void)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        for (uint32_t j = 0; j < PARAMS; j++) {
            const uint32_t key[2] = {i, 7};
            double sum = -6;

            for (uint32_t k = 0; k < 3; k++) {
                const uint32_t counter[4] = {j, k, 0, 0};
                uint32_t words[4];

                ks_philox(key, counter, words);
                for (size_t w = 0; w < 4; w++) {
                    sum += words[w] * 0x1p-32;
                }
            }
            numbers[i][j] = (float)(sum + (j % 100) * 0.03);
        }
        rows[i] = numbers[i];
    }
}

static void print_sums(const char *kernel, struct ks_pool *pool)
{
    for (unsigned width = 64; width <= 128; width += 64) {
        const struct ks_fl_accumulator_params params = {.params = PARAMS,
                                                        .width = (enum ks_fl_width)width,
                                                        .fraction_bits = width == 64 ? 24 : 64,
                                                        .members_max = ROWS};
        struct ks_fl_accumulator *sum = NULL;

        MUST(ks_fl_accumulator_new(&params, &sum));
        if (kernel != NULL) {
            MUST(ks_fl_accumulator_use_kernel(sum, kernel));
        }
        for (size_t i = 0; i < ROWS; i++) {
            const struct ks_fl_member member = {.client = {(uint8_t)i},
                                                .weight = (uint32_t)(i * 1001 + 1)};

            MUST(ks_fl_accumulator_add(sum, &member, numbers[i], i % 2 == 0 ? 1 : 0.7, pool));
        }
        MUST(ks_fl_accumulator_mean(sum, 0, out));
        print("sum", width == 64 ? "64" : "128", digest(DIGEST_FIRST, out, sizeof out));
        ks_fl_accumulator_free(sum);
    }
}

static void print_rules(struct ks_pool *pool)
{
    for (unsigned rule = 0; rule < KS_FL_RULES; rule++) {
        const struct ks_fl_robust robust = {.rule = (enum ks_fl_rule)rule, .attackers = 5};
        const struct ks_fl_robust_input input = {{rows, ROWS, PARAMS}, NULL, rows[3]};
        struct ks_fl_score scores[ROWS];
        uint64_t hash = DIGEST_FIRST;

        MUST(ks_fl_robust_aggregate(&robust, &input, pool, out, scores));
        hash = digest(hash, out, sizeof out);
        for (size_t i = 0; i < ROWS; i++) {
            hash = digest(hash, &scores[i].score, sizeof scores[i].score);
            hash = digest(hash, &scores[i].share, sizeof scores[i].share);
        }
        print("rule", ks_fl_rule_word(robust.rule), hash);
    }
}

static void print_servers(struct ks_pool *pool)
{
    for (unsigned rule = 0; rule < KS_FL_SERVER_RULES; rule++) {
        struct ks_fl_server_params params =
            ks_fl_server_defaults((enum ks_fl_server_rule)rule, PARAMS);
        const bool scaffold = rule == KS_FL_SCAFFOLD;
        struct ks_fl_server *server = NULL;

        params.clients = scaffold ? 100 : 0;
        MUST(ks_fl_server_new(&params, numbers[0], &server));
        for (size_t i = 1; i < 5; i++) {
            MUST(ks_fl_server_step(server, numbers[i], scaffold ? numbers[i + 5] : NULL,
                                   scaffold ? 23 : 0, pool));
        }
        print("server", ks_fl_server_word(params.rule),
              digest(DIGEST_FIRST, ks_fl_server_model(server), sizeof out));
        ks_fl_server_free(server);
    }
}

static void print_encodings(void)
{
    for (unsigned encoding = 0; encoding < KS_FL_ENCODINGS; encoding++) {
        const struct ks_fl_encode encode = {.encoding = (enum ks_fl_encoding)encoding,
                                            .stochastic = true,
                                            .seed = 99,
                                            .keep = 1234};
        struct ks_buf bytes;

        ks_buf_init(&bytes, sizeof out);
        MUST(ks_fl_encode(&encode, numbers[4], PARAMS, &bytes));
        print("encoding", ks_fl_encoding_word(encode.encoding),
              digest(DIGEST_FIRST, bytes.data, bytes.len));
        ks_buf_done(&bytes);
    }
}

static void print_buckets(void)
{
    const struct ks_fl_buckets_params params = {
        .sum = {.params = 1, .width = KS_FL_WIDTH_64, .fraction_bits = 24},
        .clients = 101,
        .size = 3,
        .seed = 5};
    struct ks_fl_buckets *buckets = NULL;
    uint64_t hash = DIGEST_FIRST;

    MUST(ks_fl_buckets_new(&params, &buckets));
    for (size_t i = 0; i < params.clients; i++) {
        const uint8_t bucket = (uint8_t)ks_fl_buckets_of(buckets, i);

        hash = digest(hash, &bucket, 1);
    }
    print("buckets", "dealt", hash);
    ks_fl_buckets_free(buckets);
}

int main(int argc, char **argv)
{
    struct ks_pool *pool = NULL;

    if (argc > 2) {
        MUST(ks_pool_new((unsigned)strtoul(argv[2], NULL, 10), &pool));
    }
    fill();
    print_sums(argc > 1 ? argv[1] : NULL, pool);
    print_rules(pool);
    print_servers(pool);
    print_encodings();
    print_buckets();
    ks_pool_free(pool);
    return 0;
}
