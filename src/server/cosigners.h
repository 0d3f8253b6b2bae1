/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* cosigners.h: collects cosignatures of the site's witnesses (c2sp.org/tlog-witness;
 * docs/formats/witness.md): sends them checkpoints with proofs, checks every line that comes
 * back, says when the quorum is reached. Witnesses are neither trusted nor waited for: each has
 * a deadline, and what it says counts only as far as its pinned keys verify. Hides HTTP,
 * rounds, and what each witness is known to have seen. On the server's own thread, and never
 * blocking.
 *
 * A round is one checkpoint and all witnesses. It ends when all have answered, or when the
 * quorum is reached and a newer checkpoint is due. */
#ifndef KS_SERVER_COSIGNERS_H
#define KS_SERVER_COSIGNERS_H

#include <poll.h>

#include "ledger/ledger.h"
#include "server/config.h"

struct ks_cosigners;

/* The witnesses of CONFIG, whose addresses are looked up now. KS_ERR_IO when there is none of
 * that name. *OUT_COSIGNERS NULL: there are no witnesses. */
KS_MUST_CHECK enum ks_err ks_cosigners_new(const struct ks_config *config,
                                           struct ks_cosigners **out_cosigners);
void ks_cosigners_free(struct ks_cosigners *cosigners); /* NULL is fine */
/* The ports that they are at, for the sandbox. Returns how many. */
size_t ks_cosigners_ports(const struct ks_cosigners *cosigners,
                          uint16_t ports[KS_CONFIG_WITNESSES_MAX]);

/* The newest checkpoint is NOTE, of HEAD; borrowed until the next call: before each turn. */
void ks_cosigners_offer(struct ks_cosigners *cosigners, struct ks_bytes note,
                        const struct ks_head *head);
/* Fills FDS with what to wait for, at most KS_CONFIG_WITNESSES_MAX; returns how many. */
size_t ks_cosigners_pollfds(const struct ks_cosigners *cosigners, struct pollfd *fds);
/* How long to wait at most, in milliseconds; -1: for ever. */
int ks_cosigners_wait_ms(const struct ks_cosigners *cosigners);
/* After poll filled FDS: moves bytes on, takes answers, ends and begins rounds. LEDGER makes
 * proofs. */
void ks_cosigners_turn(struct ks_cosigners *cosigners, const struct pollfd *fds, size_t count,
                       struct ks_ledger *ledger);
/* True when the quorum is reached with lines that were not taken yet: appends the checkpoint
 * with them to OUT_NOTE. False as well when there is no room for it. */
bool ks_cosigners_take(struct ks_cosigners *cosigners, struct ks_buf *out_note,
                       struct ks_head *out_head);

/* All keys and the quorum. */
const struct ks_witnesses *ks_cosigners_keys(const struct ks_cosigners *cosigners);

#endif
