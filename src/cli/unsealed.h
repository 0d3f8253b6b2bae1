/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* unsealed.h: a quantum backend that seals nothing, on loopback, inside the process that
 * measures: what a job costs over TLS alone, of any kind, classical TLS too. No enclave, no
 * one-time key, no record; no program of a site has it, and nothing that it answers is proof of
 * anything. `POST /qjob` takes a template by name and answers with counts and the time that the
 * simulation took. */
#ifndef KS_CLI_UNSEALED_H
#define KS_CLI_UNSEALED_H

#include "net/http_client.h"
#include "net/tls.h"

struct ks_unsealed;

/* TLS is a mutual server's, of either profile; copied. Listens on a port of 127.0.0.1. */
KS_MUST_CHECK enum ks_err ks_unsealed_open(const struct ks_tls_spec *tls,
                                           struct ks_unsealed **out_unsealed);
uint16_t ks_unsealed_port(const struct ks_unsealed *unsealed);
void ks_unsealed_close(struct ks_unsealed *unsealed); /* NULL is fine */

struct ks_unsealed_job {
    const char *template;
    uint32_t qubits;
    uint32_t depth;
    uint64_t shots;
    uint64_t seed; /* of circuit and sampling */
};
struct ks_unsealed_answer {
    uint64_t backend_us; /* parsing and simulation, by the backend's clock */
    uint64_t shots;      /* the sum of the counts */
    bool reused;         /* the connection stood already */
    bool resumed;        /* its TLS session was resumed */
};
/* The client's end: one job. */
KS_MUST_CHECK enum ks_err ks_unsealed_call(struct ks_http_client *client,
                                           const struct ks_unsealed_job *job,
                                           struct ks_unsealed_answer *out_answer);

#endif
