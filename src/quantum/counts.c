/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/counts.h"

#include <stdlib.h>

#define ROWS_FIRST 1024

/* Rows of WORDS words of outcome, highest first so that they compare as they print, and the
 * count. */
struct ks_tally {
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
};

enum ks_err ks_tally_new(uint32_t clbits, struct ks_tally **out_tally)
{
    struct ks_tally *tally = ks_calloc(1, sizeof *tally);

    if (tally == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory to count outcomes");
    }
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

static int compare_rows(const void *a, const void *b, void *words)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    for (size_t i = 0; i < *(const size_t *)words; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Sorts the rows and adds up equal ones. */
static void merge_rows(struct ks_tally *tally)
{
    const size_t width = tally->words + 1;
    size_t kept = 0;

    if (tally->row_count == 0) {
        return;
    }
    qsort_r(tally->rows, tally->row_count, width * sizeof *tally->rows, compare_rows,
            &tally->words);
    for (size_t i = 1; i < tally->row_count; i++) {
        uint64_t *last = tally->rows + kept * width;
        const uint64_t *row = tally->rows + i * width;

        if (compare_rows(last, row, &tally->words) == 0) {
            last[tally->words] += row[tally->words];
        } else if (++kept != i) {
            ks_copy(last + width, row, width * sizeof *row);
        }
    }
    tally->row_count = kept + 1;
}

static enum ks_err make_room(struct ks_tally *tally)
{
    const size_t width = tally->words + 1;
    size_t cap = tally->row_cap;
    uint64_t *rows;

    if (tally->row_count < cap) {
        return KS_OK;
    }
    merge_rows(tally);
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

    merge_rows(tally);
    KS_CHECK(counts != NULL, KS_ERR_NOMEM, "no memory for the counts");
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
