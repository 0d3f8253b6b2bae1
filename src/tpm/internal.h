/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* internal.h: shared inside src/tpm only. The transport below tpm2-tss (the plain command
 * stream of a TPM over a stream socket or a character device: one command, then one response,
 * never two at once), what a struct ks_tpm is, and the commands that several files need. */
#ifndef KS_TPM_INTERNAL_H
#define KS_TPM_INTERNAL_H

#include <tss2/tss2_sys.h>
#include <tss2/tss2_tcti.h>

#include "tpm/tpm.h"

#define KS_TPM_FRAME_MAX  4096 /* TPM2_MAX_COMMAND_SIZE, TPM2_MAX_RESPONSE_SIZE */
#define KS_TPM_HEADER_LEN 10   /* u16 tag, u32 size, u32 code (TPM2 part 1 §18) */

/* The library sees the first member only; it must stay first. */
struct ks_tcti {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    int fd; /* borrowed */
    bool socket;
    unsigned timeout_ms;
    bool waiting; /* a command is out, its response is not in */
    bool dead;  /* an earlier failure: what comes next could be the answer to something else */
    size_t len; /* bytes of RESPONSE so far */
    uint8_t response[KS_TPM_FRAME_MAX];
    size_t command_len; /* kept until it is answered: a busy TPM wants it again */
    uint8_t command[KS_TPM_FRAME_MAX];
};

void ks_tcti_init(struct ks_tcti *tcti, int fd, bool socket, unsigned timeout_ms);

/* A key that is there: persistent ones are not flushed. handle 0 means none. */
struct ks_tpm_object {
    TPM2_HANDLE handle;
    bool persistent;
};

struct ks_tpm {
    int fd;
    struct ks_tcti tcti;
    TSS2_SYS_CONTEXT *sys;
    struct ks_tpm_info info;
    struct ks_tpm_object ak;
    uint8_t ak_public[KS_AK_PUBLIC_MAX];
    size_t ak_public_len;
    struct ks_tpm_object ek;
    enum ks_tpm_ek_kind ek_kind;
    TPM2B_PUBLIC ek_public;
    bool quoting; /* between quote_start and quote_finish */
};

/* KS_OK, or the library's or TPM's code RC as one error about the command WHAT. */
KS_MUST_CHECK enum ks_err ks_tpm_result(const struct ks_tpm *tpm, TSS2_RC rc, const char *what);
/* The TPM's code without the number of the handle, parameter or session it complains about
 * (TPM2 part 2 §6.6.2); codes of the library stay as they are. */
TSS2_RC ks_tpm_code(TSS2_RC rc);
/* True when the TPM says that a parameter of the command is wrong. */
bool ks_tpm_refuses_parameter(TSS2_RC rc);

/* The library's buffers still hold the last command and its answer: erases them. */
void ks_tpm_forget(struct ks_tpm *tpm);

/* One empty password, for commands with one authorisation. */
const TSS2L_SYS_AUTH_COMMAND *ks_tpm_password(void);

void ks_tpm_selection(uint32_t mask, TPML_PCR_SELECTION *out_selection);

/* Frees the object's or session's slot and sets the handle to 0. Nothing is fine. What the TPM
 * says does not matter: a slot that it would not free is freed at the next open. */
void ks_tpm_flush(struct ks_tpm *tpm, TPM2_HANDLE *handle);
void ks_tpm_object_close(struct ks_tpm *tpm, struct ks_tpm_object *object);

/* The primary key of TEMPLATE in HIERARCHY. PERSISTENT is where the profile puts it (0:
 * nowhere): what is there is used if it is of the template, whatever its unique part.
 * *OUT_PUBLIC has its public area. */
KS_MUST_CHECK enum ks_err
ks_tpm_primary_open(struct ks_tpm *tpm, TPMI_RH_HIERARCHY hierarchy, TPM2_HANDLE persistent,
                    const TPM2B_PUBLIC *key_template, const char *what,
                    struct ks_tpm_object *out_object, TPM2B_PUBLIC *out_public);

/* Starts a policy session with the digest HASH, neither salted nor bound: it needs no
 * cryptography here, and authorises by the policy alone. Ends with the first command that uses
 * it; where none did, flush it. */
KS_MUST_CHECK enum ks_err ks_tpm_policy_start(struct ks_tpm *tpm, TPMI_ALG_HASH hash,
                                              TPM2_HANDLE *out_session);

/* The public area of NV INDEX, or KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_tpm_nv_public(struct ks_tpm *tpm, TPMI_RH_NV_INDEX index,
                                           TPMS_NV_PUBLIC *out_public);

#endif
