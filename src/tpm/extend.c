/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tpm/extend.h"

#include "base/sys.h"
#include "base/text.h"

enum ks_err ks_tpm_extend_log(struct ks_tpm *tpm, const char *directory,
                              struct ks_event_log *log)
{
    enum ks_err err = KS_OK;
    struct ks_event_log *before = ks_calloc(1, sizeof *before);
    struct ks_buf bytes;
    char path[KS_PATH_MAX];
    uint8_t current[1][KS_PCR_DIGEST_LEN];
    uint8_t expected[KS_PCR_DIGEST_LEN];

    ks_buf_init(&bytes, KS_EVENT_LOG_MAX);
    KS_CHECK(before != NULL, KS_ERR_NOMEM, "event log");
    KS_TRY(ks_path_join(directory, KS_LAUNCH_LOG_FILE, path));
    KS_TRY(ks_tpm_pcr_read(tpm, UINT32_C(1) << log->pcr, current));
    if (ks_file_read(path, KS_EVENT_LOG_MAX, &bytes) == KS_OK &&
        ks_event_log_parse(ks_buf_view(&bytes), before) == KS_OK) {
        ks_event_log_replay(before, expected);
        ks_copy(log->initial, before->initial, sizeof log->initial);
        if (ks_event_log_equal(before, log) &&
            ks_bytes_equal(KS_BYTES(expected), KS_BYTES(current[0]))) {
            goto out; /* this boot has measured exactly this already */
        }
    }
    ks_copy(log->initial, current[0], sizeof log->initial);
    /* The file first: extended without it, the PCR could not be explained any more. */
    ks_buf_clear(&bytes);
    ks_event_log_write(log, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(ks_file_write(path, ks_buf_view(&bytes), 0600));
    for (size_t i = 0; i < log->count; i++) {
        KS_TRY(ks_tpm_pcr_extend(tpm, log->pcr, log->events[i].digest));
    }
out:
    ks_buf_done(&bytes);
    ks_free(before);
    return err;
}
