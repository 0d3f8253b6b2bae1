/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* build.h: a data set of traces from a plan (plan.h): sites of our own are started, devices
 * carry out the steps, and each job's row, what the device saw joined with what the site saw,
 * is appended to a file (docs/detection.md). The rows stand there in the plan's order, so what
 * is in the file need not be done again, however the last run ended.
 *
 * The sites end with the thread that builds. */
#ifndef KS_CLI_BUILD_H
#define KS_CLI_BUILD_H

#include "cli/plan.h"

#define KS_BUILD_LANES_MAX 32

struct ks_build_progress {
    size_t done;    /* jobs that were carried out */
    size_t resumed; /* of these, before this run */
    size_t count;
    uint64_t elapsed_us;
};

struct ks_build_spec {
    const struct ks_plan *plan;
    const char *out;     /* the file */
    const char *state;   /* a folder for the sites; made, and used again */
    const char *libexec; /* as of struct ks_lab_spec */
    unsigned lanes;      /* devices at work at once: 1 to KS_BUILD_LANES_MAX (asserted) */
    uint64_t seed;       /* of the relays */
    /* Programs in place of a site's, by the room that has them; NULL where no step is there. */
    const char *instead[KS_PLAN_ROOMS];
    void (*progress)(void *context, const struct ks_build_progress *progress);
    void *context;
};

/* What was done in this run. */
struct ks_build_report {
    struct ks_build_progress progress;
    struct {
        uint64_t rows;
        uint64_t failed;  /* whose job came to no record */
        uint64_t busy_us; /* of the devices, together */
    } kinds[KS_PLAN_KINDS];
};

/* KS_ERR_CONFLICT when the file is of another plan, or in use; KS_ERR_UNAVAILABLE when a
 * program is absent. What is in the file by then stays. */
KS_MUST_CHECK enum ks_err ks_build_run(const struct ks_build_spec *spec,
                                       struct ks_build_report *out_report);

#endif
