/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* CSV: every cell of what is read can be looked at, and written again it is read as the same.
 */
#include "base/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_table(const struct ks_table *table, struct ks_buf *out)
{
    for (size_t column = 0; column < ks_table_columns(table); column++) {
        ks_table_put_cell(out, column == 0, ks_table_name(table, column));
    }
    for (size_t row = 0; row < ks_table_rows(table); row++) {
        ks_buf_put_text(out, "\n");
        for (size_t column = 0; column < ks_table_columns(table); column++) {
            double value = 0;

            ks_table_put_cell(out, column == 0, ks_table_cell(table, row, column));
            if (ks_table_number(table, row, column, &value) != KS_OK) {
                KS_ASSERT(ks_err_detail()[0] == 'f');
            }
        }
    }
    ks_buf_put_text(out, "\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_table *table = NULL;
    struct ks_table *again = NULL;
    struct ks_buf first;
    struct ks_buf second;

    if (ks_table_read(ks_bytes_of(data, size), "f", &table) != KS_OK) {
        return 0;
    }
    ks_buf_init(&first, KS_TABLE_BYTES_MAX);
    ks_buf_init(&second, KS_TABLE_BYTES_MAX);
    put_table(table, &first);
    KS_ASSERT(first.err == KS_OK);
    if (ks_table_read(ks_buf_view(&first), "f", &again) != KS_OK) {
        KS_ASSERT(false);
    }
    put_table(again, &second);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&first), ks_buf_view(&second)));
    ks_table_free(table);
    ks_table_free(again);
    ks_buf_done(&first);
    ks_buf_done(&second);
    return 0;
}
