/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* reference.h: the reference policy for devices as an operator writes it, in YAML
 * (docs/formats/reference.md), turned into the canonical JSON of attest/reference.h. */
#ifndef KS_CONFIG_REFERENCE_H
#define KS_CONFIG_REFERENCE_H

#include "attest/reference.h"

/* Appends the canonical JSON of the file PATH, which was parsed once to see that it is one.
 * Errors name the file and what is wrong in it. */
KS_MUST_CHECK enum ks_err ks_reference_load(const char *path, struct ks_buf *out);

#endif
