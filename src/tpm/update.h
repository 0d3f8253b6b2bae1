/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* update.h: planned updates of what a sealed blob opens to: the PCR values that a coming boot
 * will give, what the update authority signs for them, its signature put to use. For the
 * launcher of a site, and for devices. One thread. */
#ifndef KS_TPM_UPDATE_H
#define KS_TPM_UPDATE_H

#include "attest/eventlog.h"
#include "tpm/tpm.h"

/* The values of the PCRs in MASK, ascending, after LOG was measured on a TPM that was just
 * reset: of the log's own PCR by LOG, from the initial value that DIRECTORY/launch.json has; of
 * the others what DEVICE says now, or, NULL, what a swtpm begins with. */
KS_MUST_CHECK enum ks_err ks_update_foresee(const char *directory, const char *device,
                                            uint32_t mask, struct ks_event_log *log,
                                            uint8_t (*out_values)[KS_PCR_DIGEST_LEN]);

/* Writes to PATH what the authority is to sign, so that PCRS open what is sealed for PURPOSE.
 */
KS_MUST_CHECK enum ks_err ks_update_message(const struct ks_pcr_state *pcrs,
                                            struct ks_bytes purpose, const char *path);
/* Checks the authority's signature of that message, a file, and writes the authorisation to
 * PATH. KS_ERR_VERIFY when it is of another key, for other values or another purpose. */
KS_MUST_CHECK enum ks_err ks_update_authorise(const struct ks_pcr_state *pcrs,
                                              const struct ks_sealed_authority *authority,
                                              const char *signature_path, const char *path);

#endif
