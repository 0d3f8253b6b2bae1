/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bundle.h: bundles: read from a file; handed over by a site: checked, kept, summed up. */
#ifndef KS_CLI_BUNDLE_H
#define KS_CLI_BUNDLE_H

#include "cli/cli.h"
#include "detect/detection.h"
#include "record/record.h"

/* --json needs standard output for its summary: KS_ERR_USAGE when --out would put the bundle
 * there. To be asked before anything is sent. */
KS_MUST_CHECK enum ks_err ks_cli_bundle_room(const struct ks_cli *cli);
/* Against --policy, or what the device pins: nothing is kept that does not verify. */
KS_MUST_CHECK enum ks_err ks_cli_bundle_check(const struct ks_cli *cli,
                                              const struct ks_buf *bytes);
/* Verifies BYTES against --policy, when it was given; writes them to --out, never over INPUT
 * (may be NULL); prints a summary, with ALERT (may be NULL) where that is JSON. A bundle that
 * fails is not written. */
KS_MUST_CHECK enum ks_err ks_cli_bundle_keep(const struct ks_cli *cli,
                                             const struct ks_buf *bytes, const char *input,
                                             const struct ks_detection *alert);
/* The bundle in the file PATH, read strictly, not verified. */
KS_MUST_CHECK enum ks_err ks_cli_bundle_read(const char *path, struct ks_bundle **out_bundle);
/* The outcomes of RESULT (canonical JSON) as lines "OUTCOME COUNT", at most LINES_MAX of them.
 */
KS_MUST_CHECK enum ks_err ks_cli_outcomes(struct ks_bytes result, size_t lines_max,
                                          struct ks_buf *out);

#endif
