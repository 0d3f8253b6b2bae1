/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Rules that look at one parameter at a time: the median and the trimmed mean (Yin, Chen,
 * Ramchandran, Bartlett, ICML 2018), and the second half of Bulyan (El Mhamdi, Guerraoui,
 * Rouault, ICML 2018). KS_FL_COLUMNS parameters lie side by side and are sorted at once, as
 * whole numbers in the order of the floats, so that -0 is below 0 and nothing is left open. */

#include "fl/robust_work.h"

/* The whole numbers of floats are in the floats' order once those below 0 are turned round. The
 * function is its own inverse. */
static inline int32_t key_of(int32_t bits)
{
    return bits ^ (bits < 0 ? INT32_MAX : 0);
}

static inline double value_of(int32_t key)
{
    const int32_t bits = key_of(key);
    float value = 0;

    ks_copy(&value, &bits, sizeof value);
    return (double)value;
}

/* Of one slice, at a time. */
struct columns {
    int32_t sorted[KS_FL_ROWS_MAX][KS_FL_COLUMNS];
    int32_t given[KS_FL_ROWS_MAX][KS_FL_COLUMNS];
    int32_t low[KS_FL_COLUMNS]; /* what is kept lies within these */
    int32_t high[KS_FL_COLUMNS];
    uint64_t kept[KS_FL_ROWS_MAX]; /* how often each row was among them */
};

struct sorting {
    const struct ks_fl_work *work;
    const uint32_t *chosen;
    size_t count;
    struct columns *columns; /* of each slice */
};

uint64_t ks_fl_coordinates_bytes(size_t rows)
{
    (void)rows;
    return KS_FL_SLICES * sizeof(struct columns);
}

static const float *row_of(const struct sorting *sorting, size_t index)
{
    return sorting->work->rows
        .rows[sorting->chosen == NULL ? index : (size_t)sorting->chosen[index]];
}

static void load(const struct sorting *sorting, size_t at, size_t width,
                 struct columns *columns)
{
    for (size_t i = 0; i < sorting->count; i++) {
        int32_t *given = columns->given[i];

        ks_zero(given, sizeof columns->given[i]);
        ks_copy(given, row_of(sorting, i) + at, width * sizeof(float));
        for (size_t c = 0; c < KS_FL_COLUMNS; c++) {
            given[c] = key_of(given[c]);
        }
    }
    ks_copy(columns->sorted, columns->given, sorting->count * sizeof columns->given[0]);
}

/* The KEEP values that are nearest to the median lie side by side: what is farther from it, at
 * either end, goes; the upper one where both are as far. */
static size_t nearest_to_median(const struct columns *columns, size_t column, size_t count,
                                size_t keep)
{
    const double median = (value_of(columns->sorted[(count - 1) / 2][column]) +
                           value_of(columns->sorted[count / 2][column])) /
                          2;
    size_t first = 0;

    for (size_t end = count; end - first > keep;) {
        if (median - value_of(columns->sorted[first][column]) >
            value_of(columns->sorted[end - 1][column]) - median) {
            first++;
        } else {
            end--;
        }
    }
    return first;
}

/* The mean of KEEP values from FIRST on, in their order. */
static float mean_of(struct columns *columns, size_t column, size_t first, size_t keep)
{
    double sum = 0;

    for (size_t i = first; i < first + keep; i++) {
        sum += value_of(columns->sorted[i][column]);
    }
    columns->low[column] = columns->sorted[first][column];
    columns->high[column] = columns->sorted[first + keep - 1][column];
    return (float)(sum / (double)keep);
}

/* How many values of a parameter are kept, and from which one on where it is always the same.
 */
static size_t kept_count(const struct ks_fl_robust *robust, size_t count, size_t *out_first)
{
    size_t keep = 0;

    switch (robust->rule) {
    case KS_FL_MEDIAN:
        keep = count % 2 == 0 ? 2 : 1;
        break;
    case KS_FL_TRIMMED_MEAN:
    default: /* Bulyan, of its n - 2f rows */
        keep = count - 2 * (size_t)robust->attackers;
        break;
    }
    *out_first = (count - keep) / 2;
    return keep;
}

static void sort_slice(void *context, size_t slice)
{
    const struct sorting *sorting = context;
    const struct ks_fl_work *work = sorting->work;
    struct columns *columns = &sorting->columns[slice];
    const size_t end = ks_fl_slice_begin(&work->slices, slice + 1, work->rows.params);
    size_t first = 0;
    const size_t keep = kept_count(&work->robust, sorting->count, &first);

    for (size_t at = ks_fl_slice_begin(&work->slices, slice, work->rows.params); at < end;
         at += KS_FL_COLUMNS) {
        const size_t width = end - at < KS_FL_COLUMNS ? end - at : KS_FL_COLUMNS;

        load(sorting, at, width, columns);
        work->kernels->sort(columns->sorted[0], sorting->count);
        for (size_t c = 0; c < KS_FL_COLUMNS; c++) {
            if (c >= width) {
                columns->low[c] = INT32_MAX; /* nothing is within */
                columns->high[c] = INT32_MIN;
                continue;
            }
            if (work->robust.rule == KS_FL_BULYAN) {
                first = nearest_to_median(columns, c, sorting->count, keep);
            }
            work->out[at + c] = mean_of(columns, c, first, keep);
        }
        for (size_t i = 0; i < sorting->count; i++) {
            columns->kept[i] +=
                work->kernels->within(columns->given[i], columns->low, columns->high);
        }
    }
}

enum ks_err ks_fl_kept_by_coordinate(struct ks_fl_work *work, const uint32_t *chosen,
                                     size_t count)
{
    enum ks_err err = KS_OK;
    struct sorting sorting = {.work = work, .chosen = chosen, .count = count};

    sorting.columns = ks_calloc(work->slices.count, sizeof *sorting.columns);
    KS_CHECK(sorting.columns != NULL, KS_ERR_NOMEM, "%s: out of memory",
             ks_fl_rule_word(work->robust.rule));
    ks_pool_run(work->pool, sort_slice, &sorting, work->slices.count);
    for (size_t i = 0; i < count; i++) {
        uint64_t kept = 0;

        for (size_t slice = 0; slice < work->slices.count; slice++) {
            kept += sorting.columns[slice].kept[i];
        }
        work->shares[chosen == NULL ? i : chosen[i]] = (double)kept;
    }
out:
    ks_free(sorting.columns);
    return err;
}

enum ks_err ks_fl_rule_coordinates(struct ks_fl_work *work)
{
    return ks_fl_kept_by_coordinate(work, NULL, work->rows.count);
}
