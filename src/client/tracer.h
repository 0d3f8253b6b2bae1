/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tracer.h: the device's row of a submission or of a fetched bundle, while it is made
 * (docs/formats/trace.md). Nothing here fails, and nothing is done where no sink wants rows:
 * what cannot be measured is missing. Inside src/client only. */
#ifndef KS_CLIENT_TRACER_H
#define KS_CLIENT_TRACER_H

#include "client/session.h"
#include "detect/trace.h"
#include "ketseal/client.h"
#include "record/record.h"

/* A circuit's exact distribution is computed where it has at most so many qubits and classical
 * bits, measures at its end alone, and its operations times the amplitudes are at most this:
 * about a millisecond. */
#define KS_TRACER_BITS_MAX 12
#define KS_TRACER_WORK_MAX (UINT64_C(1) << 20)
/* Operations of a circuit that is taken apart at all. */
#define KS_TRACER_OPS_MAX 100000

struct ks_tracer {
    struct ks_trace_sink sink; /* TAKE NULL: nobody wants rows */
    struct ks_trace trace;
    bool running;      /* a row is being made */
    bool asked;        /* JOB is what the device itself has submitted; its views are borrowed */
    struct ks_job job; /* without its noise model */
    bool noisy;
    unsigned requests;     /* that were answered, refused or lost */
    uint64_t calls_before; /* of the session, when the row began */
};

/* A row for DEVICE begins. JOB_ID NULL: not known yet. FACTS are those of what was before. */
void ks_tracer_begin(struct ks_tracer *tracer, const char *device, const char *job_id,
                     const struct ks_session_facts *facts);
/* What the row is of, where that is known before anything is submitted. */
void ks_tracer_workload(struct ks_tracer *tracer, enum ks_trace_workload workload);
/* What is submitted; JOB's views live until the row ends. */
void ks_tracer_asked(struct ks_tracer *tracer, const struct ks_job *job);
/* What a contribution took before it was submitted. */
void ks_tracer_local(struct ks_tracer *tracer, uint64_t local_us, uint64_t upload_us);
/* The one-time key of the next request is at hand, after KEY_US. */
void ks_tracer_key(struct ks_tracer *tracer, enum ks_key_source source, uint64_t key_us);
/* The request that the row is about was answered, refused or lost. */
void ks_tracer_exchange(struct ks_tracer *tracer, const struct ks_session_facts *facts);
/* The answer is the state of a job, or its bundle from the site whose document is pinned. */
void ks_tracer_state(struct ks_tracer *tracer, struct ks_bytes state);
void ks_tracer_bundle(struct ks_tracer *tracer, struct ks_bytes bundle,
                      const struct ks_site *site);
/* The row is complete: ERR is how it ended, FACTS those of the last exchange, whatever it was
 * for. Hands it out, unless nothing has left the device; returns ERR, its detail stored as
 * before. */
enum ks_err ks_tracer_end(struct ks_tracer *tracer, enum ks_err err,
                          const struct ks_session_facts *facts);
/* No row after all. */
void ks_tracer_drop(struct ks_tracer *tracer);

/* --- of a client, for jobs.c -------------------------------------------------------------- */
struct ks_tracer *ks_client_tracer(struct ks_client *client);
const struct ks_session_facts *ks_client_facts(const struct ks_client *client);
const struct ks_site *ks_client_site(const struct ks_client *client);

#endif
