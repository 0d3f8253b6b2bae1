/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The firmware's event log: what passes can be replayed and shown. */
#include "attest/tcglog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_tcg_log log = {0};
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    char text[KS_TCG_TEXT_MAX];
    uint32_t mask = 0;
    bool bound = true;

    if (ks_tcg_log_parse(ks_bytes_of(data, size), &log) == KS_OK) {
        ks_tcg_log_replay(&log, values, &mask);
        for (size_t i = 0; i < log.count; i++) {
            ks_tcg_event_text(&log.events[i], text);
            KS_ASSERT(!log.events[i].extends || (mask & 1u << log.events[i].pcr) != 0);
            bound = bound && ks_tcg_event_bound(&log.events[i]);
        }
        KS_ASSERT(!bound || ks_tcg_log_check_data(&log) == KS_OK);
    }
    ks_tcg_log_done(&log);
    return 0;
}
