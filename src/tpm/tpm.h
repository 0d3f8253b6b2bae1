/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tpm.h: the TPM 2.0 behind one open descriptor: a character device such as /dev/tpmrm0, or a
 * socket to a swtpm that we started. Hides tpm2-tss. The code path after opening is the same
 * for both: the plain TPM command stream, so whoever holds the descriptor needs no file, name
 * or port any more.
 *
 * Every call ends within the timeout given at open; a TPM that died or kept silent makes that
 * call and all later ones KS_ERR_IO. A struct ks_tpm belongs to one thread at a time. Programs
 * set TSS2_LOG=all+none in their environment first: the library logs to stderr otherwise.
 * Commands carry password authorisations with empty passwords, no sessions: nobody else is on a
 * socketpair; on a hardware bus, quotes are signed anyway, but random bytes and PCR values can
 * be forged by a probe. */
#ifndef KS_TPM_TPM_H
#define KS_TPM_TPM_H

#include <sys/types.h>

#include "attest/quote.h"
#include "base/buf.h"

#define KS_TPM_TIMEOUT_MS 30000 /* for one command; slow chips need seconds for a self-test */

/* --- descriptors (for the launcher) ------------------------------------------------------- */

/* Opens a TPM character device, close-on-exec, non-blocking. *OUT_FD is the caller's.
 * KS_ERR_IO; KS_ERR_USAGE if PATH is no character device. */
KS_MUST_CHECK enum ks_err ks_tpm_open_device(const char *path, int *out_fd);

/* Starts swtpm on STATE_DIR (created with mode 0700; KS_ERR_DENIED if it exists with other
 * rights or another owner; ',' in the path is refused, swtpm would read an option there). First
 * use makes a new TPM. The process inherits one end of a socketpair and stderr, nothing else,
 * has its own process group, ends when the last copy of *OUT_FD is closed, and is killed when
 * the calling thread ends. Its messages go to KS_SWTPM_LOG in STATE_DIR, begun anew at each
 * start: why a TPM with broken state ends at once stands there. *OUT_FD (close-on-exec) and the
 * child *OUT_PID, for ks_tpm_stop_swtpm, are the caller's. PROGRAM NULL means KS_SWTPM_PROGRAM;
 * KS_ERR_IO if it cannot be executed. */
#define KS_SWTPM_LOG     "swtpm.log"
#define KS_SWTPM_PROGRAM "/usr/bin/swtpm"
KS_MUST_CHECK enum ks_err ks_tpm_start_swtpm(const char *program, const char *state_dir,
                                             int *out_fd, pid_t *out_pid);

/* After the last copy of the descriptor is closed: waits for PID (<= 0 is fine) to end, and
 * makes it. A swtpm (0.7.1) whose user was killed between command and answer never notices and
 * keeps its state locked. Takes at most a few seconds. */
void ks_tpm_stop_swtpm(pid_t pid);

/* --- the TPM ------------------------------------------------------------------------------ */
struct ks_tpm;

enum ks_tpm_kind {
    KS_TPM_SIMULATED, /* a socket, or a maker known for software and virtual TPMs */
    KS_TPM_HARDWARE,
};

/* Speaks over FD (socket or device) and asks the TPM who it is. On success FD belongs to the
 * new object; on failure it stays the caller's. Keys that an earlier, killed holder of the same
 * connection left loaded are flushed; but if it was killed between command and answer, the
 * stream is out of step, which is KS_ERR_IO here: start another TPM process. TIMEOUT_MS 0 means
 * KS_TPM_TIMEOUT_MS. The library reads files (OpenSSL's configuration) up to the end of
 * ks_tpm_ak_open: a sandbox closes after that. Then only poll, read, write, sendto,
 * clock_gettime, futex and memory calls are made. */
KS_MUST_CHECK enum ks_err ks_tpm_open_fd(int fd, unsigned timeout_ms, struct ks_tpm **out_tpm);
/* Flushes the key, closes the descriptor. NULL is fine. */
void ks_tpm_close(struct ks_tpm *tpm);

/* For poll(2): readable when ks_tpm_quote_finish will not wait. Borrowed. */
int ks_tpm_fd(const struct ks_tpm *tpm);

struct ks_tpm_info {
    enum ks_tpm_kind kind;
    char manufacturer[5]; /* TCG vendor id, "IBM", "INTC", … printable ASCII */
    char vendor[17];      /* the maker's own text */
    uint64_t firmware;    /* as in quotes */
};
/* Borrowed; lives as long as TPM. */
const struct ks_tpm_info *ks_tpm_info(const struct ks_tpm *tpm);
const char *
ks_tpm_kind_name(enum ks_tpm_kind kind); /* "simulated", "hardware": as records say it */

/* LEN bytes of the TPM's generator; OUT is wiped on failure. TPM2_GetRandom. */
KS_MUST_CHECK enum ks_err ks_tpm_random(struct ks_tpm *tpm, void *out, size_t len);

/* Extends the sha256 bank of PCR (asserted < KS_PCR_COUNT) by DIGEST. TPM2_PCR_Extend. */
KS_MUST_CHECK enum ks_err ks_tpm_pcr_extend(struct ks_tpm *tpm, unsigned pcr,
                                            const uint8_t digest[KS_PCR_DIGEST_LEN]);
/* The sha256 values of the PCRs in MASK (not 0), ascending, ks_pcr_mask_count(MASK) of them,
 * all from one moment: read again if one changed meanwhile. TPM2_PCR_Read. */
KS_MUST_CHECK enum ks_err ks_tpm_pcr_read(struct ks_tpm *tpm, uint32_t mask,
                                          uint8_t (*out_values)[KS_PCR_DIGEST_LEN]);

struct ks_tpm_clock {
    uint64_t clock_ms;
    uint32_t reset_count;
    uint32_t restart_count;
    bool safe;
};
/* TPM2_ReadClock; the same numbers as a quote's (struct ks_quote_view). */
KS_MUST_CHECK enum ks_err ks_tpm_clock(struct ks_tpm *tpm, struct ks_tpm_clock *out_clock);

/* Makes the attestation key: a P-256 primary key of the endorsement hierarchy from the fixed
 * template of docs/formats/quote.md, so the same TPM always gives the same key and nothing is
 * stored. Kept loaded until close; a second call does nothing. TPM2_CreatePrimary. */
KS_MUST_CHECK enum ks_err ks_tpm_ak_open(struct ks_tpm *tpm);
/* Appends its TPMT_PUBLIC. Needs ks_tpm_ak_open (asserted), as do quotes. */
void ks_tpm_ak_public(const struct ks_tpm *tpm, struct ks_buf *out_public);

/* Quotes the sha256 PCRs of PCR_MASK (not 0) with EXTRA_DATA (at most KS_QUOTE_EXTRA_MAX bytes)
 * and appends the TPMS_ATTEST and the TPMT_SIGNATURE. TPM2_Quote. */
KS_MUST_CHECK enum ks_err ks_tpm_quote(struct ks_tpm *tpm, struct ks_bytes extra_data,
                                       uint32_t pcr_mask, struct ks_buf *out_attest,
                                       struct ks_buf *out_signature);
/* The same in two halves, with other work between them. Until finish (successful or not) no
 * other call on TPM but ks_tpm_fd, ks_tpm_info, ks_tpm_ak_public and ks_tpm_close is allowed
 * (asserted). Finish waits as long as needed within the timeout. */
KS_MUST_CHECK enum ks_err ks_tpm_quote_start(struct ks_tpm *tpm, struct ks_bytes extra_data,
                                             uint32_t pcr_mask);
KS_MUST_CHECK enum ks_err ks_tpm_quote_finish(struct ks_tpm *tpm, struct ks_buf *out_attest,
                                              struct ks_buf *out_signature);

#endif
