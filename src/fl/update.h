/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* update.h: one client's contribution to one round as bytes: docs/formats/fl-update.md. Who
 * sent it is said by what it is sealed and signed with, not by itself. Pure; any thread. */
#ifndef KS_FL_UPDATE_H
#define KS_FL_UPDATE_H

#include "fl/accumulate.h"
#include "fl/compress.h"

#define KS_FL_CLIENT_NAME_MAX 100 /* [A-Za-z0-9_-] */

/* What an update is about; all of it is compared with what the round says. */
struct ks_fl_subject {
    uint8_t session[KS_FL_SESSION_LEN];
    uint64_t round;                 /* number in the session */
    uint8_t parent[KS_FL_HASH_LEN]; /* the model that training began with */
    uint8_t shape[KS_FL_HASH_LEN];  /* of the table of names, types and sizes */
    uint32_t params;                /* numbers in it: 1 to KS_FL_PARAMS_MAX */
};

struct ks_fl_update {
    struct ks_fl_subject subject;
    uint32_t samples; /* that it was trained on: 1 to KS_FL_WEIGHT_MAX */
    enum ks_fl_encoding encoding;
    struct ks_bytes payload; /* borrowed */
};

void ks_fl_update_write(const struct ks_fl_update *update, struct ks_buf *out);
/* Writing what was read gives the same bytes; the payload is checked to its last number, so
 * that ks_fl_decode cannot fail. KS_ERR_FORMAT, KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_fl_update_read(struct ks_bytes bytes,
                                            struct ks_fl_update *out_update);
/* KS_ERR_CONFLICT, naming what differs: round, parent, shape. */
KS_MUST_CHECK enum ks_err ks_fl_update_about(const struct ks_fl_update *update,
                                             const struct ks_fl_subject *subject);
/* Bytes of an update with a payload of LEN bytes: 4 are those of topk that keeps nothing. */
uint64_t ks_fl_update_bytes(uint64_t len);
/* Bytes of an update at most: a reader's limit before anything is parsed. */
uint64_t ks_fl_update_bytes_max(size_t params);

/* SHA-256 of the subject: what an accumulator's sum is of. */
void ks_fl_update_context(const struct ks_fl_subject *subject,
                          uint8_t out_context[KS_FL_HASH_LEN]);
/* SHA-256 of a client's NAME, after a word that separates it from other hashes. */
void ks_fl_client_id(struct ks_bytes name, uint8_t out_id[KS_FL_HASH_LEN]);

/* What random numbers of a client are for. */
enum ks_fl_draw {
    KS_FL_DRAW_TRAINING, /* the order of samples, dropout */
    KS_FL_DRAW_ROUNDING, /* of an encoding */
};
/* The seed of DRAW for client NAME in ROUND: another for each, whose clients have one SEED, and
 * the same again for whoever trains again. */
uint64_t ks_fl_client_seed(enum ks_fl_draw draw, uint64_t seed, struct ks_bytes name,
                           uint64_t round);

#endif
