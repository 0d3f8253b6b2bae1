/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* admission.h: who may take part, inside the enclave: what the site demands of devices, the
 * registry, enrolments that are under way, challenges that are open. Used by enrol.c (a device
 * becomes known), devices.c (it stays known, or not), certify.c (the site itself becomes known
 * to its operator) and requests.c (may this device ask for this?). One thread. */
#ifndef KS_ENCLAVE_ADMISSION_H
#define KS_ENCLAVE_ADMISSION_H

#include "attest/reference.h"
#include "enclave/launch.h"
#include "enclave/registry.h"
#include "tpm/tpm.h"

#define KS_ENROL_SESSIONS_MAX 256 /* between the two exchanges */
#define KS_ENROL_SESSION_S    120
#define KS_CHALLENGES_MAX     1024 /* open at once, one for each device */
#define KS_CHALLENGE_S        60
#define KS_BACKDATE_S         300 /* certificates begin that much earlier: clocks differ */

/* An enrolment whose TPM has been challenged. */
struct ks_enrolment {
    bool used;
    uint64_t deadline_us; /* monotonic */
    uint8_t session[KS_ENROL_SESSION_LEN];
    uint8_t channel[KS_CHANNEL_LEN];
    uint8_t nonce[KS_NONCE_LEN];
    uint8_t token[KS_TOKEN_ID_LEN];
    uint64_t token_expires_us;
    struct ks_device_entry entry; /* as it will be: id, TPM, both of its keys */
    struct ks_secret secret;      /* in the credential */
};

struct ks_device_challenge {
    uint64_t deadline_us; /* monotonic; 0: free */
    char device[KS_CERT_SUBJECT_MAX + 1];
    bool replaced; /* asked for under a certificate whose key was replaced */
    uint8_t channel[KS_CHANNEL_LEN];
    uint8_t nonce[KS_NONCE_LEN];
};

struct ks_admission {
    struct ks_device_rules rules; /* without the views */
    struct ks_ek_certs ek_roots;
    size_t ek_roots_hardware;       /* the first ones; those behind are of simulators */
    struct ks_reference *reference; /* NULL: no device can enrol here */
    uint8_t reference_digest[32];
    struct ks_registry *registry;           /* borrowed: part of the enclave's state */
    struct ks_enrolment *enrolments;        /* KS_ENROL_SESSIONS_MAX */
    struct ks_device_challenge *challenges; /* KS_CHALLENGES_MAX */
    /* The request for certification that was answered last: what an activation is for. */
    uint8_t site_request[32];
    enum ks_tpm_ek_kind site_kind;
    bool site_requested;
};

/* Takes over RULES; the registry comes later, with the sealed state. */
KS_MUST_CHECK enum ks_err ks_admission_init(const struct ks_device_rules *rules,
                                            struct ks_admission *out_admission);
void ks_admission_done(struct ks_admission *admission); /* zeroed is fine; wipes */

/* What a device asks for. */
enum ks_device_right {
    KS_RIGHT_WORK,      /* keys, jobs */
    KS_RIGHT_ATTEST,    /* to show that it is healthy */
    KS_RIGHT_CHALLENGE, /* a nonce for either of the next two */
    KS_RIGHT_ROTATE,    /* a new key, or that of its last rotation once more */
};
/* KS_ERR_DENIED, saying why, unless the device ID with a certificate for the key of digest KEY
 * (ENROLLED: of the issuer's making; else the root's) has RIGHT at NOW_US; KS_ERR_STALE when it
 * would have, had it attested lately. Another key than the registry's has the last two rights
 * alone: it may be the one before a rotation whose answer was lost. */
KS_MUST_CHECK enum ks_err ks_admission_check(const struct ks_admission *admission,
                                             struct ks_bytes id, const uint8_t key[32],
                                             bool enrolled, enum ks_device_right right,
                                             uint64_t now_us);

/* Appraises PLATFORM, whose quote must carry EXTRA, as ENTRY's; SEEN NULL: its first quote.
 * KS_ERR_VERIFY says what differs; OUT_APPRAISAL is filled in either case. */
KS_MUST_CHECK enum ks_err
ks_admission_appraise(const struct ks_admission *admission, const struct ks_device_entry *entry,
                      const struct ks_platform *platform, const uint8_t extra[32],
                      const struct ks_clock_seen *seen, struct ks_appraisal *out_appraisal);

#endif
