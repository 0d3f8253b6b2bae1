/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* extend.h: a launch event log and its PCR kept in step, across restarts within one boot. For
 * the launcher of a site, and for devices. One thread. */
#ifndef KS_TPM_EXTEND_H
#define KS_TPM_EXTEND_H

#include "attest/eventlog.h"
#include "tpm/tpm.h"

#define KS_LAUNCH_LOG_FILE "launch.json"

/* Extends the PCR of LOG by its events, unless DIRECTORY/KS_LAUNCH_LOG_FILE holds the same log
 * and the PCR its replayed value: then this boot has measured them already. Fills in LOG's
 * initial value, and writes the file. */
KS_MUST_CHECK enum ks_err ks_tpm_extend_log(struct ks_tpm *tpm, const char *directory,
                                            struct ks_event_log *log);

#endif
