/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* keys.h: the file of the enclave's seeds. Inside src/enclave only. One thread. */
#ifndef KS_ENCLAVE_KEYS_H
#define KS_ENCLAVE_KEYS_H

#include "enclave/state.h"

#define KS_SEED_LEN 32

/* In the file's order. */
enum ks_seed {
    KS_SEED_ED25519,
    KS_SEED_MLDSA65,
    KS_SEED_NOTE_ED25519,
    KS_SEED_NOTE_MLDSA44,
    KS_SEED_JOURNAL, /* master of journal, heads and epoch */
    KS_SEED_ISSUER,  /* not in version 1 */
    KS_SEEDS
};

/* In secret pages, for as long as they are in use. */
struct ks_seeds {
    uint8_t seed[KS_SEEDS][KS_SEED_LEN];
    uint8_t master[KS_VAULT_MASTER_LEN];
    uint8_t key[44]; /* AES-256 key, nonce */
};

struct ks_keys_found {
    uint64_t sealed; /* how often the file was sealed; 0: it stands in the clear */
    bool again;      /* it should be, once more */
};

/* KS_ERR_NOT_FOUND when there is none; other errors as ks_enclave_state_open. The issuer's seed
 * is fresh where the file has none. */
KS_MUST_CHECK enum ks_err ks_keys_load(const struct ks_fs *fs, const struct ks_vault *vault,
                                       struct ks_bytes extra, struct ks_seeds *seeds,
                                       struct ks_keys_found *out_found);
/* Fresh ones, where neither heads nor a journal are there: KS_ERR_FORMAT. */
KS_MUST_CHECK enum ks_err ks_keys_make(const struct ks_fs *fs, struct ks_bytes extra,
                                       struct ks_seeds *seeds);
/* Durably, under a fresh master, as the SEALED-th file. */
KS_MUST_CHECK enum ks_err ks_keys_store(const struct ks_fs *fs, const struct ks_vault *vault,
                                        struct ks_seeds *seeds, uint64_t sealed);
/* Expands. */
KS_MUST_CHECK enum ks_err ks_keys_open(const struct ks_seeds *seeds,
                                       struct ks_enclave_keys *out_keys);

#endif
