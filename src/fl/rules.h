/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* rules.h: what a server makes of the mean change of a round: the model, and whatever the rule
 * remembers from one round to the next. Hides the arithmetic, which is in double, element by
 * element, rounded to float where it is kept: the same bits everywhere.
 *
 * A change is model of a client - model it began with, so FedAvg with rate 1 gives the weighted
 * mean of the clients' models. FedProx differs from FedAvg on the clients alone. A server
 * belongs to one thread at a time. Pure. */
#ifndef KS_FL_RULES_H
#define KS_FL_RULES_H

#include "base/buf.h"
#include "fl/vector.h"

/* With d the mean change, w the model, and all operations element by element:
 *   fedavg      w += rate d                                        (McMahan et al. 2017)
 *   fedavgm     m = beta1 m + d, w += rate m                       (Hsu et al. 2019)
 *   fedadagrad  m = beta1 m + (1 - beta1) d, v += d^2,             (Reddi et al. 2021)
 *               w += rate m / (sqrt(v) + tau)
 *   fedadam     likewise, v = beta2 v + (1 - beta2) d^2
 *   fedyogi     likewise, v -= (1 - beta2) d^2 sign(v - d^2)
 *   scaffold    w += rate d, c += participants / clients * e       (Karimireddy et al. 2020)
 *               with e the mean change of the clients' controls
 * m and c begin at 0, v at tau^2, as Reddi et al. have it; no bias is corrected. */
#define KS_FL_SERVER_LIST(X)                                                                   \
    X(FEDAVG, "fedavg")                                                                        \
    X(FEDAVGM, "fedavgm")                                                                      \
    X(FEDADAGRAD, "fedadagrad")                                                                \
    X(FEDADAM, "fedadam")                                                                      \
    X(FEDYOGI, "fedyogi")                                                                      \
    X(SCAFFOLD, "scaffold")

enum ks_fl_server_rule {
#define KS_FL_SERVER_ENUM(name, word) KS_FL_##name,
    KS_FL_SERVER_LIST(KS_FL_SERVER_ENUM)
#undef KS_FL_SERVER_ENUM
        KS_FL_SERVER_RULES /* how many there are */
};
const char *ks_fl_server_word(enum ks_fl_server_rule rule);
KS_MUST_CHECK enum ks_err ks_fl_server_rule_of(struct ks_bytes word,
                                               enum ks_fl_server_rule *out_rule);

struct ks_fl_server_params {
    enum ks_fl_server_rule rule;
    size_t params;
    double rate;      /* above 0 */
    double beta1;     /* 0 to below 1 */
    double beta2;     /* 0 to below 1 */
    double tau;       /* above 0 */
    uint32_t clients; /* SCAFFOLD: all that there are; else 0 */
};
/* What the papers, or their experiments, begin with. */
struct ks_fl_server_params ks_fl_server_defaults(enum ks_fl_server_rule rule, size_t params);

/* Which of its figures RULE goes by, beside the rate; what the others are changes nothing. */
bool ks_fl_server_takes_beta1(enum ks_fl_server_rule rule);
bool ks_fl_server_takes_beta2(enum ks_fl_server_rule rule);
bool ks_fl_server_takes_tau(enum ks_fl_server_rule rule);
/* KS_ERR_USAGE, KS_ERR_LIMIT for PARAMS that no server can have. */
KS_MUST_CHECK enum ks_err ks_fl_server_check_params(const struct ks_fl_server_params *params);

struct ks_fl_server;

/* MODEL, of params numbers, is copied. KS_ERR_USAGE, KS_ERR_LIMIT, KS_ERR_NOMEM; KS_ERR_FORMAT
 * when it is not finite. */
KS_MUST_CHECK enum ks_err ks_fl_server_new(const struct ks_fl_server_params *params,
                                           const float *model,
                                           struct ks_fl_server **out_server);
void ks_fl_server_free(struct ks_fl_server *server); /* NULL is fine */
const struct ks_fl_server_params *ks_fl_server_params(const struct ks_fl_server *server);
uint64_t ks_fl_server_steps(const struct ks_fl_server *server);
/* Borrowed, until the next step. */
const float *ks_fl_server_model(const struct ks_fl_server *server);
/* SCAFFOLD's c, which clients begin with; NULL for other rules. */
const float *ks_fl_server_control(const struct ks_fl_server *server);

/* SCAFFOLD: CONTROL_CHANGE is the mean of the PARTICIPANTS' (1 to clients) c_i(new) - c_i; for
 * others NULL and 0. KS_ERR_FORMAT when a change is not finite, or the model would not be: then
 * nothing has changed. */
KS_MUST_CHECK enum ks_err ks_fl_server_step(struct ks_fl_server *server, const float *change,
                                            const float *control_change, uint32_t participants,
                                            struct ks_pool *pool);

/* --- the state: docs/formats/fl-server.md ------------------------------------------------- */

void ks_fl_server_write(const struct ks_fl_server *server, struct ks_buf *out);
/* KS_ERR_FORMAT, KS_ERR_LIMIT, KS_ERR_NOMEM; KS_ERR_VERIFY when the hash is not that of the
 * bytes. */
KS_MUST_CHECK enum ks_err ks_fl_server_read(struct ks_bytes bytes,
                                            struct ks_fl_server **out_server);

#endif
