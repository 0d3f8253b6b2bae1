/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl_files.h: what ketseald keeps of federated learning, in the folder "fl" of the site's
 * state: updates that devices send ahead, sealed; global models, which are public; the sealed
 * checkpoints of rounds. ketseald can read the models alone. Nothing here is believed by the
 * enclave: it names hashes. docs/formats/fl-files.md
 *
 * Uploads, models, lists and what is kept are the site's thread's, which waits for the disk
 * meanwhile: most for a model that is published, which is read, hashed and synced, and for
 * whatever looks through the folder. The enclave's requests for files, which sync more, are
 * answered by a thread of their own. */
#ifndef KS_SERVER_FL_FILES_H
#define KS_SERVER_FL_FILES_H

#include "base/buf.h"

#define KS_FL_FILES_DIRECTORY "fl"
#define KS_FL_PART_LEN        (1024 * 1024)
#define KS_FL_UPLOADS_MAX     256 /* that are under way at once */
#define KS_FL_UNUSED_MAX      8   /* complete ones of one device that no job has named */
#define KS_FL_STALLED_US      UINT64_C(120000000)

struct ks_fl_files_limits {
    uint64_t length_max;    /* bytes of one upload */
    uint64_t in_flight_max; /* of all that are under way */
    uint64_t disk_max;      /* of all that is kept, and under way */
    uint64_t unused_us;     /* that a complete upload waits for its job */
    uint64_t stalled_us;    /* without a part, after which one makes room for others */
    uint64_t rounds_kept;   /* of each session, from the one that ended last: their updates */
};

struct ks_fl_files;

/* Makes the folder; uploads that were under way are gone. ENCLAVE_FD, the channel of files, is
 * taken over, also by a call that fails. */
KS_MUST_CHECK enum ks_err ks_fl_files_open(const char *state_dir, int enclave_fd,
                                           const struct ks_fl_files_limits *limits,
                                           struct ks_fl_files **out_files);
/* Starts the thread, which inherits the caller's sandbox. Once. */
KS_MUST_CHECK enum ks_err ks_fl_files_start(struct ks_fl_files *files);
/* Ends the thread and closes; NULL is fine. */
void ks_fl_files_close(struct ks_fl_files *files);

/* Part PART, from 0, of what WHO sends: LENGTH bytes in all, called by their hash. All parts
 * have KS_FL_PART_LEN bytes but the last. *OUT_COMPLETE: it was the last one that lacked. Who
 * begins another upload, unless that is longer than ever finds room (KS_ERR_LIMIT), gives up
 * the one that is under way, and, beyond KS_FL_UNUSED_MAX, the oldest of the complete ones that
 * no job has named. KS_ERR_FORMAT for a part of another length; KS_ERR_UNAVAILABLE while too
 * much is under way, or kept, or the disk is full. */
struct ks_fl_upload {
    const char *who;
    uint8_t hash[32];
    uint64_t length;
    uint64_t part;
    struct ks_bytes bytes;
};
/* Whether a part of it begins an upload: neither is it under way, nor complete. */
bool ks_fl_files_begins(struct ks_fl_files *files, const struct ks_fl_upload *upload);
KS_MUST_CHECK enum ks_err ks_fl_files_put(struct ks_fl_files *files,
                                          const struct ks_fl_upload *upload,
                                          bool *out_complete);
/* Which parts are there, as JSON: {"complete":…,"length":…,"parts":[…],"schema":…}.
 * KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_fl_files_parts(struct ks_fl_files *files, const char *who,
                                            const uint8_t hash[32], struct ks_buf *out);

/* What WHO has uploaded is a global model from now on. KS_ERR_NOT_FOUND; KS_ERR_VERIFY when its
 * hash is another. */
KS_MUST_CHECK enum ks_err ks_fl_files_publish(struct ks_fl_files *files, const char *who,
                                              const uint8_t hash[32]);
/* Bytes of a global model. KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_fl_files_model(const struct ks_fl_files *files,
                                            const uint8_t hash[32], uint64_t *out_length);
/* Appends part PART of it. KS_ERR_NOT_FOUND beyond its end. */
KS_MUST_CHECK enum ks_err ks_fl_files_model_part(const struct ks_fl_files *files,
                                                 const uint8_t hash[32], uint64_t part,
                                                 struct ks_buf *out);

/* The list of a round that has ended (record/fl_updates.h), durable when it returns; OVER: and
 * its session has. Rounds that are too many lose their updates. */
KS_MUST_CHECK enum ks_err ks_fl_files_list_put(struct ks_fl_files *files,
                                               const uint8_t session[16], uint64_t round,
                                               bool over, struct ks_bytes list);
/* Appends it. KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_fl_files_list(const struct ks_fl_files *files,
                                           const uint8_t session[16], uint64_t round,
                                           struct ks_buf *out);
/* What is there of a round's updates, as JSON: {"bytes":…,"deleted_at":…,"files":…,…}. */
KS_MUST_CHECK enum ks_err ks_fl_files_kept(const struct ks_fl_files *files,
                                           const uint8_t session[16], uint64_t round,
                                           struct ks_buf *out);
/* Now and then: what is over its time goes. */
KS_MUST_CHECK enum ks_err ks_fl_files_turn(struct ks_fl_files *files);

/* What the thread does with one request of the enclave, for tests: a descriptor to *OUT_FD, or
 * -1. */
KS_MUST_CHECK enum ks_err ks_fl_files_answer(struct ks_fl_files *files, uint16_t type,
                                             struct ks_bytes payload, int *out_fd,
                                             uint64_t *out_length);

#endif
