/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* learn.h: models and series by name, or described in a file of YAML (docs/learning.md). What
 * holds a '/' or ends in ".yaml" is a file. */
#ifndef KS_CONFIG_LEARN_H
#define KS_CONFIG_LEARN_H

#include "learn/model.h"
#include "learn/series.h"

/* The model called or described by NAME for inputs of DIMS and INPUT, with OUTPUTS outputs. */
KS_MUST_CHECK enum ks_err ks_config_model(const char *name, unsigned dims,
                                          const unsigned input[3], unsigned outputs,
                                          struct ks_model_spec *out_spec);
KS_MUST_CHECK enum ks_err ks_config_series(const char *name,
                                           struct ks_series_schema *out_schema);

#endif
