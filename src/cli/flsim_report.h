/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_report.h: what a simulated session has shown, from its records alone: tables and
 * figures (docs/formats/fl-simulate.md). */
#ifndef KS_CLI_FLSIM_REPORT_H
#define KS_CLI_FLSIM_REPORT_H

#include "cli/flsim_learn.h"
#include "cli/flsim_record.h"

#define KS_FLSIM_SERIES_CLIENTS 8 /* so many have a line each in the figure of losses */

/* Writes DIRECTORY/rounds.csv, clients.csv and the figures accuracy_by_round (or
 * loss_by_round), participation, client_loss; drawn only if DRAW. The records are checked as
 * they are read. */
struct ks_flsim_report {
    struct ks_bytes records;
    const char *directory;
    bool draw;
    const char *subtitle;
};
KS_MUST_CHECK enum ks_err ks_flsim_report(const struct ks_flsim_report *report,
                                          struct ks_flsim_checked *out_checked);
/* DIRECTORY/sites.csv. */
KS_MUST_CHECK enum ks_err
ks_flsim_report_sites(const char *directory, const struct ks_flsim_site *sites, size_t count);

#endif
