/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* platform.h: a machine for tests of appraisal: 24 PCRs, a clock, the logs that explain the
 * PCRs (tests/vectors/platform-logs), and an attestation key that signs quotes as a TPM does,
 * made by libcrypto. Tests bend it in one place and quote again. Needs expect.h before. */
#ifndef KS_TESTS_UNIT_PLATFORM_H
#define KS_TESTS_UNIT_PLATFORM_H

#include "attest/appraise.h"

#include <openssl/evp.h>

#define PLATFORM_NONCE "0123456789abcdef0123456789abcdef"

struct platform {
    EVP_PKEY *key;
    struct ks_ak_public ak;
    uint8_t pcrs[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    uint32_t quoted_mask; /* what the next quote covers */
    uint64_t clock_ms;
    uint32_t reset_count;
    uint32_t restart_count;
    uint8_t safe;
    uint64_t firmware;
    uint16_t bank; /* of the PCR selection */
    struct ks_buf tcg_log;
    struct ks_buf ima_log;
    struct ks_buf launch_log;
    /* The last quote, and the values that go with it. */
    struct ks_buf attest;
    struct ks_buf signature;
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    struct ks_reference *reference; /* that accepts all of it */
};

/* Boots: PCR 0 to 9 and 14 by the firmware's log, 14 by a launch, 10 by the kernel's list. */
void platform_init(struct platform *platform);
/* The same with the boot log accept/BOOT_LOG of the vectors. */
void platform_init_from(struct platform *platform, const char *boot_log);
void platform_done(struct platform *platform);
/* Extends PCR by one more digest, of which no log says anything. */
void platform_extend(struct platform *platform, unsigned pcr);
/* Quotes quoted_mask with EXTRA. */
void platform_quote(struct platform *platform, struct ks_bytes extra);
/* Signs ATTEST as it stands. */
void platform_sign(struct platform *platform);
struct ks_platform_evidence platform_evidence(const struct platform *platform);
/* Another attestation key, as another machine has it. */
void platform_new_key(struct platform *platform);
/* Replaces the reference by the one that EDIT makes of its JSON text: FIND once replaced by
 * WITH.
 */
void platform_edit_reference(struct platform *platform, const char *find, const char *with);

#endif
