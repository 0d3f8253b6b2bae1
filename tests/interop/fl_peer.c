/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl_peer RULE ATTACKERS ITERATIONS ROWS PARAMS: reads rows of floats (of this machine's order)
 * from standard input, and for fltrust a root before them, and writes the aggregate. RULE may
 * be "sum-64" or "sum-128" (weights 1, 2, …), or "f16" or "q8", which writes the first row as a
 * reader sees it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "fl/accumulate.h"
#include "fl/compress.h"
#include "fl/robust.h"

struct peer {
    const char *rule;
    uint64_t numbers[4]; /* attackers, iterations, rows, params */
    float *values;
    const float *rows[KS_FL_ROWS_MAX];
    float *out;
};

static enum ks_err sum(const struct peer *peer, enum ks_fl_width width)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_accumulator_params params = {
        .params = (size_t)peer->numbers[3],
        .width = width,
        .fraction_bits = width == KS_FL_WIDTH_64 ? KS_FL_FRACTION_BITS : 64,
        .members_max = KS_FL_ROWS_MAX};
    struct ks_fl_accumulator *accumulator = NULL;

    KS_TRY(ks_fl_accumulator_new(&params, &accumulator));
    for (uint32_t i = 0; i < peer->numbers[2]; i++) {
        const struct ks_fl_member member = {.client = {(uint8_t)(i >> 8), (uint8_t)i},
                                            .weight = i + 1};

        KS_TRY(ks_fl_accumulator_add(accumulator, &member, peer->rows[i], 1, NULL));
    }
    KS_TRY(ks_fl_accumulator_mean(accumulator, 0, peer->out));
out:
    ks_fl_accumulator_free(accumulator);
    return err;
}

static enum ks_err encode(const struct peer *peer)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_encode how = {.encoding = KS_FL_F16};
    const size_t params = (size_t)peer->numbers[3];
    struct ks_buf bytes;

    ks_buf_init(&bytes, 8 * params);
    KS_TRY(ks_fl_encode(&how, peer->rows[0], params, &bytes));
    ks_fl_decode(KS_FL_F16, ks_buf_view(&bytes), params, peer->out);
out:
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err aggregate(const struct peer *peer)
{
    enum ks_err err = KS_OK;
    struct ks_fl_robust robust = {.attackers = (unsigned)peer->numbers[0],
                                  .iterations = (unsigned)peer->numbers[1]};
    struct ks_fl_robust_input input = {
        {peer->rows + 1, (size_t)peer->numbers[2] - 1, (size_t)peer->numbers[3]},
        NULL,
        peer->rows[0]};

    KS_TRY(ks_fl_rule_of(ks_bytes_text(peer->rule), &robust.rule));
    if (robust.rule != KS_FL_FLTRUST) {
        input.rows.rows = peer->rows;
        input.rows.count++;
    }
    KS_TRY(ks_fl_robust_aggregate(&robust, &input, NULL, peer->out, NULL));
out:
    return err;
}

static enum ks_err run(struct peer *peer)
{
    enum ks_err err = KS_OK;
    const size_t rows = (size_t)peer->numbers[2];
    const size_t params = (size_t)peer->numbers[3];

    peer->values = ks_calloc(rows * params, sizeof *peer->values);
    peer->out = ks_calloc(params, sizeof *peer->out);
    KS_CHECK(peer->values != NULL && peer->out != NULL, KS_ERR_NOMEM, "out of memory");
    KS_TRY(ks_fd_read(STDIN_FILENO, peer->values, rows * params * sizeof *peer->values,
                      "standard input"));
    for (size_t i = 0; i < rows; i++) {
        peer->rows[i] = peer->values + i * params;
    }
    if (strcmp(peer->rule, "sum-64") == 0 || strcmp(peer->rule, "sum-128") == 0) {
        KS_TRY(sum(peer, strcmp(peer->rule, "sum-64") == 0 ? KS_FL_WIDTH_64 : KS_FL_WIDTH_128));
    } else if (strcmp(peer->rule, "f16") == 0) {
        KS_TRY(encode(peer));
    } else {
        KS_TRY(aggregate(peer));
    }
    KS_TRY(ks_fd_write(STDOUT_FILENO, ks_bytes_of(peer->out, params * sizeof *peer->out),
                       "standard output"));
out:
    ks_free(peer->values);
    ks_free(peer->out);
    return err;
}

int main(int argc, char **argv)
{
    static struct peer peer;

    for (int i = 0; i < 4; i++) {
        if (argc != 6 ||
            ks_text_u64(ks_bytes_text(argv[i + 2]), 1 << 20, &peer.numbers[i]) != KS_OK) {
            (void)fputs("usage: fl_peer RULE ATTACKERS ITERATIONS ROWS PARAMS\n", stderr);
            return 2;
        }
    }
    if (peer.numbers[2] < 2 || peer.numbers[2] > KS_FL_ROWS_MAX) {
        (void)fputs("fl_peer: 2 rows or more\n", stderr);
        return 2;
    }
    peer.rule = argv[1];
    if (run(&peer) != KS_OK) {
        (void)fprintf(stderr, "fl_peer: %s\n", ks_err_detail());
        return 1;
    }
    return 0;
}
