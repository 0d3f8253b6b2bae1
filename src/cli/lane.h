/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* lane.h: jobs over TLS of one suite, to be timed: on a throw-away site of its own, sealed as
 * ever, and on a backend without seals (cli/unsealed.h). Hides sites, certificates, clients and
 * connections. Classical suites have the latter alone: no site takes them, whatever its
 * configuration. One thread, the one that opened it. */
#ifndef KS_CLI_LANE_H
#define KS_CLI_LANE_H

#include "base/buf.h"

/* --- suites ------------------------------------------------------------------------------- */

/* Key exchange, the keys of site and device, who issued for them. */
struct ks_lane_suite {
    const char *name;  /* "x25519mlkem768+mldsa65" */
    const char *label; /* short: "hybrid, ML-DSA-65", hybrid being X25519MLKEM768 */
    const char *leaf;  /* shorter: "ML-DSA-65" */
    const char *root;  /* "ML-DSA-87" */
    bool classical;    /* never sealed */
    bool standard;     /* measured where no suite is named */
};
/* Suite INDEX, or NULL behind the last. */
const struct ks_lane_suite *ks_lane_suite_at(size_t index);
KS_MUST_CHECK enum ks_err ks_lane_suite_find(const char *name,
                                             const struct ks_lane_suite **out_suite);

/* --- lanes -------------------------------------------------------------------------------- */

enum ks_lane_path {
    KS_LANE_SEALED,   /* signed request, enclave, record, bundle */
    KS_LANE_UNSEALED, /* TLS and the simulation */
    KS_LANE_PATHS
};
const char *ks_lane_path_name(enum ks_lane_path path);

enum ks_lane_link {
    KS_LANE_NEW,  /* a connection for the job, its full handshake within the time */
    KS_LANE_KEPT, /* the one that the job before used */
    KS_LANE_LINKS
};
const char *ks_lane_link_name(enum ks_lane_link link);

struct ks_lane;

struct ks_lane_spec {
    const struct ks_lane_suite *suite;
    const char *directory; /* of its site; made */
    const char *libexec;   /* as of struct ks_lab_spec */
};
/* Starts all of it, and runs one job that is not counted on each path. */
KS_MUST_CHECK enum ks_err ks_lane_open(const struct ks_lane_spec *spec,
                                       struct ks_lane **out_lane);
/* Stops all of it, whatever comes; KS_ERR_IO when the site did not end cleanly. */
KS_MUST_CHECK enum ks_err ks_lane_close(struct ks_lane *lane); /* NULL is fine */

struct ks_lane_job {
    enum ks_lane_path path; /* KS_LANE_UNSEALED for classical suites (asserted) */
    enum ks_lane_link link;
    const char *template;
    uint32_t qubits;
    uint32_t depth;
    uint64_t shots;
    uint64_t seed; /* of circuit and sampling */
};
struct ks_lane_time {
    uint64_t rtt_us;     /* from the job's beginning to its whole answer, by our clock */
    uint64_t backend_us; /* of that the backend: of a sealed job what its record says */
};
/* One job. What comes before a round trip (a client's keys read from their files) is not in its
 * time; the delivery of one-time keys is in those that need it, one in 256. */
KS_MUST_CHECK enum ks_err ks_lane_run(struct ks_lane *lane, const struct ks_lane_job *job,
                                      struct ks_lane_time *out_time);

#endif
