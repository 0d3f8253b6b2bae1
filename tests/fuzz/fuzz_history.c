/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A page of a session's history: what passes is written as a page that reads the same. */
#include "cli/history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_history history = {.rows = NULL};
    struct ks_history again = {.rows = NULL};
    struct ks_buf out;
    struct ks_buf other;
    uint64_t next = 0;

    ks_buf_init(&out, (size_t)64 << 20);
    ks_buf_init(&other, (size_t)64 << 20);
    if (ks_history_add(&history, ks_bytes_of(data, size), &next) == KS_OK) {
        ks_history_put_text(&history, &out);
        ks_history_put_csv(&history, &out);
        ks_buf_clear(&out);
        ks_history_put_json(&history, &out);
        KS_ASSERT(ks_buf_check(&out) == KS_OK);
        KS_ASSERT(ks_history_add(&again, ks_buf_view(&out), &next) == KS_OK && next == 0);
        ks_history_put_json(&again, &other);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&other), ks_buf_view(&out)));
    }
    ks_history_done(&history);
    ks_history_done(&again);
    ks_buf_done(&out);
    ks_buf_done(&other);
    return 0;
}
