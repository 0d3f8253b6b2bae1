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

#pragma GCC visibility push(default)

struct ks_buf;
struct ks_bytes;
struct ks_client;
struct ks_policy;

/* --- open --------------------------------------------------------------------------------- */

/* A device's directory (docs/formats/device.md): root.pem, device.pem, site.json, its key or
 * its TPM's platform.json, and where it has them issuer.pem, keys.json, tls.json, url. */
struct ks_device_spec {
    uint32_t version; /* 1 */
    const char *directory;
    const char *url;     /* "https://host:port"; NULL: the first line of DIRECTORY/url */
    const char *site;    /* the pinned site document, a file; NULL: DIRECTORY/site.json */
    uint32_t timeout_ms; /* of one exchange; 0 for 10 minutes */
    bool measured;       /* this program is the one that an enrolled device's key opens to */
};
/* Connects nothing yet. The key of an enrolled device opens to the program that was measured at
 * its enrolment, `ketseal`, and to no other. To open it measures the program that does so into
 * a PCR that only a reset of the TPM clears, so another one would shut out `ketseal` too.
 * Without MEASURED such a device is KS_ERR_DENIED, and its TPM is left alone. */
KS_MUST_CHECK enum ks_err ks_client_open_device(const struct ks_device_spec *device,
                                                struct ks_client **out_client);
/* What the device itself pins, as a policy for ks_bundle_verify: its root and its site, and the
 * kind of TPM that this site's document names. Freed with ks_policy_free. */
KS_MUST_CHECK enum ks_err ks_device_policy(const struct ks_device_spec *device,
                                           struct ks_policy **out_policy);

/* The same part by part: for a client whose files lie elsewhere. */
struct ks_client_spec {
    uint32_t version;        /* 2; 1: without signature_algorithms */
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
    /* TLS signature algorithms, "mldsa65:slhdsa_sha2_128f": what the site's key and ours may
     * be; NULL for ML-DSA-65 and -87. SLH-DSA is experimental. */
    const char *signature_algorithms;
};

KS_MUST_CHECK enum ks_err ks_client_open(const struct ks_client_spec *spec,
                                         struct ks_client **out_client);
void ks_client_close(struct ks_client *client); /* NULL is fine; wipes */

/* --- submit ------------------------------------------------------------------------------- */

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
/* Submits: appends the job's state (JSON, "ketseal.job-state/1", for ks_job_status_read). */
KS_MUST_CHECK enum ks_err ks_client_submit(struct ks_client *client,
                                           const struct ks_job_spec *job,
                                           struct ks_buf *out_state);
/* Ends the job ID if it still runs. */
KS_MUST_CHECK enum ks_err ks_client_cancel(struct ks_client *client, const char *id);

/* --- follow ------------------------------------------------------------------------------- */

/* How a job stands, and the word for it in the site's documents. */
#define KS_JOB_PHASE_LIST(X)                                                                   \
    X(ACCEPTED, "accepted") /* waits or runs */                                                \
    X(DONE, "done")         /* its bundle can be had */                                        \
    X(FAILED, "failed")     /* refused by the worker, or interrupted */                        \
    X(CANCELLED, "cancelled")
enum ks_job_phase {
#define KS_JOB_PHASE_ENUM(name, text) KS_JOB_PHASE_##name,
    KS_JOB_PHASE_LIST(KS_JOB_PHASE_ENUM)
#undef KS_JOB_PHASE_ENUM
        KS_JOB_PHASES
};
const char *ks_job_phase_name(enum ks_job_phase phase);

struct ks_job_status {
    enum ks_job_phase phase;
    enum ks_err error;   /* FAILED: what with; else KS_OK */
    char id[40];         /* a UUID */
    char created_at[32]; /* "2026-01-14T02:01:24.123456Z" */
    char detail[512];    /* FAILED: the site's sentence, fit for a terminal; else empty */
};
/* Reads a site's "ketseal.job-state/1". */
KS_MUST_CHECK enum ks_err ks_job_status_read(const struct ks_bytes *document,
                                             struct ks_job_status *out_state);

/* Asks the site how the job ID stands. */
KS_MUST_CHECK enum ks_err ks_client_status(struct ks_client *client, const char *id,
                                           struct ks_job_status *out_state);

struct ks_wait_spec {
    uint32_t version; /* 1 */
    const char *id;
    uint64_t timeout_ms; /* 0: asks once */
    /* Asked at least every 100 ms between two exchanges; once it says true the wait ends with
     * KS_ERR_CANCELLED, the job goes on. NULL: nobody is asked. */
    bool (*cancelled)(void *context);
    void *cancel_context;
};
/* Asks until the job has ended, or time is over: then the phase is still ACCEPTED, and that is
 * no error. At first every 50 ms, then ever less often, at last every 5 s. */
KS_MUST_CHECK enum ks_err ks_client_wait(struct ks_client *client,
                                         const struct ks_wait_spec *wait,
                                         struct ks_job_status *out_state);
/* Appends the bundle of a job that is done, waiting up to 10 s for the checkpoint over its
 * record. KS_ERR_NOT_FOUND while the job runs; one that failed answers with its own error. The
 * bundle is not verified here. */
KS_MUST_CHECK enum ks_err ks_client_bundle(struct ks_client *client, const char *id,
                                           struct ks_buf *out_bundle);
/* The same under the site's newest checkpoint that is STATE: "cosigned", "anchored" or
 * "timestamped". The site holds the request until it is, at most SECONDS and at most
 * KS_SITE_WAIT_S; KS_ERR_NOT_FOUND: not yet. */
#define KS_SITE_WAIT_S 20
KS_MUST_CHECK enum ks_err ks_client_bundle_in(struct ks_client *client, const char *id,
                                              const char *state, uint32_t seconds,
                                              struct ks_buf *out_bundle);
/* The most bytes of a bundle: for ks_buf_new. */
#define KS_BUNDLE_LEN_MAX (48 * 1024 * 1024)

/* --- traces ------------------------------------------------------------------------------- */

/* What a submission or a fetched bundle looked like from here, as numbers: docs/formats/
 * trace.md. Without program, keys or counts. */
struct ks_trace;

/* Who gets a row for each ks_client_run, ks_client_submit, ks_client_bundle and
 * ks_client_bundle_in once it has ended, well or not; "not yet" alone has none. TAKE is called
 * on the client's thread; the row is its own until it returns. */
struct ks_trace_sink {
    uint32_t version; /* 1 */
    void (*take)(void *context, const struct ks_trace *trace);
    void *context;
};
/* SINK is copied; NULL: nobody, as at the start. */
KS_MUST_CHECK enum ks_err ks_client_trace_to(struct ks_client *client,
                                             const struct ks_trace_sink *sink);
/* Appends the line of names of a file of traces, and a row of it. */
void ks_trace_csv_header(struct ks_buf *out);
void ks_trace_csv_row(const struct ks_trace *trace, struct ks_buf *out);
/* One number by its name, such as "round_trip_us": KS_ERR_NOT_FOUND where the row has it not.
 */
KS_MUST_CHECK enum ks_err ks_trace_number(const struct ks_trace *trace, const char *name,
                                          double *out_value);

/* --- single exchanges --------------------------------------------------------------------- */

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

#pragma GCC visibility pop

#endif
