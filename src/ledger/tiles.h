/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tiles.h: the tiles of a ledger in memory, for whoever derives them from entries anew at each
 * start. 64 bytes an entry. One thread. */
#ifndef KS_LEDGER_TILES_H
#define KS_LEDGER_TILES_H

#include "ledger/ledger.h"

KS_MUST_CHECK enum ks_err ks_tiles_memory_new(struct ks_tile_store *out_store);
void ks_tiles_memory_free(struct ks_tile_store *store); /* zeroed is fine */

#endif
