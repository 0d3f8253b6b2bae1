/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/counts.h"

#include "base/pool.h"

#define ROWS_FIRST 1024

/* Rows of WORDS words of outcome, highest first so that they compare as they print, and the
 * count. */
struct ks_tally {
    struct ks_pool *pool; /* borrowed */
    uint32_t clbits;
    size_t words;
    uint64_t *rows;
    size_t row_count;
    size_t row_cap;
};

struct ks_counts {
    size_t size;
    size_t text_size; /* of one outcome, with its NUL */
    uint64_t shots;
    char *texts;
    uint64_t *counts;
    struct ks_simulate_facts facts;
};

enum ks_err ks_tally_new(uint32_t clbits, struct ks_pool *pool, struct ks_tally **out_tally)
{
    struct ks_tally *tally = ks_calloc(1, sizeof *tally);

    if (tally == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory to count outcomes");
    }
    tally->pool = pool;
    tally->clbits = clbits;
    tally->words = clbits == 0 ? 1 : (clbits + 63) / 64;
    *out_tally = tally;
    return KS_OK;
}

void ks_tally_free(struct ks_tally *tally)
{
    if (tally != NULL) {
        ks_free(tally->rows);
        ks_free(tally);
    }
}

size_t ks_tally_words(const struct ks_tally *tally)
{
    return tally->words;
}

static int compare_rows(const uint64_t *a, const uint64_t *b, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Merges the sorted rows [start, middle) and [middle, end) of FROM into the same places of TO.
 */
static void merge_runs(const uint64_t *from, uint64_t *to, size_t words, const size_t bounds[3])
{
    const size_t width = words + 1;
    size_t left = bounds[0];
    size_t right = bounds[1];

    for (size_t i = bounds[0]; i < bounds[2]; i++) {
        const bool take_left =
            right == bounds[2] ||
            (left < bounds[1] &&
             compare_rows(from + left * width, from + right * width, words) <= 0);
        const size_t source = take_left ? left++ : right++;

        ks_copy(to + i * width, from + source * width, width * sizeof *to);
    }
}

/* Sorts the rows, by merging: the C library's qsort asks the system how much memory it has,
 * which the worker's sandbox does not allow. */
static enum ks_err sort_rows(struct ks_tally *tally)
{
    const size_t size = (tally->words + 1) * sizeof *tally->rows;
    const size_t count = tally->row_count;
    uint64_t *spare = NULL;
    size_t sorted = 1;

    while (sorted < count &&
           compare_rows(tally->rows + (sorted - 1) * (tally->words + 1),
                        tally->rows + sorted * (tally->words + 1), tally->words) <= 0) {
        sorted++;
    }
    if (sorted >= count) {
        return KS_OK;
    }
    spare = ks_calloc(tally->row_cap, size);
    if (spare == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory to sort %zu outcomes", count);
    }
    for (size_t run = 1; run < count && !ks_pool_cancelled(tally->pool); run *= 2) {
        uint64_t *const merged = spare;

        for (size_t start = 0; start < count; start += 2 * run) {
            const size_t middle = run < count - start ? start + run : count;
            const size_t end = run < count - middle ? middle + run : count;

            merge_runs(tally->rows, merged, tally->words, (const size_t[]){start, middle, end});
        }
        spare = tally->rows;
        tally->rows = merged;
    }
    ks_free(spare);
    return ks_pool_cancelled(tally->pool) ? ks_fail(KS_ERR_CANCELLED, "cancelled") : KS_OK;
}

/* Sorts the rows and adds up equal ones. */
static enum ks_err merge_rows(struct ks_tally *tally)
{
    const size_t width = tally->words + 1;
    const enum ks_err err = sort_rows(tally);
    size_t kept = 0;

    if (err != KS_OK || tally->row_count == 0) {
        return err;
    }
    for (size_t i = 1; i < tally->row_count; i++) {
        uint64_t *last = tally->rows + kept * width;
        const uint64_t *row = tally->rows + i * width;

        if (compare_rows(last, row, tally->words) == 0) {
            last[tally->words] += row[tally->words];
        } else if (++kept != i) {
            ks_copy(last + width, row, width * sizeof *row);
        }
    }
    tally->row_count = kept + 1;
    return KS_OK;
}

static enum ks_err make_room(struct ks_tally *tally)
{
    const size_t width = tally->words + 1;
    size_t cap = tally->row_cap;
    uint64_t *rows;
    enum ks_err err = KS_OK;

    if (tally->row_count < cap) {
        return KS_OK;
    }
    err = merge_rows(tally);
    if (err != KS_OK) {
        return err;
    }
    if (tally->row_count <= cap / 2 && cap > 0) {
        return KS_OK;
    }
    cap = cap == 0 ? ROWS_FIRST : 2 * cap;
    rows = ks_realloc(tally->rows, cap, width * sizeof *rows);
    if (rows == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for %zu different outcomes", cap);
    }
    tally->rows = rows;
    tally->row_cap = cap;
    return KS_OK;
}

enum ks_err ks_tally_add(struct ks_tally *tally, const uint64_t *bits, uint64_t count)
{
    const enum ks_err err = make_room(tally);
    uint64_t *row;

    if (err != KS_OK) {
        return err;
    }
    row = tally->rows + tally->row_count++ * (tally->words + 1);
    for (size_t i = 0; i < tally->words; i++) {
        row[i] = bits[tally->words - 1 - i];
    }
    row[tally->words] = count;
    return KS_OK;
}

enum ks_err ks_tally_finish(struct ks_tally *tally, struct ks_counts **out_counts)
{
    enum ks_err err = KS_OK;
    struct ks_counts *counts = ks_calloc(1, sizeof *counts);

    KS_TRY(merge_rows(tally));
    KS_CHECK(counts != NULL, KS_ERR_NOMEM, "no memory for the counts");
    counts->facts.method = KS_METHOD_STATEVECTOR;
    counts->size = tally->row_count;
    counts->text_size = (size_t)tally->clbits + 1;
    counts->texts = ks_calloc(counts->size, counts->text_size);
    counts->counts = ks_calloc(counts->size, sizeof *counts->counts);
    KS_CHECK(counts->texts != NULL && counts->counts != NULL, KS_ERR_NOMEM,
             "no memory for the counts of %zu outcomes", counts->size);
    for (size_t i = 0; i < counts->size; i++) {
        const uint64_t *row = tally->rows + i * (tally->words + 1);
        char *text = counts->texts + i * counts->text_size;

        for (uint32_t c = 0; c < tally->clbits; c++) {
            const uint64_t word = row[tally->words - 1 - c / 64];

            text[tally->clbits - 1 - c] = (word >> c % 64 & 1) != 0 ? '1' : '0';
        }
        counts->counts[i] = row[tally->words];
        counts->shots += row[tally->words];
    }
    tally->row_count = 0;
    *out_counts = counts;
    counts = NULL;
out:
    ks_counts_free(counts);
    return err;
}

void ks_counts_free(struct ks_counts *counts)
{
    if (counts != NULL) {
        ks_free(counts->texts);
        ks_free(counts->counts);
        ks_free(counts);
    }
}

void ks_counts_set_facts(struct ks_counts *counts, const struct ks_simulate_facts *facts)
{
    counts->facts = *facts;
}

const struct ks_simulate_facts *ks_counts_facts(const struct ks_counts *counts)
{
    return &counts->facts;
}

size_t ks_counts_size(const struct ks_counts *counts)
{
    return counts->size;
}

uint64_t ks_counts_shots(const struct ks_counts *counts)
{
    return counts->shots;
}

const char *ks_counts_outcome(const struct ks_counts *counts, size_t index)
{
    KS_ASSERT(index < counts->size);
    return counts->texts + index * counts->text_size;
}

uint64_t ks_counts_count(const struct ks_counts *counts, size_t index)
{
    KS_ASSERT(index < counts->size);
    return counts->counts[index];
}

enum ks_err ks_counts_marginal(const struct ks_counts *counts, const uint32_t *bits,
                               size_t bit_count, struct ks_counts **out_counts)
{
    const size_t clbits = counts->text_size - 1;
    struct ks_tally *tally = NULL;
    uint64_t *row = NULL;
    enum ks_err err = KS_OK;

    KS_CHECK(bit_count <= clbits, KS_ERR_USAGE, "%zu bits of %zu", bit_count, clbits);
    for (size_t i = 0; i < bit_count; i++) {
        KS_CHECK(bits[i] < clbits, KS_ERR_USAGE, "classical bit %u of %zu", bits[i], clbits);
    }
    KS_TRY(ks_tally_new((uint32_t)bit_count, NULL, &tally));
    row = ks_calloc(ks_tally_words(tally), sizeof *row);
    KS_CHECK(row != NULL, KS_ERR_NOMEM, "no memory for an outcome");
    for (size_t i = 0; i < counts->size; i++) {
        const char *text = ks_counts_outcome(counts, i);

        ks_zero(row, ks_tally_words(tally) * sizeof *row);
        for (size_t b = 0; b < bit_count; b++) {
            row[b / 64] |= (uint64_t)(text[clbits - 1 - bits[b]] == '1') << b % 64;
        }
        KS_TRY(ks_tally_add(tally, row, counts->counts[i]));
    }
    KS_TRY(ks_tally_finish(tally, out_counts));
    ks_counts_set_facts(*out_counts, &counts->facts);
out:
    ks_tally_free(tally);
    ks_free(row);
    return err;
}
