/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* record.h: the execution record: core, evidence, signatures; the ledger entry it leaves; the
 * bundle an auditor keeps. Canonical JSON throughout (docs/formats/record.md). Record bytes
 * never change after signing. Pure: times and identifiers are arguments. */
#ifndef KS_RECORD_RECORD_H
#define KS_RECORD_RECORD_H

#include "chain/anchor.h"
#include "crypto/cert.h"
#include "crypto/timestamp.h"
#include "ledger/merkle.h"
#include "record/fl.h"
#include "record/job.h"
#include "record/site.h"

#define KS_RECORD_BYTES_MAX (32 * 1024 * 1024)
#define KS_BUNDLE_BYTES_MAX (48 * 1024 * 1024)
#define KS_RESULT_BYTES_MAX (8 * 1024 * 1024) /* the canonical result_summary */
#define KS_ENTRY_BYTES_MAX  1024

/* Schemas "ketseal-1" to "ketseal-5": the second has a start quote, the third the method, the
 * noise and what keys the site asks for, the fourth what other SDKs ran. The fifth is of no
 * circuit; circuits stay with the fourth. */
#define KS_RECORD_SCHEMA_MAX     5
#define KS_RECORD_SCHEMA_CIRCUIT 4
#define KS_RECORD_SCHEMA_FL      5
#define KS_CONTEXT_RECORD        "ketseal/record/1"
#define KS_SDK_TEXT_MAX          64   /* bytes of a backend's name, of a version */
#define KS_RULE_BYTES_MAX        2048 /* of the canonical rule of an aggregation */

/* Where the one-time key of a request came from. */
#define KS_KEY_SOURCE_LIST(X)                                                                  \
    X(KEM, "kem")         /* ML-KEM */                                                         \
    X(ETSI014, "etsi014") /* a KME, by ETSI GS QKD 014 */                                      \
    X(BOTH, "both")       /* both, combined */
enum ks_key_source {
#define KS_KEY_SOURCE_ENUM(name, text) KS_KEY_SOURCE_##name,
    KS_KEY_SOURCE_LIST(KS_KEY_SOURCE_ENUM)
#undef KS_KEY_SOURCE_ENUM
        KS_KEY_SOURCES
};
const char *ks_key_source_name(enum ks_key_source source);
/* KS_ERR_FORMAT for another word. */
KS_MUST_CHECK enum ks_err ks_key_source_parse(struct ks_bytes text,
                                              enum ks_key_source *out_source);

/* What ran a job of another SDK than ours. Texts are of [A-Za-z0-9._+-]. */
struct ks_sdk_run {
    struct ks_bytes version;
    struct ks_bytes backend; /* "qiskit-aer" */
    struct ks_bytes backend_version;
    uint8_t environment[32]; /* hash of its environment, docs/formats/adapter.md */
    uint8_t transpiled[32];  /* SHA-256 of what the SDK made of the circuit, by its own word */
};

/* What a contribution, or a round, is about: docs/formats/record.md. */
struct ks_core_fl {
    uint8_t session[KS_SESSION_LEN];
    uint64_t round;
    uint8_t parent[32];     /* hash of the model that the round began with */
    uint8_t shape[32];      /* of the table of its tensors */
    uint64_t params;        /* numbers in it */
    uint8_t descriptor[32]; /* SHA-256 of the round's descriptor, which the enclave signed */
    /* of a contribution: as its job says */
    struct ks_bytes encoding;
    uint64_t samples;
    uint8_t sealed[32];
    uint64_t length;
    /* of a round: the order that it goes back to */
    uint8_t order[32];           /* SHA-256 of the canonical body */
    uint8_t order_signature[32]; /* SHA-256 of its signature */
};

/* Everything that exists before H. Views borrow. */
struct ks_core {
    unsigned schema;   /* 1 to KS_RECORD_SCHEMA_MAX */
    enum ks_kind kind; /* of KS_RECORD_SCHEMA_FL: UPDATE or ROUND; else CIRCUIT */
    /* workload; of KS_RECORD_SCHEMA_FL: name, parameters (the rule) and FL alone */
    struct ks_core_fl fl;
    enum ks_sdk sdk; /* of schemas 1 to 3: KETSEAL */
    struct ks_bytes name;
    struct ks_bytes parameters; /* canonical JSON object */
    uint8_t circuit_hash[32];   /* SHA-256 of the canonical circuit */
    uint8_t source_digest[32];  /* SHA-256 of the canonical program member of the job */
    uint32_t qubits;
    uint32_t clbits;
    uint64_t seed;
    uint64_t shots;
    bool single;
    const struct ks_json *noise; /* the job's; NULL for none */
    struct ks_sdk_run sdk_run;   /* of another SDK; then none of isa, numerics, facts */
    /* execution */
    uint8_t build[32]; /* SHA-256 of the worker that ran it */
    struct ks_bytes isa;
    uint64_t numerics; /* of the method */
    /* How the counts came about. Of schemas 1 and 2 by the state vector. */
    struct ks_simulate_facts facts;
    struct ks_bytes method_reason; /* why, where the job left it open; else empty */
    unsigned threads;
    uint32_t bond_max;      /* MPS: the limit of its bonds */
    double cutoff;          /* MPS */
    struct ks_bytes result; /* result_summary, canonical JSON object */
    uint64_t started_us;
    uint64_t finished_us;
    /* record */
    char record_id[KS_UUID_TEXT_LEN + 1];
    uint64_t created_us;
    /* ledger, platform */
    struct ks_bytes origin;
    uint64_t intent_index;
    uint64_t checkpoint_size; /* the latest that the enclave had signed before the intent */
    uint8_t checkpoint_root[32];
    uint8_t event_log[32]; /* SHA-256 of the canonical launch event log */
    bool simulated_tpm;
    /* request; of a round: the operator as DEVICE, and nothing else */
    struct ks_bytes device;
    struct ks_bytes key_id;
    enum ks_key_source key_policy; /* what the site asks for; of schemas 1 and 2: KEM */
    enum ks_key_source key_source; /* what it was */
    uint8_t channel[KS_CHANNEL_LEN];
    uint64_t counter;
    uint8_t job[32];
    uint8_t submission[32];           /* SHA-256 of the signed submission */
    uint8_t submission_signature[32]; /* SHA-256 of its signature */
};

void ks_core_write(const struct ks_core *core, struct ks_buf *out);
/* Strict: every member known, derived members (result_digest) checked (KS_ERR_VERIFY). RESULT
 * receives the canonical result_summary, PARAMETERS the canonical parameters; the views point
 * into them. */
KS_MUST_CHECK enum ks_err ks_core_parse(const struct ks_json *value, struct ks_buf *parameters,
                                        struct ks_buf *result, struct ks_core *out_core);

/* The method, or the SDK, that CORE names is one that JOB allows, its settings and noise are
 * the job's, and its facts are such as that method has. KS_ERR_VERIFY says what does not fit.
 */
KS_MUST_CHECK enum ks_err ks_core_method_check(const struct ks_core *core,
                                               const struct ks_job *job);
/* Whether TEXT is a version or a backend's name: 1 to KS_SDK_TEXT_MAX of [A-Za-z0-9._+-]. */
bool ks_sdk_text_valid(struct ks_bytes text);

/* RESULT, a result_summary, is a canonical JSON object whose members are bit strings of CLBITS
 * characters with counts of at least 1 that add up to SHOTS. KS_ERR_FORMAT, KS_ERR_LIMIT;
 * KS_ERR_VERIFY says what does not fit. */
KS_MUST_CHECK enum ks_err ks_result_check(struct ks_bytes result, uint32_t clbits,
                                          uint64_t shots);

/* --- results of federated learning: result_summary of its records ---------------------------
 */

struct ks_update_result {
    uint8_t update[32];     /* SHA-256 of the plaintext */
    double norm;            /* of the change, before anything bounded it; finite, from 0 on */
    double suspicion;       /* score, finite, from 0 on; 0 where the rule gives none */
    struct ks_bytes reason; /* a word, [A-Za-z0-9_-] */
};
void ks_update_result_write(const struct ks_update_result *result, struct ks_buf *out);
/* REASON, a view, lives in *OUT_DOC, which is the caller's. */
KS_MUST_CHECK enum ks_err ks_update_result_read(struct ks_bytes result,
                                                struct ks_json_doc **out_doc,
                                                struct ks_update_result *out_result);

/* "completed" or why not. */
struct ks_round_result {
    struct ks_bytes outcome; /* at most KS_ROUND_OUTCOME_MAX bytes of UTF-8 */
    uint8_t model[32];       /* of a completed one: SHA-256 of the new model's file */
    bool completed;
    uint64_t count;      /* contributions in it */
    uint64_t samples;    /* behind them */
    uint8_t updates[32]; /* ks_round_updates_digest of their records */
    uint8_t list[32];    /* SHA-256 of the round's list: record/fl_updates.h */
    double loss;         /* mean of what devices say, by samples; 0 where there are none */
    uint8_t state[32];   /* SHA-256 of what its rules left for the next round; zeros: nothing */
};
#define KS_ROUND_OUTCOME_MAX 64
void ks_round_result_write(const struct ks_round_result *result, struct ks_buf *out);
/* OUTCOME, a view, lives in *OUT_DOC. */
KS_MUST_CHECK enum ks_err ks_round_result_read(struct ks_bytes result,
                                               struct ks_json_doc **out_doc,
                                               struct ks_round_result *out_result);
/* SHA-256("ketseal/fl-updates/1\n" || the COUNT hashes H of the contributions' records, of 32
 * bytes each, in ascending order, which is asserted). */
void ks_round_updates_digest(const uint8_t *hashes, size_t count, uint8_t out_digest[32]);

/* CORE, of a contribution, is about what its JOB says. KS_ERR_VERIFY says what does not fit. */
KS_MUST_CHECK enum ks_err ks_core_update_check(const struct ks_core *core,
                                               const struct ks_job *job);

/* One TPM quote for a batch of records: the leaf of record I is the Merkle leaf hash of its H,
 * the qualifying data is ks_quote_extra_data of size and root (attest/quote.h). */
struct ks_quote_evidence {
    struct ks_bytes attest;    /* TPMS_ATTEST */
    struct ks_bytes signature; /* TPMT_SIGNATURE */
    uint64_t size;             /* records in the batch */
    uint64_t index;
    struct ks_merkle_proof path;
};
/* The latest quote that the enclave had made when it admitted the job, of schema 2 on. */
struct ks_start_quote {
    struct ks_bytes attest;
    struct ks_bytes signature;
};
struct ks_evidence {
    struct ks_bytes device_certificate; /* DER; of a round the operator's */
    struct ks_bytes event_log;          /* canonical JSON */
    struct ks_bytes job;                /* canonical JSON */
    struct ks_bytes submission;         /* canonical JSON */
    struct ks_bytes order;     /* canonical JSON; of a round, which has no job and submission */
    struct ks_bytes signature; /* of the submission, or of the order */
    struct ks_quote_evidence quote;
    struct ks_start_quote start; /* of schema 1: empty */
};
void ks_evidence_write(const struct ks_evidence *evidence, struct ks_buf *out);

/* D = SHA-256("ketseal/record/1\n" || H || SHA-256(evidence)): what both keys sign. */
void ks_record_digest(const uint8_t core_hash[32], const uint8_t evidence_hash[32],
                      uint8_t out_digest[32]);
/* Signs and assembles the record, and the ledger entry that it leaves. */
KS_MUST_CHECK enum ks_err ks_record_seal(const struct ks_core *core, struct ks_bytes core_bytes,
                                         struct ks_bytes evidence_bytes,
                                         const struct ks_sign_key *ed25519,
                                         const struct ks_sign_key *mldsa65,
                                         struct ks_buf *out_record, struct ks_buf *out_entry);

/* --- ledger entries ----------------------------------------------------------------------- */
void ks_entry_intent_write(uint64_t counter, struct ks_bytes device, const uint8_t job[32],
                           const uint8_t submission[32], struct ks_buf *out);
/* A round of federated learning begins, by the DESCRIPTOR of that SHA-256: the intent of its
 * record. */
void ks_entry_round_write(const uint8_t session[KS_SESSION_LEN], uint64_t round,
                          const uint8_t descriptor[32], struct ks_buf *out);
void ks_entry_record_write(const struct ks_core *core, const uint8_t core_hash[32],
                           const uint8_t evidence_hash[32], const uint8_t signatures_hash[32],
                           struct ks_buf *out);
/* What happened to a device: "enrol", "rotate", "suspend", … EK and KEY are SHA-256 digests of
 * its endorsement key and of the key of its certificate. */
void ks_entry_device_write(const char *device, const char *event, const uint8_t ek[32],
                           const uint8_t key[32], struct ks_buf *out);
/* A job that ended without a record: refused by the worker, cancelled, or interrupted. */
void ks_entry_abort_write(struct ks_bytes device, enum ks_err error, uint64_t intent_index,
                          struct ks_buf *out);
/* A job whose trace the site's detector calls an anomaly. */
struct ks_alert {
    struct ks_bytes device;
    uint64_t intent_index;
    uint8_t model[32];     /* the model's hash */
    uint8_t detection[32]; /* SHA-256 of all that was said of the row: detect/detection.h */
    double score;          /* 0 to 1 */
    struct ks_bytes reasons[3]; /* names of features, the first one first */
    size_t reason_count;
};
void ks_entry_alert_write(const struct ks_alert *alert, struct ks_buf *out);

/* Where somebody is refused. */
#define KS_DOOR_LIST(X)                                                                        \
    X(TLS, "tls")                 /* in the handshake, for its certificate */                  \
    X(ENROLMENT, "enrolment")     /* on the listener for those whom nobody knows yet */        \
    X(ATTESTATION, "attestation") /* of a device: a challenge, evidence, a rotation */         \
    X(REQUEST, "request")         /* any other request */
enum ks_door {
#define KS_DOOR_ENUM(name, text) KS_DOOR_##name,
    KS_DOOR_LIST(KS_DOOR_ENUM)
#undef KS_DOOR_ENUM
        KS_DOORS
};
const char *ks_door_name(enum ks_door door);
/* What the site has refused, so often since its last entry about the same. */
#define KS_REFUSAL_DETAIL_MAX 200
struct ks_refusal {
    struct ks_bytes device; /* of the peer's certificate; empty: nobody who is known */
    enum ks_door door;
    enum ks_err error;
    struct ks_bytes detail; /* of the last one: printable ASCII */
    uint64_t count;
    uint64_t
        unlisted; /* others since the last entry of any kind, for which there was no room */
};
void ks_entry_refusal_write(const struct ks_refusal *refusal, struct ks_buf *out);

/* --- bundle ------------------------------------------------------------------------------- */
struct ks_inclusion {
    struct ks_bytes checkpoint; /* signed note; both paths lead to its root */
    uint64_t index;             /* of the record's entry */
    struct ks_merkle_proof path;
    struct ks_merkle_proof intent_path; /* of the intent's entry, whose index the core holds */
};
/* What a bundle is made of. ANCHOR and TIMESTAMP are of the body of the inclusion's checkpoint.
 */
struct ks_bundle_parts {
    struct ks_bytes record; /* canonical JSON */
    const struct ks_inclusion *inclusion;
    struct ks_bytes anchor;    /* canonical JSON; empty: none */
    struct ks_bytes timestamp; /* DER, an RFC 3161 token; empty: none */
};
/* Version 1 without anchor and timestamp, byte for byte as ever; else version 2. The result
 * ends with one newline. */
void ks_bundle_write(const struct ks_bundle_parts *parts, struct ks_buf *out);

/* SHA-256 of the body of the inclusion's checkpoint: what anchor and time stamp are of.
 * KS_ERR_FORMAT, KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_inclusion_digest(const struct ks_inclusion *inclusion,
                                              uint8_t out_digest[32]);

/* A parsed bundle; owns everything that the views point into. */
struct ks_bundle {
    unsigned version; /* 1, or 2 with anchor or time stamp */
    struct ks_json_doc *doc;
    struct ks_core core;
    struct ks_job job; /* these two not of a round */
    struct ks_submission submission;
    struct ks_fl_order order; /* of a round */
    struct ks_event_log event_log;
    struct ks_quote_evidence quote;
    struct ks_start_quote start;
    struct ks_inclusion inclusion;
    uint8_t core_hash[32]; /* H */
    uint8_t evidence_hash[32];
    uint8_t signatures_hash[32];
    struct ks_buf record; /* canonical, as it was signed and stored */
    struct ks_buf parameters;
    struct ks_buf result;
    struct ks_buf job_bytes;
    struct ks_buf submission_bytes;
    struct ks_buf order_bytes;
    struct ks_buf submission_signature; /* or that of the order */
    struct ks_buf certificate;          /* DER */
    struct ks_buf attest;
    struct ks_buf quote_signature;
    struct ks_buf start_attest;
    struct ks_buf start_signature;
    struct ks_buf ed25519;
    struct ks_buf mldsa65;
    struct ks_anchor *anchor; /* NULL: none */
    struct ks_buf anchor_bytes;
    struct ks_buf timestamp; /* DER; empty: none */
    struct ks_timestamp stamp;
};
/* BYTES must be exactly what ks_bundle_write gives for some record. KS_ERR_FORMAT,
 * KS_ERR_LIMIT; KS_ERR_VERIFY when a digest inside does not fit what it names. Checks no
 * signature. */
KS_MUST_CHECK enum ks_err ks_bundle_parse(struct ks_bytes bytes, struct ks_bundle **out_bundle);
void ks_bundle_free(struct ks_bundle *bundle); /* NULL is fine */
/* What BUNDLE is made of, borrowed: written again it has the same bytes. */
struct ks_bundle_parts ks_bundle_parts_of(const struct ks_bundle *bundle);

#endif
