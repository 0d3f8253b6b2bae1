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
 * Commands carry empty passwords, or policy sessions without keys of their own: nobody else is
 * on a socketpair; on a hardware bus, quotes are signed anyway, but random bytes, PCR values
 * and counters can be forged, and what is unsealed can be read, by a probe. */
#ifndef KS_TPM_TPM_H
#define KS_TPM_TPM_H

#include <sys/types.h>

#include "attest/quote.h"
#include "attest/sealed.h"
#include "base/buf.h"

#define KS_TPM_TIMEOUT_MS 30000 /* for one command; slow chips need seconds for a self-test */

/* --- descriptors (for the launcher) ------------------------------------------------------- */

/* Opens a TPM character device, close-on-exec, non-blocking. *OUT_FD is the caller's.
 * KS_ERR_IO; KS_ERR_USAGE if PATH is no character device. */
KS_MUST_CHECK enum ks_err ks_tpm_open_device(const char *path, int *out_fd);

/* Makes a TPM for swtpm in STATE_DIR, as a maker would: RSA-2048 and P-384 endorsement keys,
 * each with a certificate by a CA that lives in CA_DIR (made on first use; several TPMs may
 * share it; NULL means the directory KS_SWTPM_CA beside STATE_DIR) and vouches for simulated
 * TPMs only. Does nothing when STATE_DIR holds a TPM already. Both directories are created with
 * mode 0700; KS_ERR_DENIED if one exists with other rights or another owner; KS_ERR_USAGE for a
 * path with ',', a quote or a control character (the programs read options there). All or
 * nothing: a half-made TPM or CA, of a killed caller too, is never used (the next call ends
 * what he left running). Runs swtpm_setup (which keeps a pid file in /tmp meanwhile), offline,
 * reads no configuration of the host, takes about a second; KS_ERR_IO when it is absent or
 * fails, its words are in KS_SWTPM_SETUP_LOG in STATE_DIR. Calls for one CA_DIR wait for each
 * other. */
#define KS_SWTPM_CA         "swtpm-ca"
#define KS_SWTPM_CA_ROOT    "root.pem"    /* in CA_DIR: the root's certificate */
#define KS_SWTPM_CA_ISSUING "issuing.pem" /* the one that signs endorsement certificates */
#define KS_SWTPM_SETUP_LOG  "swtpm-setup.log"
KS_MUST_CHECK enum ks_err ks_tpm_make_swtpm(const char *state_dir, const char *ca_dir);

/* Starts swtpm on STATE_DIR, after ks_tpm_make_swtpm(STATE_DIR, NULL). The process inherits one
 * end of a socketpair and stderr, nothing else, has its own process group, ends when the last
 * copy of *OUT_FD is closed, and is killed when the calling thread ends. Its messages go to
 * KS_SWTPM_LOG in STATE_DIR, begun anew at each start: why a TPM with broken state ends at once
 * stands there. *OUT_FD (close-on-exec) and the child *OUT_PID, for ks_tpm_stop_swtpm, are the
 * caller's. PROGRAM NULL means KS_SWTPM_PROGRAM; KS_ERR_IO if it cannot be executed. */
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
 * connection left loaded and its sessions are flushed; but if it was killed between command and
 * answer, the stream is out of step, which is KS_ERR_IO here: start another TPM process.
 * TIMEOUT_MS 0 means KS_TPM_TIMEOUT_MS. From then on only poll, read, write, sendto,
 * clock_gettime, futex and memory calls are made: every function below works behind a closed
 * sandbox. */
KS_MUST_CHECK enum ks_err ks_tpm_open_fd(int fd, unsigned timeout_ms, struct ks_tpm **out_tpm);
/* Flushes the keys, closes the descriptor. NULL is fine. */
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

/* Tells a simulated TPM of ours that its power goes off now, as a machine tells its own before
 * it does: without that, its clock is not safe after the next start (TPM2 part 1 §36.3).
 * TPM2_Shutdown(CLEAR). Nothing but ks_tpm_close may follow. A TPM of the system's, a simulated
 * one of a virtual machine too, is not ours to shut down: nothing happens to it. One that does
 * not answer ends all the same: its clock then tells. */
void ks_tpm_shutdown(struct ks_tpm *tpm);

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

/* --- endorsement -------------------------------------------------------------------------- */

/* TCG EK Credential Profile 2.5, Annex B. */
enum ks_tpm_ek_kind {
    KS_TPM_EK_RSA_2048, /* template L-1; certificate in NV index 0x01c00002 */
    KS_TPM_EK_ECC_P384, /* template H-3; certificate in NV index 0x01c00016 */
};
const char *ks_tpm_ek_kind_name(enum ks_tpm_ek_kind kind); /* "RSA 2048", "ECC P-384" */

/* Opens the endorsement key of that KIND: the persistent object at 0x81010001 or 0x81010016
 * where it has exactly the profile's template, else a primary key made from the template (an
 * RSA one takes a chip many seconds). One at a time: another kind closes the first. The key is
 * the same either way, and after each restart. TPM2_ReadPublic, TPM2_CreatePrimary. */
KS_MUST_CHECK enum ks_err ks_tpm_ek_open(struct ks_tpm *tpm, enum ks_tpm_ek_kind kind);
/* Frees its slot in the TPM (there are as few as three; the attestation key has one, sealing
 * needs two). Nothing open is fine. */
void ks_tpm_ek_close(struct ks_tpm *tpm);
/* Appends the TPMT_PUBLIC of the open key (asserted). */
void ks_tpm_ek_public(const struct ks_tpm *tpm, struct ks_buf *out_public);
/* Appends the X.509 certificate (DER) that the maker stored for KIND; padding behind it is cut.
 * Needs no open key. KS_ERR_NOT_FOUND when there is none, KS_ERR_FORMAT when what is there is
 * not one DER sequence. The bytes are the maker's, or whoever can write there: check them.
 * TPM2_NV_ReadPublic, TPM2_NV_Read. */
#define KS_TPM_CERTIFICATE_MAX 4096 /* bytes that are read; real ones have some 1,800 */
KS_MUST_CHECK enum ks_err ks_tpm_ek_certificate(struct ks_tpm *tpm, enum ks_tpm_ek_kind kind,
                                                struct ks_buf *out_der);

/* Proves that the attestation key and the open endorsement key live in one TPM: recovers the
 * secret that somebody encrypted for the two (TPM2_MakeCredential or the same in software, over
 * the attestation key's name). ID_OBJECT is a TPM2B_ID_OBJECT and ENCRYPTED_SECRET a
 * TPM2B_ENCRYPTED_SECRET, each with its u16 size in front and nothing behind (KS_ERR_FORMAT
 * otherwise, KS_ERR_LIMIT above the two constants). Both keys must be open (asserted).
 * KS_ERR_VERIFY when it was not made for these two keys. OUT_SECRET, at most KS_SECRET_MAX
 * bytes, is the caller's to wipe. TPM2_ActivateCredential, after TPM2_PolicySecret where the
 * key's policy wants it. */
#define KS_TPM_ID_OBJECT_MAX        134 /* TPM2B of HMAC TPM2B_DIGEST and encrypted TPM2B_DIGEST */
#define KS_TPM_ENCRYPTED_SECRET_MAX 514 /* RSA-4096 */
KS_MUST_CHECK enum ks_err ks_tpm_credential_activate(struct ks_tpm *tpm,
                                                     struct ks_bytes id_object,
                                                     struct ks_bytes encrypted_secret,
                                                     struct ks_secret *out_secret);

/* --- sealing ------------------------------------------------------------------------------ */

/* What attest/sealed.h calls the policy: which PCR values open it, whose word may name others.
 */
struct ks_tpm_seal_spec {
    uint32_t pcr_mask; /* not 0 (asserted) */
    /* One for each bit, ascending; NULL means the values that the TPM has now. */
    const uint8_t (*pcr_values)[KS_PCR_DIGEST_LEN];
    /* May be NULL: then nothing but these values ever opens it. */
    const struct ks_sealed_authority *authority;
};

/* Seals DATA (1 to KS_SEALED_DATA_MAX bytes, else KS_ERR_LIMIT) and appends the blob of
 * docs/formats/sealed.md. It can be opened by this TPM alone, until its owner clears it. The
 * parent is the storage key of the TCG's P-256 template, the persistent one at 0x81000001 where
 * it has that template. Commands are not encrypted on the way: who probes a hardware bus reads
 * DATA. Closes the endorsement key, for its slot. TPM2_CreatePrimary, TPM2_Create. */
KS_MUST_CHECK enum ks_err ks_tpm_seal(struct ks_tpm *tpm, const struct ks_tpm_seal_spec *spec,
                                      struct ks_bytes data, struct ks_buf *out_blob);

/* Recovers what is in BLOB. AUTHORISATION, empty or the bytes of ks_authorisation_make, is used
 * when the PCRs differ from those that were sealed to. The TPM decides; the refusals:
 * KS_ERR_DENIED  the PCRs are others: the detail names each ("PCR 14"), or another TPM's
 * storage key sealed it, or it has no authority for an authorisation to be of; KS_ERR_VERIFY
 * the authorisation is not signed by the blob's authority, or is for another purpose; or the
 * blob's TPM part was altered; KS_ERR_FORMAT  either does not parse, altered policy fields
 * included. OUT_DATA, KS_SEALED_DATA_MAX bytes, and *OUT_LEN are written on success only; the
 * caller wipes them. Closes the endorsement key, for its slot. TPM2_Load, TPM2_Unseal. */
KS_MUST_CHECK enum ks_err ks_tpm_unseal(struct ks_tpm *tpm, struct ks_bytes blob,
                                        struct ks_bytes authorisation,
                                        uint8_t out_data[KS_SEALED_DATA_MAX], size_t *out_len);

/* --- monotonic counters ------------------------------------------------------------------- */

/* Makes sure that the counter at NV INDEX (of the owner's range, asserted) exists and can be
 * read: defines it under the owner's empty password where it is absent, and increments a fresh
 * one once, since it has no value before. A fresh counter begins above every value that any
 * counter of this TPM ever had, so deleting it cannot turn it back. KS_ERR_CONFLICT when
 * something else lives at INDEX; KS_ERR_DENIED when the owner has a password. swtpm writes its
 * state without fsync: after a power failure its counter may be behind. TPM2_NV_DefineSpace. */
#define KS_TPM_COUNTER_FIRST 0x01800000 /* TCG handle registry: NV indices for the owner */
#define KS_TPM_COUNTER_LAST  0x01bfffff
KS_MUST_CHECK enum ks_err ks_tpm_counter_open(struct ks_tpm *tpm, uint32_t index);
/* KS_ERR_NOT_FOUND where ks_tpm_counter_open was never called. TPM2_NV_Read. */
KS_MUST_CHECK enum ks_err ks_tpm_counter_read(struct ks_tpm *tpm, uint32_t index,
                                              uint64_t *out_value);
/* Adds one, durably as far as the TPM is, and reads the new value. Flash wears: chips promise
 * some 100,000 increments. TPM2_NV_Increment. */
KS_MUST_CHECK enum ks_err ks_tpm_counter_increment(struct ks_tpm *tpm, uint32_t index,
                                                   uint64_t *out_value);

#endif
