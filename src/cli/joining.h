/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* joining.h: how `fl join` is told who takes part in what, with which data: by operands, by
 * flags, by a file of settings. */
#ifndef KS_CLI_JOINING_H
#define KS_CLI_JOINING_H

#include "cli/cli.h"
#include "ketseal/client.h"
#include "record/fl.h"

struct ks_joining {
    const char *session;   /* as it was given; NULL: the one that there is */
    const char *device_id; /* NULL: whoever the certificate names */
    struct ks_cli *data;   /* the same command, its operands the data alone */
};

/* Reads it off CLI, and has --device be the folder that --device-id is called after where no
 * other is named and there is such a folder. */
KS_MUST_CHECK enum ks_err ks_joining_read(struct ks_cli *cli, struct ks_joining *out_joining);
void ks_joining_done(struct ks_joining *joining); /* {0} is fine */

/* KS_ERR_USAGE unless CLIENT is of the device that was named. */
KS_MUST_CHECK enum ks_err ks_joining_check(const struct ks_joining *joining,
                                           const struct ks_client *client);
/* The session that was given, or the only one that has not ended; waits for one for SECONDS.
 * KS_ERR_USAGE, with their names, where there are several. */
KS_MUST_CHECK enum ks_err ks_joining_session(const struct ks_joining *joining,
                                             struct ks_client *client, uint64_t seconds,
                                             char out_session[2 * KS_SESSION_LEN + 1]);

#endif
