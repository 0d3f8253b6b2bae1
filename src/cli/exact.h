/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* exact.h: what circuit simulate answers beside counts, and noise models in files. */
#ifndef KS_CLI_EXACT_H
#define KS_CLI_EXACT_H

#include "cli/simulate.h"

/* The model of --noise, checked; *OUT_GIVEN is false without the flag. */
KS_MUST_CHECK enum ks_err ks_cli_noise(const struct ks_cli *cli, struct ks_noise *out_noise,
                                       bool *out_given);
/* Whether a flag asks for what is not sampled. */
bool ks_cli_exact_wanted(const struct ks_cli *cli);
/* --probabilities, --expect, --amplitudes and --state-out: the answer, as text or JSON. */
KS_MUST_CHECK enum ks_err ks_cli_exact(const struct ks_cli *cli,
                                       const struct ks_circuit *circuit,
                                       const struct ks_simulate_spec *spec, struct ks_buf *out);
/* With --marginal, *COUNTS become those of its bits. */
KS_MUST_CHECK enum ks_err ks_cli_marginal(const struct ks_cli *cli, struct ks_counts **counts);
/* The member "noise" of a result, where there is noise. */
void ks_cli_noise_put(const struct ks_simulate_spec *spec, struct ks_json_writer *writer);

#endif
