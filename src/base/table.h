/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* table.h: a table as CSV (RFC 4180, and LF alone as an end of line): a line of names, then
 * rows of as many cells. Hides quoting and places. Pure; a table does not change once it is
 * read.
 *
 * A cell that is empty or NA is missing. Errors say where: "jobs.csv:3:17: …", line and column
 * from 1, the column in bytes. */
#ifndef KS_BASE_TABLE_H
#define KS_BASE_TABLE_H

#include "base/buf.h"

#define KS_TABLE_BYTES_MAX   ((size_t)1 << 30)
#define KS_TABLE_COLUMNS_MAX 1024
#define KS_TABLE_ROWS_MAX    ((size_t)1 << 25)
#define KS_TABLE_CELL_MAX    4096 /* bytes of a cell */

struct ks_table;

/* TEXT is copied, and NAME, which errors begin with. KS_ERR_FORMAT: no line of names, an empty
 * or repeated name, a row with more or fewer cells, a quote that is not closed or stands inside
 * a cell, a byte that is no text; KS_ERR_LIMIT, KS_ERR_NOMEM. */
KS_MUST_CHECK enum ks_err ks_table_read(struct ks_bytes text, const char *name,
                                        struct ks_table **out_table);
void ks_table_free(struct ks_table *table); /* NULL is fine */

size_t ks_table_rows(const struct ks_table *table);
size_t ks_table_columns(const struct ks_table *table);
/* Borrowed. COLUMN and ROW below their numbers (asserted). */
struct ks_bytes ks_table_name(const struct ks_table *table, size_t column);
struct ks_bytes ks_table_cell(const struct ks_table *table, size_t row, size_t column);
bool ks_table_is_missing(struct ks_bytes cell);
/* The column called NAME: KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_table_find(const struct ks_table *table, struct ks_bytes name,
                                        size_t *out_column);
/* The number in a cell, NaN for a missing one. KS_ERR_FORMAT for text, "nan", infinities, with
 * the place. */
KS_MUST_CHECK enum ks_err ks_table_number(const struct ks_table *table, size_t row,
                                          size_t column, double *out_value);
/* The error CODE at a cell's place, which is put before the detail stored last. */
enum ks_err ks_table_fail_at(const struct ks_table *table, size_t row, size_t column,
                             enum ks_err code);

/* --- writing ------------------------------------------------------------------------------ */

/* Appends CELL, quoted where it has to be; FIRST of its row or with a comma before. */
void ks_table_put_cell(struct ks_buf *out, bool first, struct ks_bytes cell);

#endif
