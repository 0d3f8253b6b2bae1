/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tls_memory.h: the client's end of one TLS connection in a process that has no socket: whoever
 * carries the bytes sees ciphertext alone. Hides OpenSSL's memory BIOs. Nothing that is written
 * leaves before the peer is verified (ks_tls_peer), and nothing that the peer sent before is
 * given out. One thread. */
#ifndef KS_NET_TLS_MEMORY_H
#define KS_NET_TLS_MEMORY_H

#include "base/buf.h"
#include "net/tls.h"

struct ks_tls_memory;

/* TLS is a client's, borrowed, and must outlive the connection. HOST is the name or the address
 * that the peer's certificate has to carry. */
KS_MUST_CHECK enum ks_err ks_tls_memory_new(struct ks_tls *tls, const char *host,
                                            struct ks_tls_memory **out_memory);
void ks_tls_memory_free(struct ks_tls_memory *memory); /* NULL is fine; wipes */

/* Takes ciphertext from the peer. */
KS_MUST_CHECK enum ks_err ks_tls_memory_feed(struct ks_tls_memory *memory,
                                             struct ks_bytes ciphertext);
/* Goes as far as it can: handshake, verification, then what stands in OUTGOING, which is
 * consumed as it is sent. Appends ciphertext for the peer to CIPHERTEXT, and what the peer said
 * to INCOMING. KS_ERR_VERIFY when it is not the peer; KS_ERR_IO when the connection has ended
 * or broken. What CIPHERTEXT holds after an error (an alert) may be sent. */
KS_MUST_CHECK enum ks_err ks_tls_memory_turn(struct ks_tls_memory *memory,
                                             struct ks_buf *outgoing, struct ks_buf *ciphertext,
                                             struct ks_buf *incoming);

/* The peer, once it is verified; NULL before, and on the classical profile always. Borrowed. */
const struct ks_cert *ks_tls_memory_peer(const struct ks_tls_memory *memory);
/* As ks_tls_exporter. KS_ERR_NOT_FOUND before the peer is verified. */
KS_MUST_CHECK enum ks_err ks_tls_memory_exporter(const struct ks_tls_memory *memory,
                                                 uint8_t out[KS_TLS_EXPORTER_LEN]);
/* As ks_tls_group. */
uint16_t ks_tls_memory_group(const struct ks_tls_memory *memory);
/* What the peer's alert that ended the connection says: a constant text; NULL where none came.
 */
const char *ks_tls_memory_alert(const struct ks_tls_memory *memory);

#endif
