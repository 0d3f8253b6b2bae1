/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/table.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

_Static_assert(KS_TABLE_COLUMNS_MAX == 1024 && KS_TABLE_CELL_MAX == 4096,
               "messages name these limits");

struct cell {
    uint32_t begin; /* in the table's own text, quotes taken off */
    uint32_t len;
};

struct ks_table {
    char *name;
    uint8_t *text;
    size_t columns;
    size_t rows;
    size_t cells_count; /* those of the line of names first */
    size_t cells_max;
    struct cell *cells;
    size_t lines_max;
    struct place *places; /* of each row, that of the names first */
};

/* Where a row begins: what a cell's column is counted from. */
struct place {
    uint32_t line;
    uint32_t begin; /* offset in TEXT as it was given */
};

/* Goes over the text once. Quoted cells shrink, so they are moved to the front of their place:
 * what is read is never overwritten. */
struct scan {
    struct ks_table *table;
    size_t len;
    size_t at;
    size_t line;
    size_t line_begin;
    size_t row_cells; /* of this row so far */
};

static enum ks_err refuse(const struct scan *scan, enum ks_err code, const char *what)
{
    return ks_fail(code, "%s:%zu:%zu: %s", scan->table->name, scan->line,
                   scan->at - scan->line_begin + 1, what);
}

static enum ks_err grow(void **array, size_t *max, size_t used, size_t size)
{
    const size_t wanted = *max == 0 ? 1024 : 2 * *max;
    void *grown = NULL;

    if (used < *max) {
        return KS_OK;
    }
    grown = ks_realloc(*array, wanted, size);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "table");
    }
    *array = grown;
    *max = wanted;
    return KS_OK;
}

static enum ks_err add_cell(struct scan *scan, size_t begin, size_t len)
{
    enum ks_err err = KS_OK;
    struct ks_table *table = scan->table;
    void *cells = table->cells;

    KS_TRY(grow(&cells, &table->cells_max, table->cells_count, sizeof *table->cells));
    table->cells = cells;
    table->cells[table->cells_count++] = (struct cell){(uint32_t)begin, (uint32_t)len};
    scan->row_cells++;
out:
    return err;
}

/* After a cell: a comma, an end of line, or the end. OUT_ENDED: the row has ended. */
static enum ks_err end_cell(struct scan *scan, bool *out_ended)
{
    const uint8_t *text = scan->table->text;

    *out_ended = true;
    if (scan->at == scan->len) {
        return KS_OK;
    }
    if (text[scan->at] == ',') {
        scan->at++;
        *out_ended = false;
        return KS_OK;
    }
    if (text[scan->at] == '\r' && scan->at + 1 < scan->len && text[scan->at + 1] == '\n') {
        scan->at++;
    }
    if (text[scan->at] != '\n') {
        return refuse(scan, KS_ERR_FORMAT, "expected a comma or the end of the line");
    }
    scan->at++;
    scan->line++;
    scan->line_begin = scan->at;
    return KS_OK;
}

/* A cell in quotes; a quote inside is doubled. */
static enum ks_err read_quoted(struct scan *scan)
{
    uint8_t *text = scan->table->text;
    const struct scan opened = *scan;
    const size_t begin = ++scan->at;
    size_t len = 0;

    while (scan->at < scan->len) {
        const uint8_t byte = text[scan->at];

        if (byte == '"') {
            scan->at++;
            if (scan->at == scan->len || text[scan->at] != '"') {
                return add_cell(scan, begin, len);
            }
        } else if (byte == '\n') {
            scan->line++;
            scan->line_begin = scan->at + 1;
        }
        if (len == KS_TABLE_CELL_MAX) {
            return refuse(&opened, KS_ERR_LIMIT, "a cell of over 4096 bytes");
        }
        text[begin + len++] = byte;
        scan->at++;
    }
    return refuse(&opened, KS_ERR_FORMAT, "this quote is never closed");
}

static enum ks_err read_plain(struct scan *scan)
{
    const uint8_t *text = scan->table->text;
    const size_t begin = scan->at;

    while (scan->at < scan->len && text[scan->at] != ',' && text[scan->at] != '\n' &&
           text[scan->at] != '\r') {
        if (text[scan->at] == '"') {
            return refuse(scan, KS_ERR_FORMAT, "a quote inside a cell without quotes");
        }
        if (scan->at - begin == KS_TABLE_CELL_MAX) {
            return refuse(scan, KS_ERR_LIMIT, "a cell of over 4096 bytes");
        }
        scan->at++;
    }
    return add_cell(scan, begin, scan->at - begin);
}

static enum ks_err add_place(struct scan *scan, size_t rows)
{
    enum ks_err err = KS_OK;
    struct ks_table *table = scan->table;
    void *places = table->places;

    KS_TRY(grow(&places, &table->lines_max, rows, sizeof *table->places));
    table->places = places;
    table->places[rows] = (struct place){(uint32_t)scan->line, (uint32_t)scan->line_begin};
out:
    return err;
}

/* One row of cells; how many there are is the caller's business. */
static enum ks_err read_row(struct scan *scan)
{
    enum ks_err err = KS_OK;
    bool ended = false;

    scan->row_cells = 0;
    while (!ended) {
        if (scan->row_cells == KS_TABLE_COLUMNS_MAX) {
            return refuse(scan, KS_ERR_LIMIT, "over 1024 columns");
        }
        if (scan->at < scan->len && scan->table->text[scan->at] == '"') {
            KS_TRY(read_quoted(scan));
        } else {
            KS_TRY(read_plain(scan));
        }
        KS_TRY(end_cell(scan, &ended));
    }
out:
    return err;
}

/* The place of a cell of the row that begins at PLACE: of what is in its quotes, where it has
 * any. */
static enum ks_err fail_at(const struct ks_table *table, const struct place *place,
                           const struct cell *cell, enum ks_err code)
{
    return ks_fail_prefix(code, "%s:%u:%u", table->name, place->line,
                          cell->begin - place->begin + 1);
}

static enum ks_err check_names(const struct ks_table *table)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < table->columns && err == KS_OK; i++) {
        const struct ks_bytes name = ks_table_name(table, i);

        if (name.len == 0) {
            err = ks_fail(KS_ERR_FORMAT, "column %zu has no name", i + 1);
        }
        for (size_t k = 0; k < i && err == KS_OK; k++) {
            if (ks_bytes_equal(name, ks_table_name(table, k))) {
                err = ks_fail(KS_ERR_FORMAT, "columns %zu and %zu are both called '%.*s'",
                              k + 1, i + 1, (int)(name.len < 64 ? name.len : 64),
                              (const char *)name.data);
            }
        }
        if (err != KS_OK) {
            err = fail_at(table, &table->places[0], &table->cells[i], err);
        }
    }
    return err;
}

/* The row just read has as many cells as there are names; else the first one too many is where
 * it is wrong, or its last one. */
static enum ks_err check_row(const struct scan *scan)
{
    const struct ks_table *table = scan->table;
    const struct cell *cells = &table->cells[table->cells_count - scan->row_cells];
    const size_t wrong =
        scan->row_cells > table->columns ? table->columns : scan->row_cells - 1;

    if (scan->row_cells == table->columns) {
        return KS_OK;
    }
    return fail_at(table, &table->places[table->rows + 1], &cells[wrong],
                   ks_fail(KS_ERR_FORMAT, "%zu cells, the first line names %zu columns",
                           scan->row_cells, table->columns));
}

static enum ks_err scan_rows(struct scan *scan)
{
    enum ks_err err = KS_OK;
    struct ks_table *table = scan->table;

    if (scan->len == 0) {
        return refuse(scan, KS_ERR_FORMAT, "expected a line with the columns' names");
    }
    KS_TRY(add_place(scan, 0));
    KS_TRY(read_row(scan));
    table->columns = scan->row_cells;
    KS_TRY(check_names(table));
    while (scan->at < scan->len) {
        KS_CHECK(table->rows < KS_TABLE_ROWS_MAX, KS_ERR_LIMIT, "%s:%zu: over %zu rows",
                 table->name, scan->line, KS_TABLE_ROWS_MAX);
        KS_TRY(add_place(scan, table->rows + 1));
        KS_TRY(read_row(scan));
        KS_TRY(check_row(scan));
        table->rows++;
    }
out:
    return err;
}

enum ks_err ks_table_read(struct ks_bytes text, const char *name, struct ks_table **out_table)
{
    enum ks_err err = KS_OK;
    struct ks_table *table = ks_calloc(1, sizeof *table);
    struct scan scan = {.table = table, .len = text.len, .line = 1};

    KS_CHECK(table != NULL, KS_ERR_NOMEM, "table");
    KS_TRY(ks_text_copy(name, &table->name));
    KS_CHECK(text.len <= KS_TABLE_BYTES_MAX, KS_ERR_LIMIT, "%s: over %zu bytes", name,
             KS_TABLE_BYTES_MAX);
    KS_CHECK(ks_utf8_valid(text) && (text.len == 0 || memchr(text.data, 0, text.len) == NULL),
             KS_ERR_FORMAT, "%s: not a text in UTF-8", name);
    KS_TRY(ks_bytes_dup(text, &table->text));
    KS_TRY(scan_rows(&scan));
    *out_table = table;
    table = NULL; /* transferred */
out:
    ks_table_free(table);
    return err;
}

void ks_table_free(struct ks_table *table)
{
    if (table != NULL) {
        ks_free(table->name);
        ks_free(table->text);
        ks_free(table->cells);
        ks_free(table->places);
    }
    ks_free(table);
}

size_t ks_table_rows(const struct ks_table *table)
{
    return table->rows;
}

size_t ks_table_columns(const struct ks_table *table)
{
    return table->columns;
}

static struct ks_bytes cell_at(const struct ks_table *table, size_t index)
{
    const struct cell *cell = &table->cells[index];

    return ks_bytes_of(table->text + cell->begin, cell->len);
}

struct ks_bytes ks_table_name(const struct ks_table *table, size_t column)
{
    KS_ASSERT(column < table->columns);
    return cell_at(table, column);
}

struct ks_bytes ks_table_cell(const struct ks_table *table, size_t row, size_t column)
{
    KS_ASSERT(row < table->rows && column < table->columns);
    return cell_at(table, (row + 1) * table->columns + column);
}

bool ks_table_is_missing(struct ks_bytes cell)
{
    return cell.len == 0 || ks_bytes_is(cell, "NA");
}

enum ks_err ks_table_find(const struct ks_table *table, struct ks_bytes name,
                          size_t *out_column)
{
    for (size_t i = 0; i < table->columns; i++) {
        if (ks_bytes_equal(ks_table_name(table, i), name)) {
            *out_column = i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_NOT_FOUND, "%s: no column '%.*s'", table->name,
                   (int)(name.len < 64 ? name.len : 64), (const char *)name.data);
}

enum ks_err ks_table_fail_at(const struct ks_table *table, size_t row, size_t column,
                             enum ks_err code)
{
    return fail_at(table, &table->places[row + 1],
                   &table->cells[(row + 1) * table->columns + column], code);
}

enum ks_err ks_table_number(const struct ks_table *table, size_t row, size_t column,
                            double *out_value)
{
    const struct ks_bytes cell = ks_table_cell(table, row, column);
    char shown[32];
    enum ks_err err = KS_OK;

    if (ks_table_is_missing(cell)) {
        *out_value = (double)NAN;
        return KS_OK;
    }
    err = ks_text_double(cell, out_value);
    if (err != KS_OK) {
        ks_text_shown(cell, shown, sizeof shown);
        err = ks_fail(KS_ERR_FORMAT, "'%s' is no finite number", shown);
        err = ks_table_fail_at(table, row, column, err);
    }
    return err;
}

void ks_table_put_cell(struct ks_buf *out, bool first, struct ks_bytes cell)
{
    bool quoted = false;

    for (size_t i = 0; i < cell.len; i++) {
        quoted = quoted || strchr(",\"\r\n", cell.data[i]) != NULL;
    }
    if (!first) {
        ks_buf_put_u8(out, ',');
    }
    if (!quoted) {
        ks_buf_put(out, cell);
        return;
    }
    ks_buf_put_u8(out, '"');
    for (size_t i = 0; i < cell.len; i++) {
        if (cell.data[i] == '"') {
            ks_buf_put_u8(out, '"');
        }
        ks_buf_put_u8(out, cell.data[i]);
    }
    ks_buf_put_u8(out, '"');
}
