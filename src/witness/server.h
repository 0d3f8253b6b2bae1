/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* server.h: a witness over HTTP/1.1, without TLS: whoever asks proves what it says by the log's
 * signature, whoever reads an answer checks the witness's, and nothing is secret. One thread,
 * one loop: requests are answered one after the other, in the order in which they are complete;
 * so a checkpoint is compared and replaced with nothing in between. Requests are read by
 * ks_http_head_parse, strictly. */
#ifndef KS_WITNESS_SERVER_H
#define KS_WITNESS_SERVER_H

#include <signal.h>

#include "witness/witness.h"

#define KS_WITNESS_CONNECTIONS_MAX 64    /* at once; further ones wait to be accepted */
#define KS_WITNESS_REQUEST_MS      10000 /* from the first byte of a request to its last */
#define KS_WITNESS_IDLE_MS         60000 /* between requests */
#define KS_WITNESS_WRITE_MS        10000 /* for an answer */

struct ks_witness_server;

/* Told of each add-checkpoint that was answered. */
typedef void (*ks_witness_told)(const struct ks_witness_answer *answer);

struct ks_witness_server_spec {
    struct ks_witness *witness; /* outlives the server */
    const char *address;        /* literal */
    uint16_t port;              /* 0: any free one */
    const char *prefix;         /* of the paths; "" or "/…"; outlives the server */
    ks_witness_told told;
};

KS_MUST_CHECK enum ks_err ks_witness_server_open(const struct ks_witness_server_spec *spec,
                                                 struct ks_witness_server **out_server);
void ks_witness_server_free(struct ks_witness_server *server); /* NULL is fine */
uint16_t ks_witness_server_port(const struct ks_witness_server *server);
/* Until *STOP is not 0: a signal handler sets it. What is half sent then is cut off. */
KS_MUST_CHECK enum ks_err ks_witness_server_run(struct ks_witness_server *server,
                                                const volatile sig_atomic_t *stop);

#endif
