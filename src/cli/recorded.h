/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* recorded.h: what a bundle records of a circuit, for the commands that compute it again. */
#ifndef KS_CLI_RECORDED_H
#define KS_CLI_RECORDED_H

#include "cli/simulate.h"
#include "record/record.h"

/* KS_ERR_USAGE unless CORE is of a circuit: what else there is cannot be computed again here.
 */
KS_MUST_CHECK enum ks_err ks_cli_recorded_is_circuit(const struct ks_core *core);
/* The circuit of BUNDLE's program: KS_ERR_VERIFY when it is another than was hashed. */
KS_MUST_CHECK enum ks_err ks_cli_recorded_circuit(const struct ks_bundle *bundle,
                                                  struct ks_circuit **out_circuit);
/* The counts of CORE, once more as such. */
KS_MUST_CHECK enum ks_err ks_cli_recorded_counts(const struct ks_core *core,
                                                 struct ks_counts **out_counts);
/* The noise of CORE, checked; *OUT_GIVEN is false where there is none. */
KS_MUST_CHECK enum ks_err ks_cli_recorded_noise(const struct ks_core *core,
                                                struct ks_noise *out_noise, bool *out_given);

#endif
