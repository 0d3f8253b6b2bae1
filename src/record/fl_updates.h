/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl_updates.h: a round's list: which updates counted, in the order in which they did, and what
 * was made of each (docs/formats/fl-updates.md). The round's record binds it by its hash. With
 * the sealed updates that it names the round can be computed again. Canonical JSON; views
 * borrow. Pure. */
#ifndef KS_RECORD_FL_UPDATES_H
#define KS_RECORD_FL_UPDATES_H

#include "record/record.h"

#define KS_FL_UPDATES_BYTES_MAX (39 * 1024 * 1024) /* fits a frame */

/* One update that counted. */
struct ks_fl_counted {
    struct ks_bytes device;
    struct ks_bytes encoding;
    struct ks_bytes job; /* id of the job that brought it */
    uint64_t length;     /* bytes, sealed */
    double loss;         /* the device's word */
    double norm;
    uint32_t place;         /* among all that were invited, by name */
    struct ks_bytes reason; /* of SUSPICION, a word */
    uint8_t record[32];     /* H of its record */
    uint32_t samples;       /* the device's word */
    uint8_t sealed[32];     /* SHA-256 of what was sent */
    double suspicion;
    uint8_t update[32]; /* SHA-256 of the plaintext */
};

struct ks_fl_updates {
    uint8_t session[KS_SESSION_LEN];
    uint64_t round;
    uint32_t invited;              /* devices, whether they came or not */
    struct ks_fl_counted *counted; /* owned by who made it; of one that was read: by it */
    size_t count;
    /* Read only: */
    struct ks_json_doc *doc;
};
void ks_fl_updates_write(const struct ks_fl_updates *updates, struct ks_buf *out);
/* KS_ERR_FORMAT, KS_ERR_LIMIT. No device and no record is in it twice. */
KS_MUST_CHECK enum ks_err ks_fl_updates_read(struct ks_bytes list,
                                             struct ks_fl_updates *out_updates);
/* What was read; zeroed is fine. */
void ks_fl_updates_done(struct ks_fl_updates *updates);

/* What a round's record says of its updates. */
struct ks_fl_updates_sum {
    uint8_t digest[32]; /* ks_round_updates_digest */
    uint64_t samples;
    double loss; /* mean, by samples; 0 without any */
};
KS_MUST_CHECK enum ks_err ks_fl_updates_sum(const struct ks_fl_updates *updates,
                                            struct ks_fl_updates_sum *out_sum);

/* LIST is the one of the round that CORE, a record's, is of. KS_ERR_VERIFY says what does not
 * fit; what was read goes to OUT_UPDATES. */
KS_MUST_CHECK enum ks_err ks_fl_updates_check(struct ks_bytes list, const struct ks_core *core,
                                              struct ks_fl_updates *out_updates);
/* COUNTED is the update that CORE, with the hash H, is the record of and JOB has brought, in
 * the round that ROUND is of. KS_ERR_VERIFY says what does not fit. */
KS_MUST_CHECK enum ks_err ks_fl_counted_check(const struct ks_fl_counted *counted,
                                              const struct ks_core *core,
                                              const struct ks_job *job, const uint8_t h[32],
                                              const struct ks_core *round);

#endif
