/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl_work.h: what the enclave and ketseal-worker-fl say to each other in one round
 * (docs/formats/frames.md, KS_FRAME_FL_…). Reader and writer of both ends in one place. A
 * worker has one round: files come as descriptors, each with a frame of its own; then one
 * request at a time is answered. Pure; views borrow. */
#ifndef KS_ENCLAVE_FL_WORK_H
#define KS_ENCLAVE_FL_WORK_H

#include "fl/robust.h"
#include "fl/rules.h"
#include "fl/seal.h"
#include "fl/update.h"

#define KS_FL_WORK_NAME_MAX  64 /* of kernels */
#define KS_FL_WORK_WORD_MAX  16 /* of a reason */
#define KS_FL_WORK_SCORE_LEN (5 * 8 + 1)
#define KS_FL_WORK_ANSWER_MAX                                                                  \
    (4096 + KS_FL_MEMBERS_MAX * KS_FL_WORK_SCORE_LEN) /* bytes of FL_FINISH's, the longest */
#define KS_FL_NUMERICS 1 /* what the arithmetic of an aggregate means */

/* What a descriptor is of. The worker reads the first three, and writes those from FIRST to
 * NEXT; the last two are of audits: the enclave reads the list of a round, and has the model
 * that it comes to, and the state, written where they are not kept. */
#define KS_FL_FILE_LIST(X)                                                                     \
    X(PARENT) /* the model that the round began with */                                        \
    X(UPDATE) /* a sealed update */                                                            \
    X(STATE)  /* what the rules remember of the rounds before, sealed */                       \
    X(FIRST)  /* the two checkpoints, written in turn */                                       \
    X(SECOND)                                                                                  \
    X(MODEL) /* the new model */                                                               \
    X(NEXT)  /* and what the rules remember with it, sealed */                                 \
    X(LIST)                                                                                    \
    X(SCRATCH)
enum ks_fl_file {
#define KS_FL_FILE_ENUM(name) KS_FL_FILE_##name,
    KS_FL_FILE_LIST(KS_FL_FILE_ENUM)
#undef KS_FL_FILE_ENUM
        KS_FL_FILES
};

/* The file of checkpoint NUMBER, 1 or 2. */
static inline enum ks_fl_file ks_fl_checkpoint_file(unsigned number)
{
    return number == 1 ? KS_FL_FILE_FIRST : KS_FL_FILE_SECOND;
}

/* FL_FILE, with the descriptor attached; not answered. */
struct ks_fl_work_file {
    enum ks_fl_file file;
    uint64_t length; /* bytes in it, by whoever opened it */
};
void ks_fl_work_file_put(const struct ks_fl_work_file *file, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_work_file_read(struct ks_bytes payload,
                                               struct ks_fl_work_file *out_file);

/* FL_BEGIN: PARENT, STATE if there is one and, to go on, the checkpoint were sent before. */
struct ks_fl_work_begin {
    struct ks_fl_subject subject;
    uint32_t members_max;
    uint32_t clients; /* that may send an update: places are below this */
    struct ks_fl_robust robust;
    uint32_t bucket; /* clients in one; 0 or 1: no buckets */
    double bound;    /* of an update's norm; 0: none */
    struct ks_fl_server_params server;
    uint8_t checkpoint_key[KS_AEAD_KEY_LEN];
    bool resumes;
    enum ks_fl_file checkpoint;  /* to go on from: FIRST or SECOND */
    uint8_t checkpoint_hash[32]; /* SHA-256 of its bytes */
    bool keeps_aggregate;        /* for the next round: its rule begins there */
    bool has_state;
    uint8_t state_key[KS_AEAD_KEY_LEN]; /* of STATE and NEXT */
    uint8_t state_hash[32];             /* SHA-256 of STATE in the clear */
};
void ks_fl_work_begin_put(const struct ks_fl_work_begin *begin, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_work_begin_read(struct ks_bytes payload,
                                                struct ks_fl_work_begin *out_begin);

struct ks_fl_work_begun {
    struct ks_bytes kernels;
    uint32_t threads;
    uint32_t members; /* of the checkpoint */
};
void ks_fl_work_begun_put(const struct ks_fl_work_begun *begun, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_work_begun_read(struct ks_reader *reader,
                                                struct ks_fl_work_begun *out_begun);

/* FL_UPDATE: the sealed update was sent before. */
struct ks_fl_work_update {
    uint8_t key[KS_AEAD_KEY_LEN]; /* of this update alone */
    struct ks_bytes client;       /* name */
    uint32_t place;               /* among all that may send one, by name */
    uint32_t samples;             /* as the job says: it has to be the update's own */
    enum ks_fl_encoding encoding; /* likewise */
    uint8_t sealed[32];           /* SHA-256 of the sealed update */
};
void ks_fl_work_update_put(const struct ks_fl_work_update *update, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_work_update_read(struct ks_bytes payload,
                                                 struct ks_fl_work_update *out_update);

struct ks_fl_work_added {
    uint8_t update[32]; /* SHA-256 of the plaintext */
    double norm;
    double suspicion;
    struct ks_bytes reason; /* a word */
};
void ks_fl_work_added_put(const struct ks_fl_work_added *added, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_work_added_read(struct ks_reader *reader,
                                                struct ks_fl_work_added *out_added);

/* FL_CHECKPOINT: all that was added so far, into a file that was sent. */
struct ks_fl_work_checkpoint {
    enum ks_fl_file file; /* FIRST or SECOND */
    uint8_t nonce[KS_AEAD_NONCE_LEN];
};
void ks_fl_work_checkpoint_put(const struct ks_fl_work_checkpoint *checkpoint,
                               struct ks_buf *out);
KS_MUST_CHECK enum ks_err
ks_fl_work_checkpoint_read(struct ks_bytes payload,
                           struct ks_fl_work_checkpoint *out_checkpoint);

/* What was written: the answer to FL_CHECKPOINT. */
struct ks_fl_work_written {
    uint8_t hash[32]; /* SHA-256 of the file's bytes: of a model its name */
    uint64_t length;
    uint32_t members;
    uint64_t weight;
};
void ks_fl_work_written_put(const struct ks_fl_work_written *written, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_work_written_read(struct ks_reader *reader,
                                                  struct ks_fl_work_written *out_written);

/* FL_FINISH: MODEL and, where something is remembered, NEXT were sent before. */
struct ks_fl_work_finish {
    uint8_t nonce[KS_AEAD_NONCE_LEN]; /* of NEXT */
};
void ks_fl_work_finish_put(const struct ks_fl_work_finish *finish, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_work_finish_read(struct ks_bytes payload,
                                                 struct ks_fl_work_finish *out_finish);

struct ks_fl_work_finished {
    struct ks_fl_work_written model;
    uint8_t state[32];          /* SHA-256 of NEXT in the clear; zeros: nothing is remembered */
    uint32_t count;             /* of scores: none for one sum, else one for each member */
    struct ks_fl_score *scores; /* in the order of adding; the caller's */
};
void ks_fl_work_finished_put(const struct ks_fl_work_finished *finished, struct ks_buf *out);
/* Scores go to OUT_FINISHED's, which has room for COUNT_MAX. */
KS_MUST_CHECK enum ks_err ks_fl_work_finished_read(struct ks_reader *reader, uint32_t count_max,
                                                   struct ks_fl_work_finished *out_finished);

#endif
