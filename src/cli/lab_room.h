/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* lab_room.h: shared by the files of the lab only: what it is made of. */
#ifndef KS_CLI_LAB_ROOM_H
#define KS_CLI_LAB_ROOM_H

#include "base/text.h"
#include "cli/lab.h"
#include "crypto/cert.h"

#define KS_LAB_STOP_MS   30000 /* more than ketseal-launch grants its own */
#define KS_LAB_URL_MAX   64
#define KS_LAB_TEXT_MAX  65536
#define KS_LAB_SHARE_MIN 1e-6

enum { KS_LAB_ALICE, KS_LAB_BOB, KS_LAB_MANAGERS };

/* A key manager of the link. */
struct ks_lab_manager {
    pid_t pid; /* 0: not started */
    uint16_t port;
    uint16_t link_port; /* Alice: where Bob comes to */
};

struct ks_lab {
    struct ks_lab_spec spec; /* its texts are borrowed while the lab starts, and not after */
    char directory[KS_PATH_MAX];
    char authority[KS_PATH_MAX];
    char libexec[KS_PATH_MAX]; /* where programs are looked for */
    char operator_[KS_PATH_MAX];
    char (*devices)[KS_PATH_MAX];
    unsigned device_count;
    char groups[256]; /* empty: the default */
    char url[KS_LAB_URL_MAX];
    uint16_t port;
    pid_t pid; /* 0: not started */
    struct ks_lab_manager managers[KS_LAB_MANAGERS];
    unsigned link_starts;
    double eve_share;
};

/* The program NAME, where the lab finds such. KS_ERR_UNAVAILABLE. */
KS_MUST_CHECK enum ks_err ks_lab_find(const struct ks_lab *lab, const char *name,
                                      char out_path[KS_PATH_MAX]);
/* Starts PROGRAM; its errors go to LOG, begun anew. */
KS_MUST_CHECK enum ks_err ks_lab_spawn(const char *program, const char *const *argv,
                                       const char *log, pid_t *out_pid);
/* SIGTERM to *PID, or SIGKILL where GRACEFUL is false, and waits; 0 is fine, and what it is
 * afterwards. KS_ERR_IO when it did not end cleanly though it was asked to. */
KS_MUST_CHECK enum ks_err ks_lab_end(pid_t *pid, bool graceful, const char *name);
/* Waits until a program has said READY in its log, and then for the port that it wrote into
 * FILE in FOLDER. Where it ends instead, the error is the last line of LOG. */
struct ks_lab_start {
    pid_t pid;
    const char *log;
    const char *ready;
    const char *folder;
    const char *file;
};
KS_MUST_CHECK enum ks_err ks_lab_await(const struct ks_lab_start *start, uint16_t *out_port);
/* An identity of the authority, issued where it is absent. */
struct ks_lab_identity {
    const char *folder; /* within the authority */
    const char *subject;
    enum ks_cert_role role;
};
KS_MUST_CHECK enum ks_err ks_lab_issue(const struct ks_lab *lab,
                                       const struct ks_lab_identity *identity);

/* The link: before the site starts, and once its devices have their folders. */
KS_MUST_CHECK enum ks_err ks_lab_link_start(struct ks_lab *lab);
KS_MUST_CHECK enum ks_err ks_lab_link_stop(struct ks_lab *lab, bool graceful);
/* The section 'keys' of ketseal.yaml, and keys.json of a device. */
void ks_lab_link_put_section(const struct ks_lab *lab, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_lab_link_tell_device(const struct ks_lab *lab, unsigned index);

#endif
