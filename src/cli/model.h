/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* model.h: models of the detector as files, for the commands that score by one. */
#ifndef KS_CLI_MODEL_H
#define KS_CLI_MODEL_H

#include "cli/cli.h"
#include "detect/forest.h"

/* Errors begin with PATH. */
KS_MUST_CHECK enum ks_err ks_cli_model_read(const char *path, struct ks_forest **out_forest);
/* Writes FOREST as FOLDER/HASH.forest, where it may be already. */
KS_MUST_CHECK enum ks_err ks_cli_model_keep(const char *folder, const struct ks_forest *forest);

#endif
