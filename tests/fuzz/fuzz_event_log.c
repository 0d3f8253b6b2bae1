/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The launch event log: write(parse(x)) is x. */
#include "attest/eventlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_event_log log;
    struct ks_buf text;
    uint8_t value[KS_PCR_DIGEST_LEN];

    if (ks_event_log_parse(ks_bytes_of(data, size), &log) == KS_OK) {
        ks_buf_init(&text, KS_EVENT_LOG_MAX);
        ks_event_log_write(&log, &text);
        if (ks_buf_check(&text) == KS_OK) {
            KS_ASSERT(ks_bytes_equal(ks_buf_view(&text), ks_bytes_of(data, size)));
        }
        ks_event_log_replay(&log, value);
        ks_buf_done(&text);
    }
    return 0;
}
