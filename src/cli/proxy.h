/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* proxy.h: somebody on the path between a device and a site, on loopback: a relay of TCP that
 * delays, stalls, throttles, cuts and alters what goes through it, or answers in the site's
 * place. For tests and data sets.
 *
 * A relay ends TCP on both sides, so it cannot drop or reorder segments: what a lost segment
 * does to a program, a pause of a retransmission timeout before anything further arrives, it
 * performs as such a pause. It sees ciphertext, except for the first message of a handshake.
 *
 * It has a thread of its own; all calls may come from any thread. */
#ifndef KS_CLI_PROXY_H
#define KS_CLI_PROXY_H

#include "base/mem.h"
#include "net/tls.h"

#define KS_PROXY_CONNECTIONS_MAX 64
#define KS_PROXY_NEVER           UINT64_MAX

/* What it does. Bytes are counted from the moment that the rules were given, towards the site.
 */
struct ks_proxy_rules {
    uint32_t delay_us;       /* each way */
    uint32_t jitter_us;      /* more of it, evenly from 0 to this; order is kept */
    uint32_t stall_permille; /* of what arrives, and the first, wait as a lost segment would: */
    uint32_t stall_us;       /* so long, and after each further loss twice as long */
    uint64_t bytes_per_s;    /* each way; 0: no limit */
    uint64_t cut_at;         /* the byte with which both connections are reset */
    uint64_t flip_at;        /* the byte of which one bit is turned */
    bool hello;              /* ClientHello is altered: X25519 in the place of every group */
    struct ks_tls *impostor; /* a server's, to which new connections lead; or NULL */
};
/* Relays as it is. */
#define KS_PROXY_RULES_INIT                                                                    \
    ((struct ks_proxy_rules){.cut_at = KS_PROXY_NEVER, .flip_at = KS_PROXY_NEVER})

struct ks_proxy;

/* Listens on a port of its own and relays to TARGET_PORT, both on 127.0.0.1. SEED is that of
 * jitter and losses. */
KS_MUST_CHECK enum ks_err ks_proxy_open(uint16_t target_port, uint64_t seed,
                                        struct ks_proxy **out_proxy);
void ks_proxy_close(struct ks_proxy *proxy); /* NULL is fine */
uint16_t ks_proxy_port(const struct ks_proxy *proxy);

/* From now on, for connections that stand, too. What RULES borrow must live until the next
 * ones. Returns when no connection is under the old ones any more. */
void ks_proxy_set(struct ks_proxy *proxy, const struct ks_proxy_rules *rules);

/* What it did since the last ks_proxy_set. */
struct ks_proxy_deeds {
    uint64_t connections;
    uint64_t bytes_up; /* from devices */
    uint64_t bytes_down;
    uint64_t stalls;
    uint64_t cuts;
    uint64_t flips;
    uint64_t hellos;   /* altered */
    uint64_t refused;  /* handshakes that a device broke off with the impostor */
    uint64_t deceived; /* and that one completed */
};
void ks_proxy_deeds(struct ks_proxy *proxy, struct ks_proxy_deeds *out_deeds);

/* Puts X25519 (0x001d) into each place of the groups that the TLS record HELLO, of LEN bytes,
 * offers: supported_groups of RFC 8446 §4.2.7. False where it is no whole ClientHello. */
bool ks_proxy_downgrade(uint8_t *hello, size_t len);

#endif
