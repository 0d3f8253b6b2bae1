/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* internal.h: one end of a link from inside. A block is a sequence of phases, the same at both
 * ends: in each, one end makes a payload and the other takes it. The payload is cut into
 * messages by link.c; link_phases.c knows what is in them. */
#ifndef KS_QKD_INTERNAL_H
#define KS_QKD_INTERNAL_H

#include "qkd/auth.h"
#include "qkd/cascade.h"
#include "qkd/detector.h"
#include "qkd/finite.h"
#include "qkd/real.h"
#include "qkd/sift.h"
#include "qkd/toeplitz.h"

#define KS_LINK_HEADER_LEN 14 /* kind, more, block, sequence */
#define KS_LINK_CHUNK_MAX  (KS_LINK_MESSAGE_MAX - KS_LINK_HEADER_LEN)
#define KS_LINK_REFILL_LEN (2 * KS_AUTH_TAG_LEN) /* of each key, back into the pool */
#define KS_LINK_PADS       2                     /* a block needs, one each way */

/* Phases in their order; the value is the kind of its messages on the wire. */
enum ks_link_phase {
    KS_LINK_BEGIN = 1,
    KS_LINK_PHOTONS, /* the quantum channel */
    KS_LINK_DETECTED,
    KS_LINK_SIFTED,
    KS_LINK_SHOWN,
    KS_LINK_ASK, /* parities of Alice; repeated with ANSWER */
    KS_LINK_ANSWER,
    KS_LINK_VERIFY,
    KS_LINK_VERIFIED,
    KS_LINK_AMPLIFY,
    KS_LINK_PROOF_ALICE,
    KS_LINK_PROOF_BOB,
    KS_LINK_PHASES,      /* one more than the last */
    KS_LINK_ABORT = 0xff /* no phase: from either end, at any time */
};

struct ks_link {
    enum ks_link_role role;
    struct ks_link_params params;
    uint8_t digest[32]; /* of the protocol */
    const struct ks_gf2 *gf2;
    struct ks_qkd_key seed;
    uint8_t hash_key[KS_AUTH_KEY_LEN];
    struct ks_auth_pool pool;
    uint64_t blocks; /* begun */
    struct ks_link_report report;

    /* the exchange */
    enum ks_link_phase phase;
    bool abort_due; /* the other end is to be told */
    uint32_t sequence_out;
    uint32_t sequence_in;
    struct ks_buf outbox; /* payload of this phase */
    size_t outbox_sent;
    bool outbox_made;
    struct ks_buf inbox;
    struct ks_auth_hash transcript;
    uint8_t proof[KS_AUTH_TAG_LEN]; /* its value before the last message that came */

    /* the block */
    struct ks_qkd_key block_key;
    struct ks_qkd_stream public; /* Alice: what she announces at random */
    struct ks_qkd_source source;
    struct ks_qkd_channel channel;
    struct ks_qkd_detector detector; /* Alice keeps what Bob announced in its clicks */
    uint64_t last_pulse;             /* of the photons sent or received, if any was */
    bool photon_seen;
    struct ks_sift sift;
    struct ks_qkd_key sample_seed; /* announced, as the next */
    struct ks_qkd_key shuffle_seed;
    struct ks_finite_bounds bounds;
    struct ks_cascade *cascade;
    struct ks_buf answer; /* Bob's parities, made before he corrected anything */
    bool verified;
    uint8_t *key; /* distilled, refill included; NULL: none */
    size_t key_len;
};

/* What fills and empties a phase. TAKE gets the whole payload. */
KS_MUST_CHECK enum ks_err ks_link_make(struct ks_link *link, struct ks_buf *out_payload);
KS_MUST_CHECK enum ks_err ks_link_take(struct ks_link *link, struct ks_bytes payload);
/* Goes to the next phase, or ends the block; called when this one is over at this end. */
KS_MUST_CHECK enum ks_err ks_link_advance(struct ks_link *link);
enum ks_link_role ks_link_sender(enum ks_link_phase phase);
size_t ks_link_payload_max(enum ks_link_phase phase);
/* Photons: one message of them at a time. *OUT_MORE: there is another. */
KS_MUST_CHECK enum ks_err ks_link_make_photons(struct ks_link *link, struct ks_buf *out,
                                               bool *out_more);
KS_MUST_CHECK enum ks_err ks_link_take_photons(struct ks_link *link, struct ks_bytes payload,
                                               bool more);
void ks_link_end(struct ks_link *link, enum ks_link_outcome outcome);
KS_MUST_CHECK enum ks_err ks_link_digest(const struct ks_link_protocol *protocol,
                                         uint8_t out_digest[32]);

#endif
