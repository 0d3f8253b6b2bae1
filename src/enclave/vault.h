/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* vault.h: what the TPM does for the enclave's state: it seals 32 bytes to the launch, and
 * counts. The seam behind which tests crash a TPM in memory. One thread. */
#ifndef KS_ENCLAVE_VAULT_H
#define KS_ENCLAVE_VAULT_H

#include "tpm/tpm.h"

#define KS_VAULT_MASTER_LEN 32
#define KS_VAULT_PURPOSE    "ketseal/enclave-state" /* of authorisations */
#define KS_COUNTER_DEFAULT  0x018b5e01 /* NV index; another for each further site on one TPM */

struct ks_vault {
    void *context;
    uint32_t counter_index;
    /* Appends the blob (docs/formats/sealed.md) of MASTER under the policy of now. */
    enum ks_err (*seal)(void *context, const uint8_t master[KS_VAULT_MASTER_LEN],
                        struct ks_buf *out_blob);
    /* *OUT_AGAIN: it opened, but another policy is wanted by now, so seal it again.
     * KS_ERR_DENIED names the PCRs that differ and says what to do. */
    enum ks_err (*unseal)(void *context, struct ks_bytes blob,
                          uint8_t out_master[KS_VAULT_MASTER_LEN], bool *out_again);
    enum ks_err (*counter_open)(void *context); /* defines it where it is absent */
    enum ks_err (*counter_read)(void *context, uint64_t *out_value); /* KS_ERR_NOT_FOUND */
    enum ks_err (*counter_increment)(void *context, uint64_t *out_value);
};

/* The vault of a TPM. Whoever may change this may not thereby reach the state: the authority
 * that it was first sealed with stays, and no PCR that it was sealed to is dropped. */
struct ks_tpm_vault {
    struct ks_tpm *tpm;
    uint32_t pcr_mask;                           /* not 0 */
    const struct ks_sealed_authority *authority; /* NULL: none */
    struct ks_bytes authorisation;               /* may be empty */
    uint32_t counter_index;
};
/* Borrows TPM_VAULT. */
struct ks_vault ks_vault_of(struct ks_tpm_vault *tpm_vault);

#endif
