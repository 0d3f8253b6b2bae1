/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* etsi014.h: the messages of ETSI GS QKD 014 V1.1.1, the REST interface by which applications
 * (SAE) draw keys from a key manager (KME), as a manager reads and writes them and as a client
 * does. Hides names, limits, JSON and percent-encoding. docs/formats/etsi014.md says where the
 * standard leaves a choice and what is chosen.
 *
 * Everything is parsed into plain structures, which borrow nothing. Sizes of keys are bits, as
 * in the standard. Pure. Any thread. */
#ifndef KS_QKD_ETSI014_H
#define KS_QKD_ETSI014_H

#include "base/buf.h"

#define KS_ETSI014_SAE_MAX     64   /* bytes of an SAE's or a KME's id: printable ASCII */
#define KS_ETSI014_KEYS_MAX    128  /* keys in one container, ids in one request */
#define KS_ETSI014_SIZE_MAX    4096 /* bits of a key; a multiple of 8 */
#define KS_ETSI014_KEY_LEN_MAX (KS_ETSI014_SIZE_MAX / 8)
#define KS_ETSI014_SAES_MAX    8 /* additional slave SAEs in one request */

#define KS_ETSI014_REQUEST_MAX 65536  /* bytes of a request's body */
#define KS_ETSI014_ANSWER_MAX  262144 /* bytes of an answer's body */
#define KS_ETSI014_TARGET_MAX  320    /* bytes of path and query, without NUL */
#define KS_ETSI014_TEXT_MAX    256    /* bytes of a message or detail that are kept, with NUL */

/* --- names -------------------------------------------------------------------------------- */

/* A key_ID: any UUID, of whatever version (RFC 9562). It is written in lower case and read in
 * either, so that one key has one name here. */
struct ks_etsi014_id {
    uint8_t bytes[16];
};
#define KS_ETSI014_ID_TEXT_LEN 36
void ks_etsi014_id_text(const struct ks_etsi014_id *id,
                        char target[KS_ETSI014_ID_TEXT_LEN + 1]);
KS_MUST_CHECK enum ks_err ks_etsi014_id_parse(struct ks_bytes text,
                                              struct ks_etsi014_id *out_id);
bool ks_etsi014_id_equal(const struct ks_etsi014_id *a, const struct ks_etsi014_id *b);

/* The id of an SAE or a KME, with a NUL. */
struct ks_etsi014_sae {
    char text[KS_ETSI014_SAE_MAX + 1];
};
/* KS_ERR_FORMAT unless TEXT is 1 to KS_ETSI014_SAE_MAX characters of printable ASCII. */
KS_MUST_CHECK enum ks_err ks_etsi014_sae_parse(struct ks_bytes text,
                                               struct ks_etsi014_sae *out_sae);

enum ks_etsi014_method {
    KS_ETSI014_STATUS,   /* "status": GET */
    KS_ETSI014_ENC_KEYS, /* "enc_keys", get key: GET, POST */
    KS_ETSI014_DEC_KEYS, /* "dec_keys", get key with key IDs: GET, POST */
};
/* Appends "/api/v1/keys/{SAE}/{method}", the id percent-encoded. SAE is the other side: the
 * slave for status and enc_keys, the master for dec_keys. */
void ks_etsi014_path_put(struct ks_buf *out, const struct ks_etsi014_sae *sae,
                         enum ks_etsi014_method method);
/* The reverse, of a path without query. KS_ERR_NOT_FOUND for anything that is not one of the
 * three. */
KS_MUST_CHECK enum ks_err ks_etsi014_path_parse(struct ks_bytes path,
                                                struct ks_etsi014_sae *out_sae,
                                                enum ks_etsi014_method *out_method);

/* --- errors ------------------------------------------------------------------------------- */

/* Each has one code of the standard's three and one message: its own words where it has them.
 */
/* clang-format off */
#define KS_ETSI014_REFUSAL_LIST(X)                                                             \
    X(BAD_REQUEST,           400, "bad request format")                                        \
    X(SIZE_MULTIPLE,         400, "size shall be a multiple of 8")                             \
    X(MANDATORY_UNSUPPORTED, 400, "not all extension_mandatory parameters are supported")      \
    X(MANDATORY_UNMET,       400, "not all extension_mandatory request options could be met")  \
    X(OPTIONAL_UNHANDLED,    400, "not all extension_optional request options handled")        \
    X(KEYS_NOT_FOUND,        400, "one or more keys specified are not found on KME")           \
    X(UNAUTHORIZED,          401, "unauthorized")                                              \
    X(UNAVAILABLE,           503, "error on server side")
/* clang-format on */
enum ks_etsi014_refusal {
#define KS_ETSI014_REFUSAL_ENUM(name, status, message) KS_ETSI014_##name,
    KS_ETSI014_REFUSAL_LIST(KS_ETSI014_REFUSAL_ENUM)
#undef KS_ETSI014_REFUSAL_ENUM
};
int ks_etsi014_refusal_status(enum ks_etsi014_refusal refusal);
const char *ks_etsi014_refusal_message(enum ks_etsi014_refusal refusal);

/* What a manager answers instead of keys, and what a client reads of that. */
struct ks_etsi014_error {
    enum ks_etsi014_refusal refusal;
    const char *name; /* what DETAIL stands under; of one that was read: NULL */
    char message[KS_ETSI014_TEXT_MAX]; /* as sent, for people's eyes */
    char detail[KS_ETSI014_TEXT_MAX];  /* first entry of details (read: as JSON), or empty */
};
/* Server: REFUSAL's message; DETAIL under NAME, both NULL for none. NAME is a constant. */
void ks_etsi014_error_set(struct ks_etsi014_error *error, enum ks_etsi014_refusal refusal,
                          const char *name, const char *detail);
void ks_etsi014_error_put(struct ks_buf *out, const struct ks_etsi014_error *error);
/* Client: of an answer whose HTTP status is not 200. The code decides; the message tells the
 * refusals of code 400 apart, those that the standard has no words for being BAD_REQUEST.
 * KS_ERR_FORMAT for a body that is no error, and for a status that is none of the three. */
KS_MUST_CHECK enum ks_err ks_etsi014_error_parse(int status, struct ks_bytes body,
                                                 struct ks_etsi014_error *out_error);

/* --- status ------------------------------------------------------------------------------- */

struct ks_etsi014_status {
    struct ks_etsi014_sae source_kme;
    struct ks_etsi014_sae target_kme;
    struct ks_etsi014_sae master_sae;
    struct ks_etsi014_sae slave_sae;
    uint64_t key_size; /* bits, what a request without size gets */
    uint64_t stored_key_count;
    uint64_t max_key_count;
    uint64_t max_key_per_request;
    uint64_t max_key_size;
    uint64_t min_key_size;
    uint64_t max_sae_id_count; /* additional slaves; 0: none can be named */
};
void ks_etsi014_status_put(struct ks_buf *out, const struct ks_etsi014_status *status);
/* KS_ERR_FORMAT also when the sizes contradict each other. Members that the standard does not
 * name (extensions) are passed over. */
KS_MUST_CHECK enum ks_err ks_etsi014_status_parse(struct ks_bytes body,
                                                  struct ks_etsi014_status *out_status);

/* --- get key ------------------------------------------------------------------------------ */

struct ks_etsi014_request {
    uint64_t number; /* keys; 0: not said, which means 1 */
    uint64_t size;   /* bits; 0: not said, which means the manager's key_size */
    size_t saes;     /* additional slave SAEs, at most KS_ETSI014_SAES_MAX */
    struct ks_etsi014_sae additional[KS_ETSI014_SAES_MAX];
    /* What was parsed: how many extension parameters, and the name of the first of each. A
     * request of ours has none; _put passes them over. */
    size_t mandatory;
    size_t optional;
    char mandatory_name[KS_ETSI014_TEXT_MAX];
    char optional_name[KS_ETSI014_TEXT_MAX];
};
/* Client: the body of a POST. */
void ks_etsi014_request_put(struct ks_buf *out, const struct ks_etsi014_request *request);
/* Client: "?number=…&size=…" for a GET, of what is said; nothing when neither is. Asserts that
 * there are no additional SAEs, which only a POST can name. */
void ks_etsi014_request_put_query(struct ks_buf *out, const struct ks_etsi014_request *request);
/* Server: the body of a POST (an empty one is one that says nothing), and the query of a GET
 * with its '?'. KS_ERR_FORMAT for what is malformed, a number or size of 0 included;
 * KS_ERR_LIMIT over a limit of this header. A member or parameter that is unknown is an error;
 * one of a POST that is null counts as absent. */
KS_MUST_CHECK enum ks_err ks_etsi014_request_parse(struct ks_bytes body,
                                                   struct ks_etsi014_request *out_request);
KS_MUST_CHECK enum ks_err
ks_etsi014_request_parse_query(struct ks_bytes query, struct ks_etsi014_request *out_request);
/* Server: holds REQUEST against what STATUS promises and fills in the defaults of number and
 * size. False with OUT_ERROR, message and detail as they are to be sent, when it cannot be
 * served. */
bool ks_etsi014_request_settle(struct ks_etsi014_request *request,
                               const struct ks_etsi014_status *status,
                               struct ks_etsi014_error *out_error);

/* --- get key with key IDs ----------------------------------------------------------------- */

struct ks_etsi014_ids {
    size_t count; /* 1..KS_ETSI014_KEYS_MAX, all different */
    struct ks_etsi014_id ids[KS_ETSI014_KEYS_MAX];
};
/* Client: the body of a POST; "?key_ID=…" for a GET of one. */
void ks_etsi014_ids_put(struct ks_buf *out, const struct ks_etsi014_id *ids, size_t count);
void ks_etsi014_ids_put_query(struct ks_buf *out, const struct ks_etsi014_id *id);
/* Server: KS_ERR_FORMAT for what is malformed, no or repeated ids included; KS_ERR_LIMIT for
 * too many. */
KS_MUST_CHECK enum ks_err ks_etsi014_ids_parse(struct ks_bytes body,
                                               struct ks_etsi014_ids *out_ids);
KS_MUST_CHECK enum ks_err ks_etsi014_ids_parse_query(struct ks_bytes query,
                                                     struct ks_etsi014_ids *out_ids);

/* --- keys --------------------------------------------------------------------------------- */

struct ks_etsi014_key {
    struct ks_etsi014_id id;
    size_t len; /* bytes */
    uint8_t data[KS_ETSI014_KEY_LEN_MAX];
};
void ks_etsi014_keys_wipe(struct ks_etsi014_key *keys, size_t count); /* NULL is fine */

/* Server. OUT then holds secrets: ks_buf_wipe. Its memory is to be reserved beforehand, or
 * growing it leaves copies behind: KS_ETSI014_CONTAINER_LEN of the count and length. */
#define KS_ETSI014_CONTAINER_LEN(count, len) (16 + (count) * ((len) / 3 * 4 + 72))
void ks_etsi014_container_put(struct ks_buf *out, const struct ks_etsi014_key *keys,
                              size_t count);

/* What is wrong with a container, for those who count lies. */
enum ks_etsi014_fault {
    KS_ETSI014_FAULT_NONE,
    KS_ETSI014_FAULT_MALFORMED, /* no JSON, a member missing or of a wrong type, no UUID, no
                                   base64 */
    KS_ETSI014_FAULT_SIZE,      /* a key of another size than asked for */
    KS_ETSI014_FAULT_DUPLICATE, /* a key_ID twice */
    KS_ETSI014_FAULT_TOO_MANY,  /* more keys than asked for */
    KS_ETSI014_FAULT_TOO_FEW,   /* fewer */
    KS_ETSI014_FAULT_STRANGER,  /* a key_ID that was not asked for */
};
const char *ks_etsi014_fault_name(enum ks_etsi014_fault fault); /* "malformed", "size", … */

struct ks_etsi014_wanted {
    size_t number;                   /* of keys, 1..KS_ETSI014_KEYS_MAX (asserted) */
    uint64_t size;                   /* bits of each, a multiple of 8 (asserted) */
    const struct ks_etsi014_id *ids; /* NULL: any; else NUMBER ids */
};
/* Client: the body of an answer with status 200. OUT_KEYS has room for WANTED's number, and is
 * wiped on failure; the keys come in WANTED's order where it has ids, else in the container's.
 * Anything but exactly what was wanted is KS_ERR_FORMAT with the reason in OUT_FAULT, which is
 * always written (KS_ERR_NOMEM: NONE). The caller wipes BODY; no other copy of a key is left.
 * Members that the standard does not name, and its extensions, are passed over. */
KS_MUST_CHECK enum ks_err ks_etsi014_container_parse(struct ks_bytes body,
                                                     const struct ks_etsi014_wanted *wanted,
                                                     struct ks_etsi014_key *out_keys,
                                                     enum ks_etsi014_fault *out_fault);

#endif
