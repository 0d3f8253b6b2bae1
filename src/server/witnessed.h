/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* witnessed.h: checkpoints of the site that others have said something about, the newest of
 * each kind: cosigned by a quorum of witnesses, anchored on a chain, time-stamped. All of it
 * is durable before it is served, and is this ledger's: root and signatures are checked against
 * the tree whenever something comes in, at a start too. On the server's own thread. */
#ifndef KS_SERVER_WITNESSED_H
#define KS_SERVER_WITNESSED_H

#include "ledger/ledger.h"
#include "store/store.h"

enum ks_witnessed_state {
    KS_WITNESSED_COSIGNED,
    KS_WITNESSED_ANCHORED,
    KS_WITNESSED_TIMESTAMPED,
    KS_WITNESSED_STATES
};
/* "cosigned", "anchored", "timestamped"; KS_ERR_FORMAT for anything else. */
KS_MUST_CHECK enum ks_err ks_witnessed_state_parse(struct ks_bytes text,
                                                   enum ks_witnessed_state *out_state);
const char *ks_witnessed_state_name(enum ks_witnessed_state state);

/* A checkpoint and what was attached to it. */
struct ks_witnessed {
    struct ks_head head;
    struct ks_buf note; /* empty: there is none yet */
    struct ks_buf anchor;
    struct ks_buf timestamp;
};
void ks_witnessed_init(struct ks_witnessed *witnessed);
void ks_witnessed_done(struct ks_witnessed *witnessed);

struct ks_site_server;

/* Reads what is stored, and compares it with the ledger that was rebuilt: KS_ERR_VERIFY. */
KS_MUST_CHECK enum ks_err ks_witnessed_load(struct ks_site_server *server);
/* Stores and serves NOTE, cosigned by the quorum. */
KS_MUST_CHECK enum ks_err ks_witnessed_cosigned(struct ks_site_server *server,
                                                struct ks_bytes note,
                                                const struct ks_head *head);

#endif
