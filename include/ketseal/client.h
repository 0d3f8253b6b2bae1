/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* client.h: a device's side: submit jobs to a site, get their bundles. One client belongs to
 * one thread. */
#ifndef KETSEAL_CLIENT_H
#define KETSEAL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ketseal/error.h"

struct ks_buf;
struct ks_bytes;
struct ks_client;

struct ks_client_spec {
    uint32_t version;        /* 1 */
    const char *url;         /* "https://host:port" */
    const char *root;        /* PEM file: who issued the site's certificate and ours */
    const char *certificate; /* PEM file */
    const char *key;         /* PEM file, mode 0600; NULL: sealed in MACHINE */
    const char *site;    /* the pinned site document, a file: its keys sign what we believe */
    const char *state;   /* directory of ours: one-time keys and the counter; created 0700 */
    const char *groups;  /* TLS groups; NULL for X25519MLKEM768 */
    uint32_t timeout_ms; /* of one exchange; 0 for 10 minutes */
    const char *issuer;  /* PEM file: who issued our certificate; NULL: the root */
    const char *machine; /* directory of an enrolled device: its TPM holds the key; or NULL */
    const char *keys;    /* file that says where one-time keys come from; NULL: the site */
};

KS_MUST_CHECK enum ks_err ks_client_open(const struct ks_client_spec *spec,
                                         struct ks_client **out_client);
void ks_client_close(struct ks_client *client); /* NULL is fine; wipes */

struct ks_job_spec {
    uint32_t version; /* 1 */
    const char *qasm; /* OpenQASM 2 text of QASM_LEN bytes; NULL: a template */
    size_t qasm_len;
    const char *template;   /* name, see circuit.h */
    uint32_t qubits;        /* template */
    uint32_t depth;         /* template */
    uint64_t template_seed; /* template */
    uint64_t shots;
    uint64_t seed; /* of the sampling; at most 2^53 - 1 */
    bool single_precision;
    const char *method; /* see circuit.h; NULL: auto, the site chooses */
    uint32_t bond_max;  /* auto, mps: the largest bond; 0: as the site has it, CUTOFF too */
    double cutoff;      /* auto, mps: most weight that one cut may discard, below 1 */
    const struct ks_bytes *noise; /* auto, statevector: canonical JSON (ks_noise_print); NULL */
    const char *sdk;  /* "ketseal", "qiskit" or "cirq"; NULL: ketseal. Another one takes no
                         METHOD,  BOND_MAX, CUTOFF or NOISE */
    const char *name; /* of the program in messages, such as its file; NULL: "program" */
    const char *idempotency; /* NULL for none: [A-Za-z0-9_-]{1,64} */
};

/* Where the site wants a younger attestation (KS_ERR_STALE), an enrolled device attests, and
 * the request is repeated once: ks_client_run, ks_client_submit, ks_client_cancel. */

/* Submits and waits: appends the bundle to OUT. The site's refusals come back as their errors,
 * with the site's own sentence as detail. The bundle is not verified here: ks_bundle_verify
 * does that. */
KS_MUST_CHECK enum ks_err ks_client_run(struct ks_client *client, const struct ks_job_spec *job,
                                        struct ks_buf *out_bundle);
/* Submits: appends the job's state (JSON, "ketseal.job-state/1"). */
KS_MUST_CHECK enum ks_err ks_client_submit(struct ks_client *client,
                                           const struct ks_job_spec *job,
                                           struct ks_buf *out_state);
/* Ends the job ID if it still runs. */
KS_MUST_CHECK enum ks_err ks_client_cancel(struct ks_client *client, const char *id);
/* GET TARGET ("/v1/jobs/…", "/v1/ledger/checkpoint", …): appends the answer's body. */
KS_MUST_CHECK enum ks_err ks_client_get(struct ks_client *client, const char *target,
                                        struct ks_buf *out_body);
/* Connects, if nothing is connected yet: the channel is known then. */
KS_MUST_CHECK enum ks_err ks_client_connect(struct ks_client *client);
/* POST BODY (JSON; NULL: none) to TARGET, unsigned, on the connection whose channel the body
 * names: KS_ERR_UNAVAILABLE when that is gone. Without a body any connection will do. Appends
 * the answer's body. */
KS_MUST_CHECK enum ks_err ks_client_post(struct ks_client *client, const char *target,
                                         const struct ks_bytes *body, struct ks_buf *out_body);
/* What a user should know of the one-time keys of the last request: that others than wanted
 * were used, that no more could be had. Empty: nothing. Borrowed. */
const char *ks_client_notice(const struct ks_client *client);
/* The device's id, from its certificate. Borrowed. */
const char *ks_client_device(const struct ks_client *client);
/* The TLS exporter of the connection that the last call used: 32 bytes; zeros before the first.
 */
const uint8_t *ks_client_channel(const struct ks_client *client);

#endif
