/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* internal.h: shared inside src/tpm only. The transport below tpm2-tss: the plain command
 * stream of a TPM over a stream socket or a character device. One command, then one response,
 * never two at once. */
#ifndef KS_TPM_INTERNAL_H
#define KS_TPM_INTERNAL_H

#include <tss2/tss2_tcti.h>

#include "base/mem.h"

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
};

void ks_tcti_init(struct ks_tcti *tcti, int fd, bool socket, unsigned timeout_ms);

#endif
