/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ima.h: the kernel's list of measured files (Linux: binary_runtime_measurements; templates
 * ima, ima-ng and ima-sig, little-endian) and its replay to PCR 10 of a sha256 bank. Format as
 * read: docs/formats/platform-logs.md. Pure. A log owns its list of entries; paths and digests
 * borrow from the bytes it was parsed from. */
#ifndef KS_ATTEST_IMA_H
#define KS_ATTEST_IMA_H

#include "attest/quote.h"
#include "base/buf.h"

#define KS_IMA_PCR           10                 /* the kernel's default; no other is accepted */
#define KS_IMA_LOG_MAX       (32 * 1024 * 1024) /* bytes */
#define KS_IMA_ENTRIES_MAX   131072
#define KS_IMA_TEMPLATE_MAX  (64 * 1024) /* bytes of one entry's template data */
#define KS_IMA_PATH_MAX      4096        /* bytes of a path; "ima" has at most 255 */
#define KS_IMA_DIGEST_MAX    64          /* bytes of a file's digest */
#define KS_IMA_TEMPLATE_HASH 20          /* bytes: the list names entries by SHA-1 */
#define KS_IMA_ALG_MAX       16          /* characters of an algorithm's name */

enum ks_ima_template { KS_IMA_IMA, KS_IMA_NG, KS_IMA_SIG };
const char *ks_ima_template_name(enum ks_ima_template kind); /* "ima", "ima-ng", "ima-sig" */

struct ks_ima_entry {
    enum ks_ima_template kind;
    /* The kernel could not say what was read (a file open for writing, say): the entry has a
     * digest of zeros, and all ones went into the PCR. */
    bool violation;
    uint8_t template_sha1[KS_IMA_TEMPLATE_HASH]; /* as the list has it */
    uint8_t template_sha256[KS_PCR_DIGEST_LEN];  /* over the same bytes */
    struct ks_bytes alg;                         /* "sha256", "sha1"; borrowed */
    struct ks_bytes digest;                      /* of the file; borrowed */
    struct ks_bytes path;                        /* UTF-8 is not promised; borrowed */
    struct ks_bytes signature; /* security.ima's, or empty; not checked; borrowed */
};

struct ks_ima_log {
    struct ks_ima_entry *entries; /* owned */
    size_t count;
};

/* Reads a list. KS_ERR_FORMAT with the index of the entry (from 1) for another template or PCR,
 * a template hash that is not the SHA-1 of the template data (unless a violation), an unknown
 * algorithm or a digest not of its length, a path with a NUL inside, bytes left over;
 * KS_ERR_LIMIT above the limits. An empty list is KS_ERR_FORMAT. */
KS_MUST_CHECK enum ks_err ks_ima_log_parse(struct ks_bytes bytes, struct ks_ima_log *out_log);
void ks_ima_log_done(struct ks_ima_log *log); /* NULL and zeroed are fine */

/* How the kernel fed a sha256 bank. */
enum ks_ima_rule {
    KS_IMA_PER_BANK, /* Linux >= 5.8: SHA-256 over the template data; violations 32 x 0xff */
    KS_IMA_PADDED,   /* before: the SHA-1, and twelve zero bytes; violations 20 x 0xff, 12 zeros
                      */
};
const char *ks_ima_rule_name(enum ks_ima_rule rule); /* "per-bank", "zero-padded SHA-1" */

/* PCR 10 after the first COUNT entries (asserted <= log->count), starting from INITIAL. */
void ks_ima_log_replay(const struct ks_ima_log *log, enum ks_ima_rule rule, size_t count,
                       const uint8_t initial[KS_PCR_DIGEST_LEN],
                       uint8_t out_value[KS_PCR_DIGEST_LEN]);

/* The list grows while a quote is made, so that one read after it may hold more than was
 * quoted. Finds the rule and the number of entries, at least one, that give VALUE.
 * KS_ERR_VERIFY when no prefix under either rule does. Entries after *OUT_COUNT are not
 * attested. */
KS_MUST_CHECK enum ks_err ks_ima_log_match(const struct ks_ima_log *log,
                                           const uint8_t initial[KS_PCR_DIGEST_LEN],
                                           const uint8_t value[KS_PCR_DIGEST_LEN],
                                           enum ks_ima_rule *out_rule, size_t *out_count);
size_t ks_ima_log_violations(const struct ks_ima_log *log, size_t count);

#endif
