/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* link.h: the two ends of one simulated BB84 link with decoy states: the transmitter ("Alice")
 * and the receiver ("Bob"), two state machines that share nothing but the messages they
 * exchange. Each is deterministic from its own 32-byte seed. Hides source, channel,
 * eavesdropper, detectors, sifting, reconciliation, verification, privacy amplification and
 * authentication.
 *
 * A link distils one block after the other. For each block both ends call ks_link_start, then
 * move messages until ks_link_done:
 *
 *     while ks_link_send says that there is one: carry it to the other end
 *     unless ks_link_done: wait for a message of the other end, ks_link_receive
 *
 * Messages are opaque bytes of at most KS_LINK_MESSAGE_MAX, to be carried in order and whole
 * (docs/formats/qkd-link.md). They are of two channels. Those of the quantum channel go from
 * Alice to Bob alone and hold the simulated photons that reach the receiver, through fibre and
 * eavesdropper; nobody else may look into them, as nobody could without disturbing the light.
 * Those of the classical channel are public; each end authenticates the whole exchange of a
 * block to the other (Wegman-Carter, one-time pads out of a pool that starts with a secret and
 * is refilled from the distilled keys) before any key leaves. Alice learns what Bob detected,
 * and in which bases, through his classical messages and not otherwise; Bob learns her bases
 * and intensities likewise.
 *
 * A block ends with a key, equal at both ends, or with none and the reason. Neither is an
 * error: an error is a message that does not belong here, after which the block is aborted and
 * the next message to send, if any, says so to the other end. No key leaves a block whose
 * computed length is not positive. One thread at a time; a call may compute for a second at
 * 10^7 bits. Pure. */
#ifndef KS_QKD_LINK_H
#define KS_QKD_LINK_H

#include "base/buf.h"

#define KS_LINK_MESSAGE_MAX  ((size_t)1 << 20) /* bytes */
#define KS_LINK_SEED_LEN     32
#define KS_LINK_SECRET_MIN   64 /* bytes: hash key, and pads of a first block */
#define KS_LINK_SECRET_MAX   4096
#define KS_LINK_PULSES_MIN   1000
#define KS_LINK_PULSES_MAX   1000000000000       /* 10^12 in a block */
#define KS_LINK_DETECTED_MAX ((uint32_t)1 << 24) /* clicks in a block */

enum ks_link_role { KS_LINK_ALICE, KS_LINK_BOB };
/* Basis X makes the key, basis Z bounds what an eavesdropper may know of it. */
enum ks_link_basis { KS_LINK_X, KS_LINK_Z };
#define KS_LINK_BASES 2
enum ks_link_intensity { KS_LINK_SIGNAL, KS_LINK_DECOY, KS_LINK_VACUUM };
#define KS_LINK_INTENSITIES 3

/* What both ends must agree on; a digest of it begins each block. */
struct ks_link_protocol {
    uint64_t pulses;                         /* in a block */
    double intensity[KS_LINK_INTENSITIES];   /* photons, the mean; signal > decoy + vacuum */
    double probability[KS_LINK_INTENSITIES]; /* sum 1 */
    double basis_x;                          /* probability that an end chooses X, (0, 1) */
    double sample;       /* share of the sifted X bits shown to estimate the error rate */
    double secrecy;      /* epsilon_sec */
    double correctness;  /* epsilon_cor */
    unsigned frame_bits; /* of reconciliation */
};

enum ks_link_eve {
    KS_LINK_EVE_NONE,
    KS_LINK_EVE_INTERCEPT, /* measures in a random basis and sends on what she saw */
    KS_LINK_EVE_PNS, /* photon-number splitting: keeps one photon of several, blocks single ones
                        so that the signal's rate stays */
};

/* What the light goes through: Alice's end simulates it. */
struct ks_link_fibre {
    double distance_km;
    double loss_db_km;
    enum ks_link_eve eve;
    double eve_share; /* of the pulses, 0 to 1 */
};

/* Two detectors behind a basis choice. */
struct ks_link_detector {
    double efficiency; /* (0, 1]; commutes with the loss, so Alice's end takes it off the light:
                          of what would not be absorbed no photon is simulated */
    double dark;       /* probability of a dark count of one detector at one pulse */
    double misalignment;  /* probability that a photon goes to the wrong detector */
    double afterpulse;    /* probability that one more click follows the dead time */
    uint32_t dead_pulses; /* pulses after a click at which neither detector clicks */
};

struct ks_link_params {
    struct ks_link_protocol protocol;
    struct ks_link_fibre fibre;
    struct ks_link_detector detector;
    const char *kernel; /* for products over GF(2), as of qkd/gf2.h; NULL: the fastest */
};

/* 25 km at 0.2 dB/km, efficiency 0.2, dark counts 1e-6, 10^8 pulses: gives a key. */
struct ks_link_params ks_link_params_default(void);
/* KS_ERR_USAGE, naming the first that is out of range. */
KS_MUST_CHECK enum ks_err ks_link_params_check(const struct ks_link_params *params);

/* clang-format off */
/*      name            text               meaning */
#define KS_LINK_OUTCOME_LIST(X)                                                                   \
    X(RUNNING,          "running",         "the block is not done")                               \
    X(KEY,              "key",             "both ends have the key")                              \
    X(NO_DETECTIONS,    "no-detections",   "too few pulses were detected in both bases")          \
    X(LENGTH,           "length",          "no secret bits are left by the finite-key formula")   \
    X(ERROR_RATE,       "error-rate",      "the error rate is over what reconciliation takes")    \
    X(VERIFICATION,     "verification",    "the keys still differed after reconciliation")        \
    X(AUTHENTICATION,   "authentication",  "the other end did not prove the exchange")            \
    X(MALFORMED,        "malformed",       "a message was damaged, repeated or out of order")     \
    X(PEER,             "peer",            "the other end gave up")                               \
    X(POOL,             "pool",            "no authentication key is left")
/* clang-format on */
enum ks_link_outcome {
#define KS_LINK_OUTCOME_ENUM(name, text, meaning) KS_LINK_OUTCOME_##name,
    KS_LINK_OUTCOME_LIST(KS_LINK_OUTCOME_ENUM)
#undef KS_LINK_OUTCOME_ENUM
};
const char *ks_link_outcome_text(enum ks_link_outcome outcome);    /* "key", "length" */
const char *ks_link_outcome_meaning(enum ks_link_outcome outcome); /* a clause */

/* Sifted pulses of one basis and intensity that were counted, and of those shown the errors. In
 * X only the sample is shown. */
struct ks_link_count {
    uint64_t sifted;
    uint64_t shown;
    uint64_t errors;
};

/* What is known of a block; equal at both ends but for `received` and `sent` and for what only
 * one of them had learned when it was aborted. Numbers not reached are 0. */
struct ks_link_report {
    uint64_t block; /* from 0 */
    enum ks_link_outcome outcome;
    uint64_t pulses;
    uint64_t detected;
    uint64_t sifted;  /* both bases */
    uint64_t sampled; /* shown and dropped: all of Z, the sample of X */
    struct ks_link_count counts[KS_LINK_BASES][KS_LINK_INTENSITIES];
    double qber[KS_LINK_BASES]; /* of what was shown */
    uint64_t raw_bits;          /* reconciled */
    uint64_t corrected;         /* of those, found wrong */
    uint64_t leaked_bits;       /* parities of Alice's that reconciliation made public */
    double efficiency;          /* f = leaked / (raw h(corrected / raw)); 0 without an error */
    unsigned verify_bits;       /* verification tag, shown besides */
    uint64_t rounds;            /* of reconciliation: one question and one answer each */
    double vacuum_bits;         /* lower bounds on what came of no photon, of one photon */
    double single_bits;
    double phase_error;   /* upper bound in those of one photon */
    int64_t length_bits;  /* by the formula; <= 0: no key */
    uint64_t auth_bits;   /* pads that this block used up, both directions */
    uint64_t secret_bits; /* handed out: length less what refilled the pool, whole bytes */
    uint64_t pool_bits;   /* left for later blocks */
    uint64_t sent;        /* classical messages */
    uint64_t received;
};

struct ks_link;

/* SEED is this end's own randomness and never the other's. SECRET is shared by both ends and
 * fresh: the same bytes twice, over a restart too, would use one-time pads twice. Both are
 * copied. Of PARAMS each end reads the protocol and its side of the rest. KS_ERR_USAGE when out
 * of range. */
KS_MUST_CHECK enum ks_err ks_link_new(enum ks_link_role role,
                                      const struct ks_link_params *params,
                                      const uint8_t seed[KS_LINK_SEED_LEN],
                                      struct ks_bytes secret, struct ks_link **out_link);
void ks_link_free(struct ks_link *link); /* NULL is fine; wipes */

/* Begins the next block and forgets the last one's key. At any time: a block under way is
 * dropped. With too small a pool the block is done at once (KS_LINK_OUTCOME_POOL). */
KS_MUST_CHECK enum ks_err ks_link_start(struct ks_link *link);
/* Appends the next message to send; nothing when there is none for now. */
KS_MUST_CHECK enum ks_err ks_link_send(struct ks_link *link, struct ks_buf *out_message);
/* KS_ERR_FORMAT or KS_ERR_LIMIT: not a message that this end waits for; KS_ERR_VERIFY: a tag
 * was false; KS_ERR_DENIED: a tag under a pad that was used; KS_ERR_NOMEM. The block is then
 * aborted, unless it was done already. */
KS_MUST_CHECK enum ks_err ks_link_receive(struct ks_link *link, struct ks_bytes message);
/* True when nothing is left to send or receive for this block. */
bool ks_link_done(const struct ks_link *link);
const struct ks_link_report *ks_link_report(const struct ks_link *link); /* borrowed */
/* The key of a done block with KS_LINK_OUTCOME_KEY, secret_bits / 8 bytes; else empty. Borrowed
 * and valid until the next call of start, or free, which wipe it. When the connection breaks
 * before Alice has the last message, Bob has a key that Alice has not: what he hands out of it
 * finds no pair. An abort that Alice still sends takes it back. */
struct ks_bytes ks_link_key(const struct ks_link *link);

#endif
