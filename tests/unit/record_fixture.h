/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* record_fixture.h: a whole sealed job, made in this process from fixed seeds: device, site,
 * TPM, ledger, policy. The TPM is a few lines that write a quote by hand
 * (docs/formats/quote.md) and sign it with a P-256 key. Everything can be changed at every
 * step, with what comes after it made anew: so a test changes exactly one thing. ML-DSA and
 * SLH-DSA sign hedged: the signatures differ from run to run, nothing else does. */
#ifndef KS_TESTS_UNIT_RECORD_FIXTURE_H
#define KS_TESTS_UNIT_RECORD_FIXTURE_H

#include <openssl/evp.h>

#include "record/policy.h"
#include "record/record.h"

#define FIXTURE_NOW_S    UINT64_C(1775000000) /* 2026-03-31T23:33:20Z */
#define FIXTURE_BEGIN_S  UINT64_C(1767225600) /* 2026-01-01T00:00:00Z */
#define FIXTURE_END_S    UINT64_C(1798761599) /* 2026-12-31T23:59:59Z */
#define FIXTURE_ORIGIN   "lab.example/ketseal"
#define FIXTURE_DEVICE   "sensor-7"
#define FIXTURE_OPERATOR "ada"

/* Keys and certificates; made once, since signing with SLH-DSA takes long. */
struct fixture_keys {
    struct ks_sign_key *root;
    struct ks_cert *root_cert;
    struct ks_sign_key *other_root; /* another key under the same name */
    struct ks_cert *other_root_cert;
    struct ks_sign_key *device;
    struct ks_sign_key *other_device;
    struct ks_cert *device_cert;
    struct ks_cert *foreign_cert; /* of the device's key, by the other root */
    struct ks_cert *expired_cert; /* of the device's key */
    struct ks_cert *renamed_cert; /* of the device's key, for another device */
    struct ks_cert *server_cert;  /* of the device's key, as a server */
    struct ks_sign_key *operator_key;
    struct ks_cert *operator_cert;
    struct ks_cert *weak_cert;      /* of an ML-DSA-44 key */
    struct ks_cert *classical_cert; /* of a P-256 key */
    struct ks_crl *crl;             /* lists nobody of ours */
    struct ks_crl *crl_lists;       /* lists the device */
    struct ks_sign_key *ed25519;
    struct ks_sign_key *mldsa65;
    struct ks_sign_key *note_ed25519;
    struct ks_sign_key *note_mldsa44;
    struct ks_sign_key *other_ed25519;
    struct ks_sign_key *other_mldsa65;
    struct ks_sign_key *other_mldsa44;
    EVP_PKEY *ak; /* P-256 */
    EVP_PKEY *other_ak;
};
void fixture_keys_make(struct fixture_keys *keys);
void fixture_keys_free(struct fixture_keys *keys);
/* The raw public half of KEY, LEN bytes. */
void fixture_public(const struct ks_sign_key *key, uint8_t *target, size_t len);
/* A key whose seed is bytes counting up from FIRST. */
struct ks_sign_key *fixture_sign_key(enum ks_sig_alg alg, uint8_t first);
/* TPMT_PUBLIC of KEY, after the template of docs/formats/quote.md with ATTRIBUTES. */
void fixture_ak_public(EVP_PKEY *key, uint32_t attributes, struct ks_buf *out);
#define FIXTURE_AK_ATTRIBUTES 0x00050472

/* What the quote says. */
struct fixture_quote {
    EVP_PKEY *key;
    uint32_t magic;
    uint8_t signer[KS_AK_NAME_LEN];
    uint8_t extra[32];
    uint64_t clock_ms;
    uint32_t resets;
    uint32_t restarts;
    uint32_t pcr_mask;
    uint8_t pcr_digest[32];
};

#define FIXTURE_ENTRIES_MAX 8

/* After each of these steps, the change is called with it; then what follows is made of what
 * the draft says by then. */
enum fixture_step {
    FIXTURE_BEGIN,      /* job, submission without digests, core without digests, log, site */
    FIXTURE_SUBMISSION, /* the submission is complete; next it is signed */
    FIXTURE_SIGNED,     /* the submission's bytes and signature are there */
    FIXTURE_CORE,       /* the core is complete; next it is written */
    FIXTURE_WRITTEN,    /* core_bytes are there; next they are hashed and quoted */
    FIXTURE_QUOTE,      /* what the quotes are to say; next they are signed */
    FIXTURE_EVIDENCE,   /* the evidence; next it is written and the record is signed */
    FIXTURE_SEALED,     /* record and entry are there; next the ledger is built */
    FIXTURE_LEDGER,     /* the entries; next the checkpoint is signed */
    FIXTURE_CHECKPOINT, /* the note is there */
    FIXTURE_INCLUSION,  /* paths; next the bundle is written */
    FIXTURE_BUNDLE,     /* bundle and policy are there */
};

struct fixture {
    const struct fixture_keys *keys;
    /* who signs */
    const struct ks_sign_key *submission_key;
    const struct ks_sign_key *record_ed25519;
    const struct ks_sign_key *record_mldsa65;
    const struct ks_sign_key *note_ed25519;
    const struct ks_sign_key *note_mldsa44;
    const struct ks_cert *certificate;
    /* the policy */
    const struct ks_cert *policy_root;
    const struct ks_crl *policy_crl;
    bool accept_simulated;
    const struct ks_anchor_pin *policy_anchor;    /* NULL: none */
    const struct ks_policy_stamps *policy_stamps; /* NULL: none */
    const struct ks_witnesses *policy_witnesses;  /* NULL: none */
    struct ks_site site;
    /* the record */
    struct ks_job job;
    struct ks_submission submission;
    struct ks_fl_order order; /* of a round, in place of job and submission */
    struct ks_core core;
    struct ks_event_log log;
    struct fixture_quote quote;
    struct fixture_quote start; /* before the intent */
    struct ks_evidence evidence;
    size_t batch_index;
    size_t batch_size;
    uint8_t core_hash[32];
    struct ks_buf job_bytes;
    struct ks_buf submission_bytes;
    struct ks_buf submission_signature; /* or that of the order */
    struct ks_buf order_bytes;          /* the body */
    struct ks_buf parameters;
    struct ks_buf result;
    struct ks_buf log_bytes;
    struct ks_buf core_bytes;
    struct ks_buf attest;
    struct ks_buf quote_signature;
    struct ks_buf start_attest;
    struct ks_buf start_signature;
    struct ks_buf evidence_bytes;
    struct ks_buf record;
    struct ks_buf entry;
    /* the ledger */
    struct ks_buf entries[FIXTURE_ENTRIES_MAX];
    size_t entry_count;
    size_t intent_at; /* which of them are ours */
    size_t record_at;
    struct ks_checkpoint checkpoint;
    struct ks_buf note;
    struct ks_inclusion inclusion;
    struct ks_buf anchor;    /* canonical; empty: none */
    struct ks_buf timestamp; /* a token; empty: none */
    struct ks_buf bundle;
    struct ks_buf policy;
};

typedef void (*fixture_change)(struct fixture *fixture, enum fixture_step step);
/* CHANGE NULL: nothing is changed. Asserts that all writing works. */
void fixture_make(struct fixture *fixture, const struct fixture_keys *keys,
                  fixture_change change);
void fixture_free(struct fixture *fixture);

/* At FIXTURE_BEGIN: the record is of a contribution to the second round of a session, by the
 * device; of that session's first round, ordered by the operator. */
void fixture_begin_update(struct fixture *fixture);
void fixture_begin_round(struct fixture *fixture);

/* Replaces the contents of BUF by BYTES. */
void fixture_set(struct ks_buf *buf, struct ks_bytes bytes);
/* Replaces the first OLD in BUF, which must be there, by FRESH. */
void fixture_replace(struct ks_buf *buf, const char *old, const char *fresh);
/* The policy, read; the caller frees it. */
struct ks_policy *fixture_policy(const struct fixture *fixture);
/* The text of the quote, by hand. */
void fixture_attest_write(const struct fixture_quote *quote, struct ks_buf *out);
/* TPMT_SIGNATURE: KEY over ATTEST. */
void fixture_attest_sign(EVP_PKEY *key, struct ks_bytes attest, struct ks_buf *out);

#endif
