/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* job.h: what a device asks for, and how it says so: the job, the submission that it signs, the
 * request for one-time keys and its answer. All canonical JSON (docs/formats/job.md); reader
 * and writer of a document share a file. Views borrow from the parsed document. Pure. */
#ifndef KS_RECORD_JOB_H
#define KS_RECORD_JOB_H

#include "base/json.h"
#include "base/text.h"
#include "crypto/kem.h"
#include "crypto/sign.h"
#include "ketseal/circuit.h"

#define KS_JOB_BYTES_MAX        (1024 * 1024) /* a request body: job, submission and signature */
#define KS_DEVICE_ID_MAX        100
#define KS_ORIGIN_MAX           255
#define KS_WORKLOAD_NAME_MAX    64
#define KS_NONCE_LEN            32
#define KS_CHANNEL_LEN          32 /* TLS exporter, RFC 9266 */
#define KS_KEYS_PER_REQUEST_MAX 1024

#define KS_CONTEXT_SUBMISSION  "ketseal/submission/1"
#define KS_CONTEXT_KEYS        "ketseal/keys/1"
#define KS_CONTEXT_KEYS_ANSWER "ketseal/keys-answer/1"

/* --- job ---------------------------------------------------------------------------------- */

/* "ketseal.job/1" is run by the state vector, without noise; "ketseal.job/2" says how;
 * "ketseal.job/3" names another SDK than ours; "ketseal.job/4" is no circuit. */
#define KS_JOB_SCHEMA_MAX 4
#define KS_CUTOFF_UNSAID  (-1.0)
#define KS_JOB_NOISE_MAX  4096 /* bytes of the canonical model */

/* Whose simulator runs a job, and its name in jobs and records. */
#define KS_SDK_LIST(X)                                                                         \
    X(KETSEAL, "ketseal") /* ours: a worker */                                                 \
    X(QISKIT, "qiskit")   /* the others: ketseal-adapter */                                    \
    X(CIRQ, "cirq")
enum ks_sdk {
#define KS_SDK_ENUM(name, text) KS_SDK_##name,
    KS_SDK_LIST(KS_SDK_ENUM)
#undef KS_SDK_ENUM
        KS_SDK_COUNT
};
const char *ks_sdk_name(enum ks_sdk sdk);
/* KS_ERR_FORMAT naming those that there are. */
KS_MUST_CHECK enum ks_err ks_sdk_find(struct ks_bytes name, enum ks_sdk *out_sdk);

/* What a job, or a record, is of. A round's record has no job: an operator's order is behind
 * it. */
#define KS_KIND_LIST(X)                                                                        \
    X(CIRCUIT, "circuit")                                                                      \
    X(UPDATE, "fl.update") /* a contribution to a round of federated learning */               \
    X(ROUND, "fl.round")   /* such a round */
enum ks_kind {
#define KS_KIND_ENUM(name, text) KS_KIND_##name,
    KS_KIND_LIST(KS_KIND_ENUM)
#undef KS_KIND_ENUM
};
const char *ks_kind_name(enum ks_kind kind);

#define KS_SESSION_LEN        16
#define KS_UPDATE_SAMPLES_MAX 2147483647
#define KS_UPDATE_SEALED_MAX  (((uint64_t)1 << 30) + 4096) /* bytes of a sealed update */
#define KS_UPDATE_WORD_MAX    16                           /* of an encoding's name */
#define KS_UPDATE_LOSS_MAX    1e15 /* either way: so that losses add up, whoever says them */

/* What a device says of its contribution, which itself was sent ahead, sealed to the enclave:
 * docs/formats/fl-sealed.md. */
struct ks_job_update {
    uint8_t session[KS_SESSION_LEN];
    uint64_t round;           /* from 1 */
    uint8_t parent[32];       /* hash of the global model that training began with */
    struct ks_bytes encoding; /* a word, [A-Za-z0-9_-] */
    uint64_t samples;         /* that it was trained on: 1 to KS_UPDATE_SAMPLES_MAX */
    double loss;              /* of the local training's last pass over them */
    uint64_t steps;           /* of the local training */
    uint8_t sealed[32];       /* SHA-256 of the sealed update */
    uint64_t length;          /* its bytes: 1 to KS_UPDATE_SEALED_MAX */
};

struct ks_job {
    unsigned schema;          /* 1 to KS_JOB_SCHEMA_MAX */
    enum ks_kind kind;        /* CIRCUIT; of schema 4 UPDATE, and then UPDATE alone counts */
    struct ks_bytes source;   /* OpenQASM 2 text; empty when the program is a template */
    struct ks_bytes template; /* template name; empty when the program is a source */
    uint32_t qubits;          /* template only */
    uint32_t depth;           /* template only */
    uint64_t template_seed;   /* template only */
    uint64_t shots;
    uint64_t seed; /* of the sampling */
    bool single;   /* precision: single instead of double */
    /* schema 2 on; of schema 1: KS_METHOD_STATEVECTOR, and the rest unsaid */
    enum ks_method method; /* AUTO: the worker chooses, by the circuit and the site's memory */
    bool method_said;      /* else AUTO is meant */
    uint32_t bond_max;     /* AUTO, MPS: 0 where unsaid */
    double cutoff;         /* AUTO, MPS: KS_CUTOFF_UNSAID, or from 0 to below 1 */
    const struct ks_json *noise; /* AUTO, STATEVECTOR: an object; NULL for none */
    enum ks_sdk sdk;             /* schema 3: not KETSEAL, and all of the above is unsaid */
    struct ks_job_update update; /* schema 4 */
};

/* Names of methods without the simulator: "mps" and back. KS_ERR_FORMAT for what is none. */
const char *ks_job_method_name(enum ks_method method);
KS_MUST_CHECK enum ks_err ks_job_method_find(struct ks_bytes name, enum ks_method *out_method);

/* Checks shots, names and limits, not the program nor the noise model: only a sandboxed worker
 * reads those. */
KS_MUST_CHECK enum ks_err ks_job_parse(const struct ks_json *value, struct ks_job *out_job);
void ks_job_write(const struct ks_job *job, struct ks_buf *out);
/* The program member of a circuit alone: its SHA-256 is the core's source_digest. */
void ks_job_program_write(const struct ks_job *job, struct ks_buf *out);
/* What a record says of the program: "openqasm2" or the template's name (borrowed), and the
 * parameters, a JSON object that is empty for a source. Of circuits alone. */
struct ks_bytes ks_job_name(const struct ks_job *job);
void ks_job_parameters_write(const struct ks_job *job, struct ks_buf *out);

/* --- submission --------------------------------------------------------------------------- */
struct ks_submission {
    uint8_t channel[KS_CHANNEL_LEN];
    uint64_t
        counter; /* the device's own, one up with each submission: gaps show in the ledger */
    uint64_t created_us;
    struct ks_bytes device;
    uint8_t job[32];        /* SHA-256 of the canonical job */
    struct ks_bytes key_id; /* of the one-time key that signs the request */
    uint8_t nonce[KS_NONCE_LEN];
    struct ks_bytes site; /* ledger origin */
};

KS_MUST_CHECK enum ks_err ks_submission_parse(const struct ks_json *value,
                                              struct ks_submission *out_submission);
void ks_submission_write(const struct ks_submission *submission, struct ks_buf *out);

/* Body of POST /qjob and POST /v1/jobs: {"job":…,"signature":…,"submission":…}. */
void ks_request_body_write(struct ks_bytes job, struct ks_bytes submission,
                           struct ks_bytes signature, struct ks_buf *out);

struct ks_request_body {
    struct ks_json_doc *doc;
    struct ks_job job;
    struct ks_submission submission;
    struct ks_buf job_bytes;        /* canonical */
    struct ks_buf submission_bytes; /* canonical: what was signed */
    struct ks_buf signature;
};
/* BODY must be canonical. KS_ERR_FORMAT when the submission names another job. */
KS_MUST_CHECK enum ks_err ks_request_body_parse(struct ks_bytes body,
                                                struct ks_request_body *out_body);
void ks_request_body_done(struct ks_request_body *body);

/* --- one-time keys ------------------------------------------------------------------------ */
struct ks_keys_request {
    uint8_t channel[KS_CHANNEL_LEN];
    uint32_t count;
    struct ks_bytes device;
    struct ks_bytes
        kem_public; /* ML-KEM-768 encapsulation key, 1,184 bytes, base64 in the document */
    uint8_t nonce[KS_NONCE_LEN];
};

/* Writes the request signed by KEY (context KS_CONTEXT_KEYS); DIGEST is SHA-256 of the bytes
 * signed. */
KS_MUST_CHECK enum ks_err ks_keys_request_write(const struct ks_keys_request *request,
                                                const struct ks_sign_key *key,
                                                struct ks_buf *out, uint8_t out_digest[32]);
/* Checks the signature against KEY. KEM_PUBLIC receives the decoded key that the view points
 * into. */
KS_MUST_CHECK enum ks_err ks_keys_request_read(struct ks_bytes document,
                                               const struct ks_verify_key *key,
                                               struct ks_buf *kem_public, struct ks_buf *device,
                                               struct ks_keys_request *out_request,
                                               uint8_t out_digest[32]);

struct ks_keys_answer {
    uint64_t instance;
    uint64_t batch;
    uint8_t ciphertext[KS_KEM_CIPHERTEXT_LEN];
    uint32_t count;
    uint64_t expires_s;
    uint8_t request[32]; /* digest of the request this answers */
};
/* Signs and writes the answer. */
KS_MUST_CHECK enum ks_err ks_keys_answer_write(const struct ks_keys_answer *answer,
                                               const struct ks_sign_key *key,
                                               struct ks_buf *out);
/* The HKDF salt of the batch, the same at both ends: SHA-256("ketseal/keys-salt/1\n" || request
 * digest || u64 instance || u32 count || u64 expires || ciphertext). The batch's number is not
 * in it: the journal gives that when it keeps the batch, salt included. */
void ks_keys_answer_salt(const struct ks_keys_answer *answer, uint8_t out_salt[32]);
/* KS_ERR_VERIFY unless KEY (the site's record key, pinned by the device) signed it and it
 * answers REQUEST_DIGEST. */
KS_MUST_CHECK enum ks_err ks_keys_answer_read(struct ks_bytes document,
                                              const struct ks_verify_key *key,
                                              const uint8_t request_digest[32],
                                              struct ks_keys_answer *out_answer);

#endif
