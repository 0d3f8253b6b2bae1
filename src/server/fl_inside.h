/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl_inside.h: what fl_files.c (uploads, models, the enclave's requests) and fl_keep.c (what is
 * kept, and for how long) share; within these two alone. */
#ifndef KS_SERVER_FL_INSIDE_H
#define KS_SERVER_FL_INSIDE_H

#include <pthread.h>

#include "base/sys.h"
#include "enclave/frame.h"
#include "server/fl_files.h"

#define NAME_LEN_MAX 200
#define WHO_MAX      100
#define PARTS_MAX    2056 /* of one upload: the largest model, 8 bytes a number, and a header */
#define FL_OWNER_LEN 16

/* One that is under way. */
struct upload {
    char who[WHO_MAX + 1]; /* empty: free */
    uint8_t hash[32];
    uint64_t length;
    uint64_t touched_us; /* monotonic: when a part of it came last */
    uint32_t parts;
    uint32_t there;
    uint8_t has[PARTS_MAX / 8];
};

struct ks_fl_files {
    int dir;
    struct ks_fs *fs; /* of the same folder */
    struct ks_channel enclave;
    struct ks_fl_files_limits limits;
    struct upload *uploads; /* KS_FL_UPLOADS_MAX */
    uint64_t in_flight;
    uint64_t used;     /* bytes of all files but those that are under way, at the last look */
    uint64_t look_us;  /* monotonic: when that is looked at again */
    uint64_t sweep_us; /* monotonic: when what is over its time goes */
    pthread_t thread;
    bool started;
};

/* --- fl_files.c --------------------------------------------------------------------------- */
/* KS_ERR_UNAVAILABLE where the disk is full; so does ks_fl_move. */
KS_MUST_CHECK enum ks_err ks_fl_open(const struct ks_fl_files *files, const char *name,
                                     int flags, int *out_fd);
KS_MUST_CHECK enum ks_err ks_fl_length(int fd, const char *name, uint64_t *out_length);
/* Appends LEN bytes from BEGIN on. */
KS_MUST_CHECK enum ks_err ks_fl_read(int fd, const char *name, uint64_t begin, uint64_t len,
                                     struct ks_buf *out);
/* Durable when it returns. */
KS_MUST_CHECK enum ks_err ks_fl_move(const struct ks_fl_files *files, const char *source,
                                     const char *target);
void ks_fl_session_name(const uint8_t session[16], const char *what, char target[NAME_LEN_MAX]);

/* --- fl_keep.c ---------------------------------------------------------------------------- */
/* Whose file it is, in names: nobody sends in another's name. */
void ks_fl_owner_name(const char *who, char target[FL_OWNER_LEN + 1]);
/* Looks through the folder: removes what is over its time, counts the rest. AT_START: uploads
 * that were under way go as well, since nobody knows which parts are there. */
KS_MUST_CHECK enum ks_err ks_fl_sweep(struct ks_fl_files *files, bool at_start);
/* WHO begins an upload: of the complete ones that no job has named it keeps the newest
 * KS_FL_UNUSED_MAX - 1, so that nobody fills the quota of all. */
KS_MUST_CHECK enum ks_err ks_fl_own_room(struct ks_fl_files *files, const char *who);
/* Whether LENGTH more bytes are within the quota. KS_ERR_UNAVAILABLE. */
KS_MUST_CHECK enum ks_err ks_fl_room(struct ks_fl_files *files, uint64_t length);

/* What ROUND has left for the next one. */
void ks_fl_state_name(const uint8_t session[16], uint64_t round, const uint8_t hash[32],
                      char target[NAME_LEN_MAX]);
void ks_fl_list_name(const uint8_t session[16], uint64_t round, char target[NAME_LEN_MAX]);

/* The update of DEVICE to ROUND, sealed, of that HASH. */
struct kept {
    uint8_t session[16];
    uint64_t round;
    uint8_t hash[32];
    const char *device;
};
/* What was uploaded, BLOB, is for that round from now on, unless it is so already; its name
 * goes to TARGET; what was kept of that device for that round before goes. KS_ERR_NOT_FOUND
 * says whether it was deleted. */
KS_MUST_CHECK enum ks_err ks_fl_keep(const struct ks_fl_files *files, const struct kept *kept,
                                     const char *blob, char target[NAME_LEN_MAX]);

#endif
