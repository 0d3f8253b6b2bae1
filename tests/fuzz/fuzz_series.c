/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A table of a sensor: all samples of what is read are finite. */
#include <math.h>

#include "learn/series.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct ks_samples *samples)
{
    float one[2 * 9];

    KS_ASSERT(samples->size <= sizeof one / sizeof one[0]);
    for (size_t i = 0; i < samples->count; i++) {
        ks_samples_get(samples, i, one);
        for (size_t k = 0; k < samples->size; k++) {
            KS_ASSERT(isfinite(one[k]));
        }
        KS_ASSERT(isfinite(samples->targets[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ks_series_schema schema = {
        .name = "fuzz",
        .time = "t",
        .target = "y",
        .direction = "d",
        .calendar = KS_CALENDAR_HOUR | KS_CALENDAR_WEEKDAY | KS_CALENDAR_SEASON,
        .step_s = 86400,
        .window = 2,
        .horizon = 1,
        .fill = 1,
        .test_from_us = 3 * 86400 * 1000000ULL,
    };
    struct ks_table *table = NULL;
    struct ks_series series = {0};

    if (size > 65536 || ks_table_read(ks_bytes_of(data, size), "f", &table) != KS_OK) {
        return 0;
    }
    if (ks_series_read(table, &schema, &series) == KS_OK) {
        use(&series.train);
        use(&series.test);
        ks_series_done(&series);
    }
    ks_table_free(table);
    return 0;
}
