/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_line.h: what writer and reader of a simulated session's records share. Within
 * flsim_record*.c alone. */
#ifndef KS_CLI_FLSIM_LINE_H
#define KS_CLI_FLSIM_LINE_H

#include "cli/flsim_record.h"

#define KS_FLSIM_CONTEXT "ketseal/fl-simulated/1"

/* The one form of what a record says, canonical. */
void ks_flsim_update_core(const struct ks_flsim_update_record *record, struct ks_buf *out);
void ks_flsim_round_core(const struct ks_flsim_round_record *record, struct ks_buf *out);
/* What both keys sign, of the hash of a core. */
void ks_flsim_digest(const uint8_t hash[32], uint8_t out_digest[32]);
/* Puts COUNT hashes in order. Returns whether no two are alike. */
bool ks_flsim_sort(uint8_t *hashes, size_t count);

#endif
