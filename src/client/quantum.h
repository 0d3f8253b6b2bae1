/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* quantum.h: which one-time keys a device uses (its file keys.json), and the device as an
 * application (master SAE) of its own key manager, ETSI GS QKD 014. Inside src/client only. One
 * thread. Format: docs/formats/device.md. */
#ifndef KS_CLIENT_QUANTUM_H
#define KS_CLIENT_QUANTUM_H

#include "client/keyring.h"
#include "record/record.h"

struct ks_quantum;

/* PATH NULL: keys of the site's own delivery alone. Paths in the file are relative to its
 * folder. Connects nothing yet. */
KS_MUST_CHECK enum ks_err ks_quantum_open(const char *path, struct ks_quantum **out_quantum);
void ks_quantum_close(struct ks_quantum *quantum); /* NULL is fine */

enum ks_key_source ks_quantum_source(const struct ks_quantum *quantum);
/* Whether keys of the site's own delivery will do where the manager cannot be had. */
bool ks_quantum_falls_back(const struct ks_quantum *quantum);
/* How many to fetch at once; below how many to fetch. */
size_t ks_quantum_batch(const struct ks_quantum *quantum);
size_t ks_quantum_low(const struct ks_quantum *quantum);
/* The device's name with the managers; of a source with a manager alone. */
const struct ks_etsi014_sae *ks_quantum_sae(const struct ks_quantum *quantum);

/* COUNT fresh keys, at most KS_ETSI014_KEYS_MAX. KS_ERR_UNAVAILABLE, saying what happened, when
 * the manager is down, slow, short of keys, or answers anything else. The caller wipes them. */
KS_MUST_CHECK enum ks_err ks_quantum_fetch(struct ks_quantum *quantum, size_t count,
                                           struct ks_keyring_quantum *out_keys);

#endif
