/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* crash_vault.h: what the enclave's state wants of a TPM (enclave/vault.h), in memory, beside a
 * crash disk: it seals to one value that stands for the PCRs, and counts durably. A count may
 * crash before it or after it. Outlives what uses it; owns nothing. */
#ifndef KS_TESTS_FAULT_CRASH_VAULT_H
#define KS_TESTS_FAULT_CRASH_VAULT_H

#include "enclave/vault.h"
#include "fault/crash_disk.h"

struct crash_vault {
    struct crash_disk *disk;
    struct crash_random *random; /* NULL: it never crashes */
    uint64_t crash_one_in;       /* counts; 0: never */
    uint8_t secret[32];          /* of this TPM; another one's opens nothing */
    uint8_t pcrs[32];            /* what it seals to */
    uint8_t authorised[32];      /* sealed to these, it opens, too; zero: none */
    bool counts;                 /* the counter is defined */
    uint64_t counter;
};

struct ks_vault crash_vault_of(struct crash_vault *vault);

#endif
