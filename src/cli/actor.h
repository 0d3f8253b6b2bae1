/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* actor.h: a device of a lab that carries out the steps of a plan (plan.h), behind a relay of
 * its own (proxy.h), through which all of its jobs go. One thread each. */
#ifndef KS_CLI_ACTOR_H
#define KS_CLI_ACTOR_H

#include "cli/lab.h"
#include "cli/plan.h"
#include "cli/proxy.h"
#include "detect/trace.h"

struct ks_actor;

struct ks_actor_spec {
    const struct ks_lab *lab; /* borrowed, as the impostors are */
    unsigned device;
    uint64_t seed;            /* of the relay's */
    struct ks_tls *impostor;  /* of another CA */
    struct ks_tls *classical; /* of classical TLS */
};
KS_MUST_CHECK enum ks_err ks_actor_open(const struct ks_actor_spec *spec,
                                        struct ks_actor **out_actor);
void ks_actor_close(struct ks_actor *actor); /* NULL is fine */

/* A small job that no data set has: keys are fetched, the site has been used. */
KS_MUST_CHECK enum ks_err ks_actor_warm_up(struct ks_actor *actor);
/* The same until one is signed with a quantum key. KS_ERR_UNAVAILABLE where none comes within a
 * minute. */
KS_MUST_CHECK enum ks_err ks_actor_await_quantum(struct ks_actor *actor);
/* Forgets its one-time keys. */
KS_MUST_CHECK enum ks_err ks_actor_forget_keys(struct ks_actor *actor);

/* Carries out STEP. OUT_TRACE is what the device's own client says of the job, which may well
 * have failed. An error when the job failed though nothing was done to it, or what was to be
 * done could not be. */
KS_MUST_CHECK enum ks_err ks_actor_perform(struct ks_actor *actor,
                                           const struct ks_plan_step *step,
                                           struct ks_trace *out_trace);

#endif
