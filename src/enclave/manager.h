/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* manager.h: the enclave as an application (slave SAE) of its key manager, ETSI GS QKD 014: it
 * fetches the keys that devices have announced. TLS ends here; ketseald opens the socket and
 * carries ciphertext (frames LINK_…). One connection, kept; one exchange at a time, in the
 * order of the announcements. A manager that is down, slow, or says anything but exactly what
 * it was asked for fails the announcement with what happened, and its connection is not used
 * again. One thread; times are monotonic. */
#ifndef KS_ENCLAVE_MANAGER_H
#define KS_ENCLAVE_MANAGER_H

#include "enclave/frame.h"
#include "enclave/launch.h"
#include "qkd/announce.h"

#define KS_MANAGER_WAITING_MAX 64 /* announcements */
#define KS_MANAGER_DEVICE_MAX  4  /* of one device */

struct ks_manager;

/* How an announcement ended: KEYS, COUNT of them, when ERR is KS_OK; else the detail is stored.
 */
struct ks_manager_outcome {
    uint32_t id; /* of the frame that announced */
    uint8_t device[32];
    const struct ks_etsi014_ids *ids;
    enum ks_err err;
    const struct ks_etsi014_key *keys;
};
typedef void (*ks_manager_done)(void *context, const struct ks_manager_outcome *outcome);

/* RULES with a manager. The trust and the own certificate are checked now: nothing is opened
 * later. OUT is where frames to ketseald go, borrowed. */
KS_MUST_CHECK enum ks_err ks_manager_new(const struct ks_key_rules *rules, struct ks_buf *out,
                                         ks_manager_done done, void *context,
                                         struct ks_manager **out_manager);
void ks_manager_free(struct ks_manager *manager); /* NULL is fine */

/* Puts an announcement into the queue. KS_ERR_UNAVAILABLE when it is full. */
KS_MUST_CHECK enum ks_err ks_manager_ask(struct ks_manager *manager, uint32_t id,
                                         const uint8_t device[32],
                                         const struct ks_announce *announce);
/* A LINK_DATA or LINK_CLOSE of ketseald's. */
void ks_manager_data(struct ks_manager *manager, uint32_t link, struct ks_bytes bytes);
void ks_manager_closed(struct ks_manager *manager, uint32_t link, struct ks_bytes reason);
/* Goes on, after anything above and when time has passed. */
void ks_manager_turn(struct ks_manager *manager, uint64_t now_us);
/* When it is to go on by itself; 0: never. */
uint64_t ks_manager_deadline_us(const struct ks_manager *manager);
/* Why the last exchange failed; empty: it did not, or there was none. Borrowed. */
const char *ks_manager_trouble(const struct ks_manager *manager);

#endif
