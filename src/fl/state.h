/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* state.h: what the rules of a session remember from one round to the next, as one file
 * (docs/formats/fl-state.md): the last aggregate, where RFA and centered clipping begin, and
 * the memory of the server's rule. Pure; any thread. */
#ifndef KS_FL_STATE_H
#define KS_FL_STATE_H

#include "fl/rules.h"
#include "fl/update.h"

struct ks_fl_state {
    uint8_t session[KS_FL_SESSION_LEN];
    uint64_t round; /* that left it */
    size_t params;
    float *aggregate;            /* PARAMS numbers; NULL: not remembered */
    struct ks_fl_server *server; /* after that round; NULL: not remembered */
};

/* Bytes of the file of a session whose server rule is RULE; KS_FL_FEDAVG remembers nothing. */
uint64_t ks_fl_state_bytes(size_t params, bool aggregate, enum ks_fl_server_rule rule);
/* Appends STATE, which remembers something. */
void ks_fl_state_write(const struct ks_fl_state *state, struct ks_buf *out);
/* The caller ends it by _done. KS_ERR_FORMAT for what is none of PARAMS numbers; KS_ERR_VERIFY
 * when a hash is not that of the bytes; KS_ERR_NOMEM. */
KS_MUST_CHECK enum ks_err ks_fl_state_read(struct ks_bytes bytes, size_t params,
                                           struct ks_fl_state *out_state);
void ks_fl_state_done(struct ks_fl_state *state); /* frees both; zeroed is fine */

#endif
