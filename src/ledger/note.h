/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* note.h: signed notes (c2sp.org/signed-note): a text, a blank line, signature lines; the keys
 * that verify them; and the lines of our own keys. Hides the key ids and what each signature
 * type signs. Pure; a parsed note borrows from its bytes; keys are immutable and may be shared
 * between threads. */
#ifndef KS_LEDGER_NOTE_H
#define KS_LEDGER_NOTE_H

#include "base/buf.h"
#include "crypto/sign.h"
#include "ledger/body.h"

#define KS_NOTE_SIGNATURES_MAX 16           /* lines; the specification demands at least 16 */
#define KS_NOTE_LEN_MAX        (128 * 1024) /* bytes of a whole note */
#define KS_NOTE_SIGNATURE_MAX  8192         /* decoded bytes of a line, key id included */
#define KS_NOTE_VKEY_MAX       4096         /* characters of a vkey */
#define KS_NOTE_KEYS_MAX       32           /* known keys a note may be checked against */

/* Signature types, the byte in a vkey. Other types are refused when a vkey is read. */
enum ks_note_type {
    KS_NOTE_ED25519 = 0x01,          /* Ed25519 over the text */
    KS_NOTE_COSIGNED_ED25519 = 0x04, /* u64 time, Ed25519 over time and text */
    KS_NOTE_COSIGNED_MLDSA44 =
        0x06, /* u64 time, ML-DSA-44 over name, time, origin, size and root */
};

/* --- keys --------------------------------------------------------------------------------- */

/* A name, a type and a public key. */
struct ks_note_key;

/* From raw public key bytes. KS_ERR_FORMAT for a bad name or key. */
KS_MUST_CHECK enum ks_err ks_note_key_new(struct ks_bytes name, enum ks_note_type type,
                                          struct ks_bytes public_key,
                                          struct ks_note_key **out_key);
/* From "NAME+HEX8+BASE64(TYPE || PUBLIC)": canonical base64, lower-case hex, and the key id has
 * to be that of the rest. KS_ERR_FORMAT, also for a type not listed above. */
KS_MUST_CHECK enum ks_err ks_note_key_parse(struct ks_bytes vkey, struct ks_note_key **out_key);
void ks_note_key_free(struct ks_note_key *key); /* NULL is fine */
/* Appends the vkey. */
void ks_note_key_print(const struct ks_note_key *key, struct ks_buf *out);

struct ks_bytes ks_note_key_name(const struct ks_note_key *key); /* borrowed from the key */
enum ks_note_type ks_note_key_type(const struct ks_note_key *key);
uint32_t ks_note_key_id(const struct ks_note_key *key);

/* SHA-256(NAME || 0x0A || TYPE || PUBLIC)[:4] as a big-endian number. */
uint32_t ks_note_key_id_of(struct ks_bytes name, enum ks_note_type type,
                           struct ks_bytes public_key);

/* --- reading ------------------------------------------------------------------------------ */

struct ks_note_line {
    struct ks_bytes name; /* in the note's bytes */
    uint32_t key_id;
    struct ks_bytes signature; /* in the note's own memory, without the key id */
};

/* A note taken apart; nothing of it is verified. */
struct ks_note {
    struct ks_bytes text; /* with its last newline, without the blank line */
    size_t count;
    struct ks_note_line lines[KS_NOTE_SIGNATURES_MAX];
    struct ks_buf decoded;
};

/* Takes apart BYTES, which have to outlive OUT_NOTE. The text ends at the LAST blank line; then
 * 1 to KS_NOTE_SIGNATURES_MAX lines "— NAME BASE64(KEY ID || SIGNATURE)\n" and nothing after
 * them. Refused: invalid UTF-8, control characters other than newline, base64 that is not
 * canonical, two lines of the same name and key id. KS_ERR_FORMAT or KS_ERR_LIMIT. Release with
 * ks_note_done. */
KS_MUST_CHECK enum ks_err ks_note_parse(struct ks_bytes bytes, struct ks_note *out_note);
void ks_note_done(struct ks_note *note); /* NULL and zeroed are fine */
/* Appends the note again: the bytes it was parsed from. */
void ks_note_print(const struct ks_note *note, struct ks_buf *out);
/* Appends one of its signature lines, with the newline. */
void ks_note_print_line(const struct ks_note_line *line, struct ks_buf *out);

/* Who is believed. */
struct ks_note_trust {
    const struct ks_note_key *const *keys; /* borrowed; no two with the same name and id */
    size_t count;                          /* 1 to KS_NOTE_KEYS_MAX */
    /* Every line has to be of a known key and every known key has to have a line: then each
     * byte of the note but the order of its lines is bound by a signature or by the keys. */
    bool exact;
};

/* What KEYS[i] of the trust said. */
struct ks_note_verdict {
    bool has_signed[KS_NOTE_KEYS_MAX];
    uint64_t time_s[KS_NOTE_KEYS_MAX]; /* seconds since 1970; 0 where the type has no time */
};

/* KS_OK when at least one known key has signed and no line of a known key fails. Lines of
 * unknown keys are passed over, unless the trust is exact. KS_ERR_VERIFY otherwise;
 * KS_ERR_USAGE for a bad trust. */
KS_MUST_CHECK enum ks_err ks_note_verify(const struct ks_note *note,
                                         const struct ks_note_trust *trust,
                                         struct ks_note_verdict *out_verdict);

/* --- writing ------------------------------------------------------------------------------ */

/* A private key under a name, for one signature type; borrowed. */
struct ks_note_signer {
    struct ks_bytes name;
    enum ks_note_type type;
    const struct ks_sign_key
        *key; /* Ed25519 or ML-DSA-44, as the type says: else KS_ERR_USAGE */
};

/* Appends the signer's vkey. */
KS_MUST_CHECK enum ks_err ks_note_signer_vkey(const struct ks_note_signer *signer,
                                              struct ks_buf *out);
/* Appends one signature line for TEXT. TIME_S goes into types that have a time (at most
 * KS_NOTE_TIME_MAX) and is not used by others. The type KS_NOTE_COSIGNED_MLDSA44 signs
 * checkpoints only. */
KS_MUST_CHECK enum ks_err ks_note_sign_line(struct ks_bytes text,
                                            const struct ks_note_signer *signer,
                                            uint64_t time_s, struct ks_buf *out);
/* Appends TEXT, the blank line, and one line for each of COUNT signers (1 to
 * KS_NOTE_SIGNATURES_MAX), in their order. OUT is unchanged on failure. */
KS_MUST_CHECK enum ks_err ks_note_sign(struct ks_bytes text,
                                       const struct ks_note_signer *signers, size_t count,
                                       uint64_t time_s, struct ks_buf *out);

#endif
