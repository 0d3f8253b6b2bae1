/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* chain.h: a file of records of one length, each tied by HMAC-SHA256 to all before it, so that
 * none can be changed, reordered or cut out of the middle. A record that was torn by a crash
 * was never acted on and is dropped; since all have one length, no other damage looks like
 * that. Putting back an older file, or cutting whole records off its end, shows against a
 * position that was noted elsewhere (enclave/epoch.h). One thread. */
#ifndef KS_ENCLAVE_CHAIN_H
#define KS_ENCLAVE_CHAIN_H

#include "base/sys.h"

#define KS_CHAIN_TAG_LEN 32

struct ks_chain;

/* How far a chain has come; what comes later is greater. */
struct ks_chain_position {
    uint64_t rewriting;            /* how often the file was written anew; 0: there is none */
    uint64_t records;              /* in it */
    uint8_t tag[KS_CHAIN_TAG_LEN]; /* of the last one */
};

struct ks_chain_spec {
    const struct ks_fs *fs; /* borrowed; must outlive the chain */
    const char *name;       /* of the file, and in errors; lives as long as the chain */
    size_t record_len;      /* bytes of a record without its tag */
    size_t records_max;
    uint8_t key[32];
};

/* Called for each record, in order. */
typedef enum ks_err (*ks_chain_visit)(void *context, struct ks_bytes record);

/* Reads the file, if there is one. KS_ERR_VERIFY for a record that was changed, or when the
 * file falls short of REACHED (NULL: any will do) or is another one; KS_ERR_LIMIT for more than
 * RECORDS_MAX; an error of VISIT ends it. Nothing can be appended before ks_chain_rewrite. */
KS_MUST_CHECK enum ks_err ks_chain_open(const struct ks_chain_spec *spec,
                                        const struct ks_chain_position *reached,
                                        ks_chain_visit visit, void *context,
                                        struct ks_chain **out_chain);
void ks_chain_close(struct ks_chain *chain); /* NULL is fine; wipes */
/* Replaces the file by RECORDS, one after the other without tags (at least one, since an empty
 * file could not be told from a lost one): all of it or what was there before. */
KS_MUST_CHECK enum ks_err ks_chain_rewrite(struct ks_chain *chain, struct ks_bytes records);
/* Durable when this returns KS_OK. After a failure KS_ERR_IO until the next open: what the file
 * ends with is not known. */
KS_MUST_CHECK enum ks_err ks_chain_append(struct ks_chain *chain, struct ks_bytes record);
/* Where it stands. Borrowed; changes with the chain. */
const struct ks_chain_position *ks_chain_position(const struct ks_chain *chain);

#endif
