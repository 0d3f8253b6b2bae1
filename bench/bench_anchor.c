/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_anchor EVIDENCE PIN [SECONDS]: reading the evidence of an anchor and both of its
 * checks, as a verifier does them, beside Keccak-256 alone over as many bytes as its header and
 * trie nodes have. The two take turns. One JSON line. */
#include <stdio.h>

#include "base/sys.h"
#include "base/text.h"
#include "chain/anchor.h"

#define SECONDS_DEFAULT 1
#define SECONDS_MAX     600
#define TURN            64 /* runs before the other has its turn */

struct bench {
    struct ks_buf evidence;
    struct ks_anchor_pin pin;
    uint64_t check_us;
    uint64_t hash_us;
    uint64_t runs;
    size_t proof_len; /* header and nodes */
    size_t nodes;
};

static enum ks_err check(struct bench *bench)
{
    enum ks_err err = KS_OK;
    struct ks_anchor *anchor = NULL;
    bool decided = false;

    KS_TRY(ks_anchor_parse(ks_buf_view(&bench->evidence), &anchor));
    KS_TRY(ks_anchor_check_proof(anchor, &bench->pin, anchor->digest));
    KS_TRY(ks_anchor_check_canonical(anchor, &bench->pin, &decided));
    bench->proof_len = anchor->bytes.len;
    bench->nodes = anchor->account.count + anchor->storage.count;
out:
    ks_anchor_free(anchor);
    return err;
}

static enum ks_err run(struct bench *bench, uint64_t seconds)
{
    enum ks_err err = KS_OK;
    uint64_t end_us = ks_clock_monotonic_us() + seconds * 1000000;
    uint8_t hash[KS_KECCAK256_LEN];

    do {
        uint64_t start_us = ks_clock_monotonic_us();
        uint64_t middle_us = 0;

        for (unsigned i = 0; i < TURN; i++) {
            KS_TRY(check(bench));
        }
        middle_us = ks_clock_monotonic_us();
        for (unsigned i = 0; i < TURN; i++) {
            ks_keccak256(ks_bytes_of(bench->evidence.data, bench->proof_len), hash);
        }
        bench->check_us += middle_us - start_us;
        bench->hash_us += ks_clock_monotonic_us() - middle_us;
        bench->runs += TURN;
    } while (ks_clock_monotonic_us() < end_us);
out:
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct bench bench = {0};
    struct ks_buf pin;
    uint64_t seconds = SECONDS_DEFAULT;

    ks_buf_init(&bench.evidence, KS_ANCHOR_LEN_MAX);
    ks_buf_init(&pin, KS_ANCHOR_PIN_LEN_MAX);
    KS_CHECK(argc == 3 || argc == 4, KS_ERR_USAGE,
             "usage: bench_anchor EVIDENCE PIN [SECONDS]");
    if (argc == 4) {
        KS_TRY(ks_text_u64(ks_bytes_text(argv[3]), SECONDS_MAX, &seconds));
    }
    KS_TRY(ks_file_read(argv[1], KS_ANCHOR_LEN_MAX, &bench.evidence));
    KS_TRY(ks_file_read(argv[2], KS_ANCHOR_PIN_LEN_MAX, &pin));
    KS_TRY(ks_anchor_pin_parse(ks_buf_view(&pin), &bench.pin));
    KS_TRY(run(&bench, seconds));
    (void)printf(
        "{\"bench\":\"anchor-check\",\"bytes\":%zu,\"check_us\":%.2f,\"keccak_us\":%.2f,"
        "\"nodes\":%zu,\"proof_bytes\":%zu,\"runs\":%llu}\n",
        bench.evidence.len, (double)bench.check_us / (double)bench.runs,
        (double)bench.hash_us / (double)bench.runs, bench.nodes, bench.proof_len,
        (unsigned long long)bench.runs);
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_anchor: %s\n", ks_err_detail());
    }
    ks_anchor_pin_done(&bench.pin);
    ks_buf_done(&bench.evidence);
    ks_buf_done(&pin);
    return ks_err_exit_code(err);
}
