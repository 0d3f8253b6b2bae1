/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tpm/update.h"

#include "base/sys.h"
#include "base/text.h"
#include "tpm/extend.h"

#define SIGNATURE_MAX 128 /* bytes; ECDSA P-256 in DER has at most 72 */

/* --- what a boot will give --------------------------------------------------------------- */

static enum ks_err read_device(const char *device, uint32_t mask,
                               uint8_t (*values)[KS_PCR_DIGEST_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_tpm *tpm = NULL;
    int fd = -1;

    KS_TRY(ks_tpm_open_device(device, &fd));
    KS_TRY(ks_tpm_open_fd(fd, 0, &tpm));
    fd = -1; /* transferred */
    KS_TRY(ks_tpm_pcr_read(tpm, mask, values));
out:
    ks_tpm_close(tpm);
    ks_fd_close(&fd);
    return err;
}

/* PC Client platform TPM profile §4.6.2: PCRs 17 to 22 begin as ones, the others as zeros. */
static void begin_values(uint32_t mask, uint8_t (*values)[KS_PCR_DIGEST_LEN])
{
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        if ((mask >> pcr & 1) != 0) {
            uint8_t *value = values[ks_pcr_mask_count(mask & ((UINT32_C(1) << pcr) - 1))];

            for (size_t i = 0; i < KS_PCR_DIGEST_LEN; i++) {
                value[i] = pcr >= 17 && pcr <= 22 ? 0xff : 0;
            }
        }
    }
}

enum ks_err ks_update_foresee(const char *directory, const char *device, uint32_t mask,
                              struct ks_event_log *log,
                              uint8_t (*out_values)[KS_PCR_DIGEST_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_event_log *before = ks_calloc(1, sizeof *before);
    struct ks_buf bytes;
    char path[KS_PATH_MAX];
    const uint32_t below = mask & ((UINT32_C(1) << log->pcr) - 1);

    ks_buf_init(&bytes, KS_EVENT_LOG_MAX);
    KS_CHECK(before != NULL, KS_ERR_NOMEM, "event log");
    KS_TRY(ks_path_join(directory, KS_LAUNCH_LOG_FILE, path));
    if (device == NULL) {
        begin_values(mask, out_values);
    } else {
        KS_TRY(read_device(device, mask, out_values));
        if (ks_file_read(path, KS_EVENT_LOG_MAX, &bytes) == KS_OK) {
            KS_TRY(ks_event_log_parse(ks_buf_view(&bytes), before));
            ks_copy(log->initial, before->initial, sizeof log->initial);
        }
    }
    ks_event_log_replay(log, out_values[ks_pcr_mask_count(below)]);
out:
    ks_buf_done(&bytes);
    ks_free(before);
    return err;
}

/* --- the authority's word ----------------------------------------------------------------- */

enum ks_err ks_update_message(const struct ks_pcr_state *pcrs, struct ks_bytes purpose,
                              const char *path)
{
    uint8_t message[KS_AUTHORISATION_MESSAGE_LEN];

    ks_authorisation_message(pcrs, purpose, message);
    return ks_file_write(path, KS_BYTES(message), 0644);
}

enum ks_err ks_update_authorise(const struct ks_pcr_state *pcrs,
                                const struct ks_sealed_authority *authority,
                                const char *signature_path, const char *path)
{
    enum ks_err err = KS_OK;
    struct ks_buf signature;
    struct ks_buf authorisation;

    ks_buf_init(&signature, SIGNATURE_MAX);
    ks_buf_init(&authorisation, KS_AUTHORISATION_MAX);
    KS_TRY(ks_file_read(signature_path, SIGNATURE_MAX, &signature));
    KS_TRY(ks_fail_prefix(
        ks_authorisation_make(pcrs, authority, ks_buf_view(&signature), &authorisation), "%s",
        signature_path));
    KS_TRY(ks_file_write(path, ks_buf_view(&authorisation), 0600));
out:
    ks_buf_done(&signature);
    ks_buf_done(&authorisation);
    return err;
}
