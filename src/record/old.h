/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* old.h: records of the schemas "0.1" and "qpoe-0.1": what quantum-proof-of-execution wrote
 * before there was a ledger. Read, hashed and verified as its tools did, and written so that
 * they accept them (docs/formats/old-records.md). A record of these says that one key signed
 * it, nothing of a platform. Pure. */
#ifndef KS_RECORD_OLD_H
#define KS_RECORD_OLD_H

#include "crypto/digest.h"
#include "crypto/sign.h"

#define KS_OLD_BYTES_MAX (32 * 1024 * 1024)
#define KS_OLD_HASH_TEXT 72 /* "sha256:", 64 hexadecimal digits, NUL */

enum ks_old_schema { KS_OLD_0_1, KS_OLD_QPOE_0_1 };
const char *ks_old_schema_name(enum ks_old_schema schema); /* "0.1", "qpoe-0.1" */
/* KS_ERR_USAGE naming those that there are. */
KS_MUST_CHECK enum ks_err ks_old_schema_find(const char *name, enum ks_old_schema *out_schema);

/* The workload that a record states, as far as a circuit can be built again from it. Texts are
 * borrowed from the record; an absent one is empty. */
struct ks_old_workload {
    struct ks_bytes name;
    struct ks_bytes framework; /* "0.1": workload.sdk */
    struct ks_bytes framework_version;
    struct ks_bytes circuit_hash; /* as stated; "0.1" has none */
    bool whole;                   /* the four numbers are there, and are such numbers */
    uint64_t qubits;
    uint64_t depth;
    uint64_t seed;
    uint64_t shots;
};

struct ks_old_record;
/* KS_ERR_NOT_FOUND, with nothing logged of it, when TEXT is JSON but of neither schema. */
KS_MUST_CHECK enum ks_err ks_old_parse(struct ks_bytes text, struct ks_old_record **out_record);
void ks_old_free(struct ks_old_record *record); /* NULL is fine */
enum ks_old_schema ks_old_schema_of(const struct ks_old_record *record);
const struct ks_old_workload *ks_old_workload_of(const struct ks_old_record *record);
/* The hash of the core as it is computed, the way its schema writes it: with "sha256:" in
 * front, or without. */
void ks_old_hash(const struct ks_old_record *record, char target[KS_OLD_HASH_TEXT]);
/* Whether the record states that hash; false too when it states none. */
bool ks_old_hash_stated(const struct ks_old_record *record);
/* KS_ERR_VERIFY naming what does not hold: the stated hash, the signature. *OUT_SIGNED is false
 * for a record that says itself that nobody signed it, which "0.1" may. */
KS_MUST_CHECK enum ks_err ks_old_verify(const struct ks_old_record *record, bool *out_signed);

/* A record to write. Texts are UTF-8; COUNTS is a canonical JSON object. */
struct ks_old_spec {
    enum ks_old_schema schema;
    struct ks_bytes framework;
    struct ks_bytes framework_version; /* not in "0.1" */
    struct ks_bytes backend;
    struct ks_bytes circuit_hash; /* "sha256:…"; not in "0.1" */
    struct ks_bytes counts;
    struct ks_bytes name;
    uint64_t qubits;
    uint64_t depth;
    uint64_t seed;
    uint64_t shots;
    struct ks_bytes record_id;  /* "0.1": a UUID */
    struct ks_bytes started_at; /* "2026-01-14T02:01:23Z" */
    struct ks_bytes finished_at;
    const struct ks_sign_key *key; /* Ed25519; NULL: unsigned, "0.1" alone */
};
/* Appends the record as json.dumps(sort_keys=True, indent=2) lays it out, without a newline at
 * the end. */
KS_MUST_CHECK enum ks_err ks_old_write(const struct ks_old_spec *spec, struct ks_buf *out);

#endif
