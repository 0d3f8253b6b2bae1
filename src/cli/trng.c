/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/trng.h"

#include <math.h>
#include <stdlib.h>

#include "base/sys.h"

#define REPEATS_MAX ((uint64_t)1 << 40)

/* --- speed -------------------------------------------------------------------------------- */

static enum ks_err timed_run(const struct ks_trng_source *source, uint8_t *block, size_t len,
                             uint64_t repeats, uint64_t *out_us)
{
    enum ks_err err = KS_OK;
    const uint64_t start_us = ks_clock_monotonic_us();

    for (uint64_t i = 0; i < repeats; i++) {
        KS_TRY(source->read(source->context, block, len));
    }
    const uint64_t spent_us = ks_clock_monotonic_us() - start_us;

    *out_us = spent_us > 0 ? spent_us : 1; /* the clock's grain */
out:
    return err;
}

static enum ks_err go_on(const struct ks_trng_spec *spec)
{
    return spec->stop != NULL && spec->stop() ? ks_fail(KS_ERR_UNAVAILABLE, "interrupted")
                                              : KS_OK;
}

/* Doubles the blocks of a run until it is long enough. This is the warm-up. */
static enum ks_err find_repeats(const struct ks_trng_source *source, uint8_t *block, size_t len,
                                const struct ks_trng_spec *spec, uint64_t *out_repeats)
{
    enum ks_err err = KS_OK;
    uint64_t repeats = 1;
    uint64_t spent_us = 0;

    KS_TRY(go_on(spec));
    KS_TRY(timed_run(source, block, len, repeats, &spent_us));
    while (spent_us < spec->run_us && repeats < REPEATS_MAX) {
        repeats *= 2;
        KS_TRY(go_on(spec));
        KS_TRY(timed_run(source, block, len, repeats, &spent_us));
    }
    *out_repeats = repeats;
out:
    return err;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return (*left > *right) - (*left < *right);
}

static void summarise(struct ks_trng_speed *speed, unsigned runs, size_t block)
{
    uint64_t sorted[KS_TRNG_RUNS_MAX];
    const double bytes = 1e6 * (double)block * (double)speed->repeats; /* per microsecond */

    ks_copy(sorted, speed->run_us, runs * sizeof sorted[0]);
    qsort(sorted, runs, sizeof sorted[0], ascending);
    speed->high = bytes / (double)sorted[0];
    speed->low = bytes / (double)sorted[runs - 1];
    speed->median = 2 * bytes / ((double)sorted[(runs - 1) / 2] + (double)sorted[runs / 2]);
}

enum ks_err ks_trng_measure(const struct ks_trng_source *sources, size_t count, size_t block,
                            const struct ks_trng_spec *spec, struct ks_trng_speed *out_speeds)
{
    enum ks_err err = KS_OK;
    uint8_t *bytes = ks_calloc(block, 1);

    KS_ASSERT(spec->runs >= 1 && spec->runs <= KS_TRNG_RUNS_MAX);
    KS_ASSERT(block >= 1 && block <= KS_TRNG_BLOCK_MAX);
    KS_CHECK(bytes != NULL, KS_ERR_NOMEM, "a block of %zu bytes", block);
    for (size_t s = 0; s < count; s++) {
        KS_TRY(find_repeats(&sources[s], bytes, block, spec, &out_speeds[s].repeats));
    }
    for (unsigned run = 0; run < spec->runs; run++) {
        for (size_t s = 0; s < count; s++) {
            KS_TRY(go_on(spec));
            KS_TRY(timed_run(&sources[s], bytes, block, out_speeds[s].repeats,
                             &out_speeds[s].run_us[run]));
        }
    }
    for (size_t s = 0; s < count; s++) {
        summarise(&out_speeds[s], spec->runs, block);
    }
out:
    ks_free(bytes);
    return err;
}

/* --- quality ------------------------------------------------------------------------------ */

enum ks_err ks_trng_judge(struct ks_bytes sample, struct ks_trng_quality *out_quality)
{
    enum ks_err err = KS_OK;
    const struct ks_samples bytes = ks_samples_bytes(sample);
    const struct ks_samples bits = ks_samples_bits(sample, 8 * (uint64_t)sample.len);
    const struct ks_health_claim full_byte = {8, KS_TRNG_ALPHA_LOG2};
    const struct ks_health_claim full_bit = {1, KS_TRNG_ALPHA_LOG2};
    struct ks_entropy_mcv mcv_bytes;
    struct ks_entropy_mcv mcv_bits;
    struct ks_entropy_collision collision;
    struct ks_entropy_markov markov;

    KS_ASSERT(sample.len >= KS_TRNG_SAMPLE_MIN);
    KS_TRY(ks_entropy_mcv(bytes, &mcv_bytes));
    KS_TRY(ks_entropy_mcv(bits, &mcv_bits));
    KS_TRY(ks_entropy_collision(bits, &collision));
    KS_TRY(ks_entropy_markov(bits, &markov));
    *out_quality = (struct ks_trng_quality){
        .mcv_bytes = mcv_bytes.min_entropy,
        .mcv_bits = mcv_bits.min_entropy,
        .collision_bits = collision.min_entropy,
        .markov_bits = markov.min_entropy,
        .repetition_bytes = ks_health_repetition(bytes, &full_byte),
        .repetition_bits = ks_health_repetition(bits, &full_bit),
        .proportion_bytes = ks_health_proportion(bytes, &full_byte),
        .proportion_bits = ks_health_proportion(bits, &full_bit),
    };
    out_quality->lowest =
        fmin(mcv_bytes.min_entropy,
             8 * fmin(mcv_bits.min_entropy, fmin(collision.min_entropy, markov.min_entropy)));
out:
    return err;
}

bool ks_trng_healthy(const struct ks_trng_quality *quality)
{
    return quality->repetition_bytes.alarms == 0 && quality->repetition_bits.alarms == 0 &&
           quality->proportion_bytes.alarms == 0 && quality->proportion_bits.alarms == 0;
}
