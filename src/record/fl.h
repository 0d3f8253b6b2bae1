/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl.h: what is said about federated learning before anybody trains: the plan that an operator
 * orders, the descriptor of each round that the enclave signs, a device's word that it takes
 * part. All canonical JSON (docs/formats/fl-session.md); reader and writer of a document share
 * a file, and readers check the signature. Views borrow from the document, names and documents
 * belong to the structure: _done frees them. Pure: times are arguments. */
#ifndef KS_RECORD_FL_H
#define KS_RECORD_FL_H

#include "record/job.h"

#define KS_FL_DOCUMENT_MAX (8 * 1024 * 1024) /* bytes of an order or a descriptor */
#define KS_FL_JOIN_MAX     65536
#define KS_FL_DEVICES_MAX  65536
#define KS_FL_SECONDS_MAX  2592000 /* of a deadline: 30 days */
#define KS_FL_ROUNDS_MAX   1000000
#define KS_FL_NUMBERS_MAX  268435456 /* of a model: 2^28 */

#define KS_CONTEXT_FL_ORDER      "ketseal/fl-order/1"
#define KS_CONTEXT_FL_DESCRIPTOR "ketseal/fl-descriptor/1"
#define KS_CONTEXT_FL_JOIN       "ketseal/fl-join/1"

/* Device ids, ascending, each once. The array is owned, what it names is borrowed. */
struct ks_fl_names {
    struct ks_bytes *names;
    size_t count;
};

/* How contributions become a model: a rule for one round, a rule for the server. The words are
 * those of fl/robust.h and fl/rules.h; zeros stand for their defaults. */
struct ks_fl_plan_rule {
    struct ks_bytes aggregate; /* "mean" */
    struct ks_bytes server;    /* "fedavg" */
    uint64_t attackers;
    uint64_t bucket; /* clients in one; 0 or 1: no buckets */
    uint64_t iterations;
    uint64_t keep;
    double beta1;
    double beta2;
    double bound; /* of a contribution's norm; 0: none */
    double radius;
    double rate;
    double smoothing;
    double tau;
};
void ks_fl_plan_rule_write(const struct ks_fl_plan_rule *rule, struct ks_buf *out);
/* The same, as a value within what WRITER writes. */
void ks_fl_plan_rule_put(const struct ks_fl_plan_rule *rule, struct ks_json_writer *writer);

/* How a device trains. */
struct ks_fl_plan_local {
    struct ks_bytes encoding;  /* "f32" */
    struct ks_bytes optimiser; /* "sgd" */
    uint64_t batch;
    uint64_t epochs;
    uint64_t keep; /* numbers of an update that 'topk' sends; else 0 */
    double clip_norm;
    double momentum;
    double proximal;
    double rate;
    double weight_decay;
};

struct ks_fl_plan {
    struct ks_fl_names devices; /* the candidates; none named: every device that may work */
    struct ks_bytes model;      /* a name, for people */
    uint8_t parent[32];         /* hash of the model that the first round begins with */
    uint8_t shape[32];          /* of the table of its tensors */
    uint64_t params;            /* numbers in it */
    bool weighted;              /* selection in proportion to samples, else at random */
    uint64_t seed;              /* of the selection */
    uint64_t rounds;
    uint64_t invited; /* updates_min <= wanted <= invited */
    uint64_t wanted;
    uint64_t updates_min;
    uint64_t samples_max;
    uint64_t prepare_s;
    uint64_t train_s;
    uint64_t patience; /* rounds without gain after which to stop; 0: never */
    double gain_min;
    struct ks_fl_plan_local local;
    struct ks_fl_plan_rule rule;
};

/* --- orders of operators ------------------------------------------------------------------ */

#define KS_FL_VERB_LIST(X)                                                                     \
    X(CREATE, "create") /* with a plan */                                                      \
    X(START, "start")                                                                          \
    X(PAUSE, "pause")                                                                          \
    X(RESUME, "resume")                                                                        \
    X(STOP, "stop")                                                                            \
    X(AUDIT, "audit") /* of a round that has ended */
enum ks_fl_verb {
#define KS_FL_VERB_ENUM(name, text) KS_FL_VERB_##name,
    KS_FL_VERB_LIST(KS_FL_VERB_ENUM)
#undef KS_FL_VERB_ENUM
        KS_FL_VERBS
};
const char *ks_fl_verb_name(enum ks_fl_verb verb);

struct ks_fl_order {
    uint8_t channel[KS_CHANNEL_LEN];
    uint64_t created_us; /* grows with each order of one operator: none can be repeated */
    uint8_t session[KS_SESSION_LEN];
    struct ks_bytes site; /* ledger origin */
    enum ks_fl_verb verb;
    struct ks_fl_plan plan; /* of CREATE alone */
    uint64_t round;         /* of AUDIT alone */
    /* Read only: */
    struct ks_json_doc *doc;
    uint8_t digest[32]; /* SHA-256 of the canonical body, which the signature covers */
};
KS_MUST_CHECK enum ks_err ks_fl_order_write(const struct ks_fl_order *order,
                                            const struct ks_sign_key *key, struct ks_buf *out);
/* KS_ERR_VERIFY unless KEY signed it. */
KS_MUST_CHECK enum ks_err ks_fl_order_read(struct ks_bytes document,
                                           const struct ks_verify_key *key,
                                           struct ks_fl_order *out_order);
/* The body of an order whose signature is the caller's to check. It borrows from VALUE; its
 * digest is not set. */
KS_MUST_CHECK enum ks_err ks_fl_order_parse(const struct ks_json *value,
                                            struct ks_fl_order *out_order);
void ks_fl_order_done(struct ks_fl_order *order); /* zeroed is fine */

/* --- the enclave's word for a round ------------------------------------------------------- */

struct ks_fl_descriptor {
    uint64_t created_us;
    uint64_t join_until_us;         /* when PREPARING ends at the latest */
    struct ks_fl_names selected;    /* who is invited; at least one */
    struct ks_fl_names passed_over; /* the other candidates */
    bool weighted;                  /* selection in proportion to samples */
    uint64_t seed;                  /* of the selection */
    uint64_t *samples; /* of a weighted one: of those selected, then of the others; owned */
    size_t samples_count;
    uint8_t kem_public[KS_KEM_PUBLIC_LEN]; /* ML-KEM-768: updates are sealed to it */
    struct ks_fl_plan_local local;
    uint64_t params;
    uint8_t parent[32];
    uint64_t round;
    struct ks_fl_plan_rule rule;
    uint64_t samples_max;
    uint8_t session[KS_SESSION_LEN];
    uint8_t shape[32];
    struct ks_bytes site;
    uint64_t train_s; /* from the end of PREPARING */
    /* Read only: */
    struct ks_json_doc *doc;
};
KS_MUST_CHECK enum ks_err ks_fl_descriptor_write(const struct ks_fl_descriptor *descriptor,
                                                 const struct ks_sign_key *key,
                                                 struct ks_buf *out);
/* KS_ERR_VERIFY unless KEY, the site's ML-DSA-65 record key, signed it. */
KS_MUST_CHECK enum ks_err ks_fl_descriptor_read(struct ks_bytes document,
                                                const struct ks_verify_key *key,
                                                struct ks_fl_descriptor *out_descriptor);
void ks_fl_descriptor_done(struct ks_fl_descriptor *descriptor); /* zeroed is fine */

/* --- a device's answer -------------------------------------------------------------------- */

struct ks_fl_join {
    uint8_t channel[KS_CHANNEL_LEN];
    uint64_t created_us;
    struct ks_bytes device;
    uint64_t round;
    uint64_t samples; /* that it has: 1 to KS_UPDATE_SAMPLES_MAX */
    uint8_t session[KS_SESSION_LEN];
    struct ks_bytes site;
    bool leaves; /* it does not take part, or no more */
    /* Read only: */
    struct ks_json_doc *doc;
};
KS_MUST_CHECK enum ks_err ks_fl_join_write(const struct ks_fl_join *join,
                                           const struct ks_sign_key *key, struct ks_buf *out);
/* KS_ERR_VERIFY unless KEY, the device's, signed it. */
KS_MUST_CHECK enum ks_err ks_fl_join_read(struct ks_bytes document,
                                          const struct ks_verify_key *key,
                                          struct ks_fl_join *out_join);
void ks_fl_join_done(struct ks_fl_join *join); /* zeroed is fine */

#endif
