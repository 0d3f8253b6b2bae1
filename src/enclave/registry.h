/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* registry.h: which devices the site knows, by which TPM, in which state; which tokens are used
 * up; which orders were carried out. The enclave's alone, in a chain of MACed records
 * (docs/formats/registry.md): no database that ketseald could change decides who may take part.
 * Each change is one record, so it is there after a crash or it is not. One thread. */
#ifndef KS_ENCLAVE_REGISTRY_H
#define KS_ENCLAVE_REGISTRY_H

#include "attest/appraise.h"
#include "enclave/chain.h"
#include "record/enrol.h"

#define KS_REGISTRY_FILE          "devices"
#define KS_REGISTRY_DEVICES_MAX   16384
#define KS_REGISTRY_TOKENS_MAX    16384 /* used, and not yet expired by themselves */
#define KS_REGISTRY_OPERATORS_MAX 64
#define KS_REGISTRY_AK_MAX        320  /* RSA-2048 needs 280 */
#define KS_REGISTRY_ALERTS_MAX    64   /* of one device: the last ones */
#define KS_REGISTRY_ALERTS_TOTAL  8192 /* of all devices: the last ones */
#define KS_REGISTRY_JOB_LEN       16   /* bytes of a job's id, a UUID */

/*      name              value  text                  what it means */
#define KS_DEVICE_STATE_LIST(X)                                                                \
    X(ACTIVE, 1, "ACTIVE")                     /* may do all that a device may */              \
    X(SUSPENDED, 2, "SUSPENDED")               /* nothing, until it is resumed or attests */   \
    X(REVOKED, 3, "REVOKED")                   /* nothing, for good; its id may enrol again */ \
    X(EXPIRED, 4, "EXPIRED")                   /* its certificate ran out: enrol again */      \
    X(COMPROMISED, 5, "COMPROMISED")           /* as revoked; its TPM may not come back */     \
    X(PENDING_ROTATION, 6, "PENDING_ROTATION") /* may attest and rotate its key, no more */
enum ks_device_state {
#define KS_DEVICE_STATE_ENUM(name, value, text) KS_DEVICE_##name = (value),
    KS_DEVICE_STATE_LIST(KS_DEVICE_STATE_ENUM)
#undef KS_DEVICE_STATE_ENUM
};
const char *ks_device_state_name(enum ks_device_state state); /* "ACTIVE" */

struct ks_device_entry {
    char id[KS_CERT_SUBJECT_MAX + 1];
    enum ks_device_state state; /* as kept: EXPIRED follows from expires_s */
    char reason[KS_REASON_MAX + 1];
    unsigned tpm;               /* KS_TPM_SET_… */
    uint8_t ek[32];             /* SHA-256 of the TPMT_PUBLIC: never changes under one id */
    uint8_t ek_certificate[32]; /* SHA-256 of its DER */
    uint8_t ak[KS_REGISTRY_AK_MAX];
    size_t ak_len;
    uint8_t key[32]; /* SHA-256 of the ML-DSA-65 key of its one valid certificate */
    uint8_t kem[32]; /* SHA-256 of its ML-KEM-768 key */
    uint64_t enrolled_us;
    uint64_t expires_s;
    uint64_t attested_us;       /* of the last appraisal that passed */
    struct ks_clock_seen clock; /* of its quote */
    bool appraisal_failed;      /* SUSPENDED by an appraisal: the next good one ends it */
};

struct ks_registry;

/* Opens or creates the registry in FS; MASTER (32 bytes, from sealed state) gives the MAC.
 * Forgets tokens that expired before NOW_US; rewrites the file compactly. KS_ERR_VERIFY when it
 * was changed, or falls short of REACHED (NULL: any will do). */
KS_MUST_CHECK enum ks_err ks_registry_open(const struct ks_fs *fs, struct ks_bytes master,
                                           uint64_t now_us,
                                           const struct ks_chain_position *reached,
                                           struct ks_registry **out_registry);
/* How far it has come. Borrowed; changes with it. */
const struct ks_chain_position *ks_registry_reached(const struct ks_registry *registry);
void ks_registry_close(struct ks_registry *registry); /* NULL is fine */

/* Devices in ascending order of their ids. Borrowed until the next change. */
size_t ks_registry_count(const struct ks_registry *registry);
const struct ks_device_entry *ks_registry_at(const struct ks_registry *registry, size_t index);
const struct ks_device_entry *ks_registry_find(const struct ks_registry *registry,
                                               struct ks_bytes id);
/* The device whose endorsement key that is; NULL. */
const struct ks_device_entry *ks_registry_find_ek(const struct ks_registry *registry,
                                                  const uint8_t ek[32]);
/* ENTRY's state at NOW_S: EXPIRED when it would be ACTIVE but for its certificate's end. */
enum ks_device_state ks_device_state_at(const struct ks_device_entry *entry, uint64_t now_s);

/* --- changes: durable when they return KS_OK ---------------------------------------------- */
/* Keeps ENTRY as it is now, new or not. KS_ERR_LIMIT when there are too many. */
KS_MUST_CHECK enum ks_err ks_registry_put(struct ks_registry *registry,
                                          const struct ks_device_entry *entry);
/* Keeps ENTRY and uses up the token ID, in one step. KS_ERR_DENIED when it is used already. */
KS_MUST_CHECK enum ks_err ks_registry_enrol(struct ks_registry *registry,
                                            const struct ks_device_entry *entry,
                                            const uint8_t token[KS_TOKEN_ID_LEN],
                                            uint64_t token_expires_us);
bool ks_registry_token_used(const struct ks_registry *registry,
                            const uint8_t token[KS_TOKEN_ID_LEN]);
/* Keeps ENTRY as the operator with KEY (SHA-256 of its public key) ordered at CREATED_US.
 * KS_ERR_DENIED unless that is later than all of that operator's orders before: none is carried
 * out twice, nor behind a later one. */
KS_MUST_CHECK enum ks_err ks_registry_order(struct ks_registry *registry,
                                            const struct ks_device_entry *entry,
                                            const uint8_t key[32], uint64_t created_us);

/* --- alerts of the detector --------------------------------------------------------------- */
/* Keeps ENTRY, of a device that is known, and that its job JOB was an alert at AT_US, in one
 * step. KS_ERR_CONFLICT when that alert is kept already. A device whose state changes, by this
 * or by any other record, has no alerts from then on. */
KS_MUST_CHECK enum ks_err ks_registry_alert(struct ks_registry *registry,
                                            const struct ks_device_entry *entry,
                                            const uint8_t job[KS_REGISTRY_JOB_LEN],
                                            uint64_t at_us);
/* How many alerts of the device ID that are kept are not older than SINCE_US. */
size_t ks_registry_alerts(const struct ks_registry *registry, struct ks_bytes id,
                          uint64_t since_us);

#endif
