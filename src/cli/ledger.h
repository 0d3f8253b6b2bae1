/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ledger.h: what commands ask of a site's ledger. */
#ifndef KS_CLI_LEDGER_H
#define KS_CLI_LEDGER_H

#include "ketseal/client.h"
#include "ledger/merkle.h"

/* The member 'path' of the proof at TARGET, whose schema is SCHEMA. What else it says is not
 * believed. */
KS_MUST_CHECK enum ks_err ks_cli_ledger_path(struct ks_client *client, const char *target,
                                             const char *schema,
                                             struct ks_merkle_proof *out_proof);

#endif
