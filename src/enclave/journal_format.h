/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* journal_format.h: the bytes of the key journal (docs/formats/journal.md): a header, then
 * records of one length, each chained to what stands before it by HMAC. Inside src/enclave, its
 * tests and its fuzzer only. Owns nothing; any thread. */
#ifndef KS_ENCLAVE_JOURNAL_FORMAT_H
#define KS_ENCLAVE_JOURNAL_FORMAT_H

#include "base/buf.h"

#define KS_JOURNAL_VERSION    2
#define KS_JOURNAL_TAG_LEN    32
#define KS_JOURNAL_HEADER_LEN 88
#define KS_JOURNAL_RECORD_LEN 184
#define KS_JOURNAL_NONCE_LEN  12
#define KS_JOURNAL_SEALED_LEN 48 /* a wrapped secret: 32 bytes and the tag of AES-256-GCM */

struct ks_journal_header {
    uint64_t instance;
    uint64_t
        number_next; /* no batch up to here was, or is, given this number or a higher one */
    uint64_t
        rewriting; /* how often the file was written anew; 0: a version that did not count */
    uint8_t generation[16]; /* what of it stands in the file; the random part ties the records
                               to this file and no earlier one */
    uint32_t base_count;    /* batches that were written together with the header */
};

enum ks_journal_type { KS_JOURNAL_BATCH = 1, KS_JOURNAL_MARK = 2 };

struct ks_journal_record {
    enum ks_journal_type type;
    uint64_t number;
    uint32_t mark; /* every key below it counts as spent */
    /* A batch only: */
    uint8_t device[32];
    uint32_t count;
    uint64_t expires_s;
    uint8_t salt[32];
    uint8_t nonce[KS_JOURNAL_NONCE_LEN];
    uint8_t sealed[KS_JOURNAL_SEALED_LEN];
};

/* Appends the header to OUT (REWRITING is at least 1, and the first 8 bytes of the generation
 * become it); its tag, the beginning of the chain, goes to OUT_TAG. MAC_KEY: 32
 * bytes. */
void ks_journal_put_header(struct ks_buf *out, const struct ks_journal_header *header,
                           const uint8_t mac_key[32], uint8_t out_tag[KS_JOURNAL_TAG_LEN]);
/* Appends a record to OUT, chained to TAG, which becomes its own. */
void ks_journal_put_record(struct ks_buf *out, const struct ks_journal_record *record,
                           const uint8_t mac_key[32], uint8_t tag[KS_JOURNAL_TAG_LEN]);

/* The other way. KS_ERR_FORMAT when this is no journal or one of another version, KS_ERR_VERIFY
 * when the tag is false, or true over values that the format does not allow. */
KS_MUST_CHECK enum ks_err ks_journal_read_header(struct ks_reader *reader,
                                                 const uint8_t mac_key[32],
                                                 struct ks_journal_header *out_header,
                                                 uint8_t out_tag[KS_JOURNAL_TAG_LEN]);
/* Reads one whole record chained to TAG. *OUT_TRUE says whether its tag is true: only then
 * OUT_RECORD and TAG are written. */
KS_MUST_CHECK enum ks_err ks_journal_read_record(struct ks_reader *reader,
                                                 const uint8_t mac_key[32],
                                                 uint8_t tag[KS_JOURNAL_TAG_LEN],
                                                 struct ks_journal_record *out_record,
                                                 bool *out_true);

#endif
