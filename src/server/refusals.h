/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* refusals.h: what the site has refused, as entries of the ledger (docs/formats/ledger.md):
 * whom, at which door, why, how often. Nobody can flood the ledger by being refused: there is
 * one entry for each door, peer and error within KS_REFUSALS_WINDOW_S, which counts all of
 * them, and no more in an hour than the configuration says, those whom nobody knows apart from
 * known peers. It is ketseald's word, like an alert. What waits when the site stops is lost.
 *
 * On the server's own thread, but for ks_refusals_handshake. */
#ifndef KS_SERVER_REFUSALS_H
#define KS_SERVER_REFUSALS_H

#include <pthread.h>

#include "crypto/cert.h"
#include "net/http_server.h"
#include "record/record.h"

#define KS_REFUSALS_WINDOW_S   60
#define KS_REFUSALS_KINDS_MAX  64 /* of door, peer and error, within one window */
#define KS_REFUSALS_HANDSHAKES 16 /* that wait for the server's thread; more are counted */

struct ks_site_server;

/* Refusals that are alike. */
struct ks_refusal_kind {
    enum ks_door door;
    enum ks_err error;
    char device[KS_CERT_SUBJECT_MAX + 1];   /* empty: nobody knows */
    char detail[KS_REFUSAL_DETAIL_MAX + 1]; /* of the last one */
    uint64_t count;                         /* since the last entry */
    uint64_t next_us;                       /* monotonic: no entry before; 0: free */
};

struct ks_refusals {
    unsigned per_hour; /* entries; 0: none are made */
    struct ks_refusal_kind kinds[KS_REFUSALS_KINDS_MAX];
    struct ks_refusal_budget {
        uint64_t since_us; /* monotonic: the hour's beginning; 0: not begun */
        unsigned used;
    } budgets[2];         /* of peers that nobody knows, of known ones */
    uint64_t unlisted;    /* for which there was no room among the kinds */
    pthread_mutex_t lock; /* over what comes from other threads */
    char handshakes[KS_REFUSALS_HANDSHAKES][KS_REFUSAL_DETAIL_MAX + 1];
    size_t handshakes_waiting;
    uint64_t handshakes_lost;
};

void ks_refusals_init(struct ks_refusals *refusals);
void ks_refusals_done(struct ks_refusals *refusals);

/* REQUEST is refused with ERR and its stored detail, which stays. Errors that are no refusals
 * of somebody are passed over. */
void ks_refusals_request(struct ks_refusals *refusals, struct ks_http_request *request,
                         enum ks_err err);
/* ks_http_refused: a handshake has failed for the peer's certificate. CONTEXT is the server;
 * any thread. */
void ks_refusals_handshake(void *context, const char *detail);

/* Entries that are due become tasks of nobody's, for the next commit. */
void ks_refusals_turn(struct ks_site_server *server);
/* How long poll may sleep for that: at most MS, -1 for ever. */
int ks_refusals_wait_ms(const struct ks_refusals *refusals, uint64_t now_us, int ms);

#endif
