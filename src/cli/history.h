/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* history.h: what the rounds of a session of federated learning cost and brought, as its site
 * says: all pages of it, as a table, as JSON, as figures. Hides pages. */
#ifndef KS_CLI_HISTORY_H
#define KS_CLI_HISTORY_H

#include "cli/cli.h"
#include "client/operator.h"

#define KS_HISTORY_WORD_MAX 64

struct ks_history_row {
    uint64_t round;
    uint64_t count;
    uint64_t samples;
    double loss;
    double participation;
    double seconds;
    bool completed;
    char failure[KS_HISTORY_WORD_MAX];
    char finished[KS_HISTORY_WORD_MAX];
};

struct ks_history {
    char session[KS_HISTORY_WORD_MAX];
    char state[KS_HISTORY_WORD_MAX];
    uint64_t ordered; /* rounds */
    uint64_t wanted;  /* updates of one */
    struct ks_history_row *rows;
    size_t count;
    size_t max;
};

/* Adds the rounds of PAGE, which have to go on behind those that there are. *OUT_NEXT: what the
 * page behind it begins after; 0: there is none. KS_ERR_FORMAT, and HISTORY has some of them.
 */
KS_MUST_CHECK enum ks_err ks_history_add(struct ks_history *history, struct ks_bytes page,
                                         uint64_t *out_next);
/* Of SESSION, as it is written in a path. KS_ERR_FORMAT for what is no history. */
KS_MUST_CHECK enum ks_err ks_history_fetch(struct ks_operator *op, const char *session,
                                           struct ks_history *out_history);
void ks_history_done(struct ks_history *history); /* {0} is fine */

/* Appends round,outcome,count,participation,samples,loss,seconds,finished_at. */
void ks_history_put_csv(const struct ks_history *history, struct ks_buf *out);
/* Appends "ketseal.fl-history/1", as of one page. */
void ks_history_put_json(const struct ks_history *history, struct ks_buf *out);
/* Appends a table and the curve of the loss. */
void ks_history_put_text(const struct ks_history *history, struct ks_buf *out);
/* Writes the figures fl_loss_by_round and fl_participation into DIRECTORY; DRAW: not their
 * tables alone. */
KS_MUST_CHECK enum ks_err ks_history_write_figures(const struct ks_history *history,
                                                   const char *directory, bool draw);

#endif
