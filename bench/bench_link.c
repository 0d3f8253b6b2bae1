/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_link: what distilling a block costs, both ends in this process on one processor: its
 * time for the light (simulated, nothing that a real link computes) and for all that follows.
 * One line of JSON.
 *
 *   bench_link [PULSES]      10^8, over 25 km */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "qkd/link.h"

#define SECRET_LEN 256

static double used_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static enum ks_err run(const struct ks_link_params *params)
{
    enum ks_err err = KS_OK;
    struct ks_link *ends[2] = {NULL, NULL};
    const uint8_t secret[SECRET_LEN] = {1};
    struct ks_buf message;
    const double start = used_s();
    double light_s = 0.0;
    size_t bytes = 0;
    bool spoke = true;

    ks_buf_init(&message, KS_LINK_MESSAGE_MAX);
    for (unsigned end = 0; end < 2; end++) {
        const uint8_t seed[KS_LINK_SEED_LEN] = {(uint8_t)end};

        KS_TRY(ks_link_new((enum ks_link_role)end, params, seed, KS_BYTES(secret), &ends[end]));
        KS_TRY(ks_link_start(ends[end]));
    }
    while (spoke) {
        spoke = false;
        for (unsigned end = 0; end < 2; end++) {
            ks_buf_clear(&message);
            KS_TRY(ks_link_send(ends[end], &message));
            if (message.len > 0) {
                spoke = true;
                bytes += message.len;
                KS_TRY(ks_link_receive(ends[1 - end], ks_buf_view(&message)));
            }
        }
        if (light_s <= 0.0 && ks_link_report(ends[KS_LINK_ALICE])->detected > 0) {
            light_s = used_s() - start;
        }
    }
    const struct ks_link_report *report = ks_link_report(ends[KS_LINK_ALICE]);
    const double distil_s = used_s() - start - light_s;

    printf("{\"bench\":\"link\",\"distance_km\":%g,\"pulses\":%llu,\"detected\":%llu,"
           "\"outcome\":\"%s\",\"raw_bits\":%llu,\"secret_bits\":%llu,\"efficiency\":%.4f,"
           "\"rounds\":%llu,\"bytes\":%zu,\"light_cpu_s\":%.3f,\"distil_cpu_s\":%.3f,"
           "\"raw_mbit_s\":%.3f,\"secret_mbit_s\":%.3f}\n",
           params->fibre.distance_km, (unsigned long long)report->pulses,
           (unsigned long long)report->detected, ks_link_outcome_text(report->outcome),
           (unsigned long long)report->raw_bits, (unsigned long long)report->secret_bits,
           report->efficiency, (unsigned long long)report->rounds, bytes, light_s, distil_s,
           (double)report->raw_bits / distil_s / 1e6,
           (double)report->secret_bits / distil_s / 1e6);
out:
    ks_buf_done(&message);
    ks_link_free(ends[0]);
    ks_link_free(ends[1]);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_link_params params = ks_link_params_default();

    if (argc > 1) {
        KS_TRY(
            ks_text_u64(ks_bytes_text(argv[1]), KS_LINK_PULSES_MAX, &params.protocol.pulses));
    }
    KS_TRY(run(&params));
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_link: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
