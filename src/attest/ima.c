/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attest/ima.h"

#include "attest/wire.h"
#include "crypto/digest.h"
#include "crypto/tpmcred.h"

#define ENTRIES_FIRST     256 /* room for that many; doubles */
#define TEMPLATE_NAME_MAX 16
#define OLD_NAME_LEN                                                                           \
    256 /* the "ima" template hashes names filled up to it (Linux ima_crypto.c) */
_Static_assert((KS_IMA_ENTRIES_MAX & (KS_IMA_ENTRIES_MAX - 1)) == 0 &&
                   KS_IMA_ENTRIES_MAX >= ENTRIES_FIRST,
               "the room doubles up to the limit");

static const char *const template_names[] = {
    [KS_IMA_IMA] = "ima", [KS_IMA_NG] = "ima-ng", [KS_IMA_SIG] = "ima-sig"};

const char *ks_ima_template_name(enum ks_ima_template kind)
{
    KS_ASSERT((unsigned)kind < sizeof template_names / sizeof template_names[0]);
    return template_names[kind];
}

const char *ks_ima_rule_name(enum ks_ima_rule rule)
{
    return rule == KS_IMA_PER_BANK ? "per-bank" : "zero-padded SHA-1";
}

/* --- reading ------------------------------------------------------------------------------ */

static enum ks_err find_template(struct ks_bytes name, enum ks_ima_template *out_kind)
{
    for (size_t i = 0; i < sizeof template_names / sizeof template_names[0]; i++) {
        if (ks_bytes_is(name, template_names[i])) {
            *out_kind = (enum ks_ima_template)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "its template is none of ima, ima-ng, ima-sig");
}

/* A path of 1 to KS_IMA_PATH_MAX bytes without a NUL. */
static enum ks_err check_path(struct ks_bytes path)
{
    enum ks_err err = KS_OK;

    KS_CHECK(path.len >= 1 && path.len <= KS_IMA_PATH_MAX, KS_ERR_FORMAT,
             "a path of %zu bytes, not 1 to %d", path.len, KS_IMA_PATH_MAX);
    for (size_t i = 0; i < path.len; i++) {
        KS_CHECK(path.data[i] != '\0', KS_ERR_FORMAT, "a NUL inside its path");
    }
out:
    return err;
}

/* Field d-ng: algorithm, ':', NUL, digest. */
static enum ks_err read_digest(struct ks_bytes field, struct ks_ima_entry *entry)
{
    enum ks_err err = KS_OK;
    static const struct {
        const char *name;
        size_t len;
    } algs[] = {{"sha1", 20},   {"sha224", 28}, {"sha256", 32}, {"sha384", 48},
                {"sha512", 64}, {"md5", 16},    {"sm3", 32}};
    struct ks_reader reader = ks_reader_of(field, "digest");
    size_t colon = 0;
    size_t known = 0;
    struct ks_bytes mark;

    while (colon < field.len && colon < KS_IMA_ALG_MAX && field.data[colon] != ':') {
        colon++;
    }
    KS_TRY(ks_read_bytes(&reader, colon, &entry->alg));
    KS_TRY(ks_read_bytes(&reader, 2, &mark));
    KS_CHECK(ks_bytes_equal(mark, KS_LITERAL(":\0")), KS_ERR_FORMAT,
             "a digest without an algorithm");
    entry->digest = reader.rest;
    while (known < sizeof algs / sizeof algs[0] && !ks_bytes_is(entry->alg, algs[known].name)) {
        known++;
    }
    KS_CHECK(known < sizeof algs / sizeof algs[0], KS_ERR_FORMAT, "an unknown algorithm");
    KS_CHECK(entry->digest.len == algs[known].len, KS_ERR_FORMAT,
             "a digest of %zu bytes under %s", entry->digest.len, algs[known].name);
out:
    return err;
}

/* The template "ima" has no length of its data: a SHA-1, and the name behind its length. It is
 * hashed without that length, the name filled up with zeros. */
static enum ks_err read_old(struct ks_reader *reader, struct ks_ima_entry *entry)
{
    enum ks_err err = KS_OK;
    static const uint8_t zeros[OLD_NAME_LEN];
    uint8_t sha1[KS_SHA1_LEN];

    KS_TRY(ks_read_bytes(reader, KS_SHA1_LEN, &entry->digest));
    entry->alg = KS_LITERAL("sha1");
    KS_TRY(ks_wire_le_lp32(reader, OLD_NAME_LEN - 1, &entry->path));
    KS_TRY(check_path(entry->path));
    const struct ks_bytes parts[] = {entry->digest, entry->path,
                                     ks_bytes_of(zeros, OLD_NAME_LEN - entry->path.len)};
    ks_tpm_digest(KS_TPM_SHA256, parts, 3, entry->template_sha256);
    ks_tpm_digest(KS_TPM_SHA1, parts, 3, sha1);
    KS_CHECK(entry->violation || ks_bytes_equal(KS_BYTES(sha1), KS_BYTES(entry->template_sha1)),
             KS_ERR_FORMAT, "its template hash is not the SHA-1 of its data");
out:
    return err;
}

static enum ks_err read_new(struct ks_reader *reader, struct ks_ima_entry *entry)
{
    enum ks_err err = KS_OK;
    struct ks_bytes data;
    struct ks_bytes field;
    uint8_t sha1[KS_SHA1_LEN];

    KS_TRY(ks_wire_le_lp32(reader, KS_IMA_TEMPLATE_MAX, &data));
    struct ks_reader fields = ks_reader_of(data, "template data");
    KS_TRY(ks_wire_le_lp32(&fields, KS_IMA_TEMPLATE_MAX, &field));
    KS_TRY(read_digest(field, entry));
    KS_TRY(ks_wire_le_lp32(&fields, KS_IMA_TEMPLATE_MAX, &field));
    KS_CHECK(field.len >= 1 && field.data[field.len - 1] == '\0', KS_ERR_FORMAT,
             "a path without its NUL");
    entry->path = ks_bytes_of(field.data, field.len - 1);
    KS_TRY(check_path(entry->path));
    if (entry->kind == KS_IMA_SIG) {
        KS_TRY(ks_wire_le_lp32(&fields, KS_IMA_TEMPLATE_MAX, &entry->signature));
    }
    KS_TRY(ks_read_end(&fields));
    ks_sha256(data, entry->template_sha256);
    ks_tpm_digest(KS_TPM_SHA1, &data, 1, sha1);
    KS_CHECK(entry->violation || ks_bytes_equal(KS_BYTES(sha1), KS_BYTES(entry->template_sha1)),
             KS_ERR_FORMAT, "its template hash is not the SHA-1 of its data");
out:
    return err;
}

static enum ks_err read_entry(struct ks_reader *reader, struct ks_ima_entry *out_entry)
{
    enum ks_err err = KS_OK;
    struct ks_ima_entry entry = {0};
    static const uint8_t zeros[KS_SHA1_LEN];
    uint32_t pcr;
    struct ks_bytes name;

    KS_TRY(ks_wire_le32(reader, &pcr));
    KS_CHECK(pcr == KS_IMA_PCR, KS_ERR_FORMAT, "PCR %u, want %d", (unsigned)pcr, KS_IMA_PCR);
    KS_TRY(ks_read_copy(reader, entry.template_sha1, sizeof entry.template_sha1));
    entry.violation = ks_bytes_equal(KS_BYTES(entry.template_sha1), KS_BYTES(zeros));
    KS_TRY(ks_wire_le_lp32(reader, TEMPLATE_NAME_MAX, &name));
    KS_TRY(find_template(name, &entry.kind));
    KS_TRY(entry.kind == KS_IMA_IMA ? read_old(reader, &entry) : read_new(reader, &entry));
    *out_entry = entry;
out:
    return err;
}

static enum ks_err grow(struct ks_ima_log *log, size_t *room)
{
    size_t wanted = *room == 0 ? ENTRIES_FIRST : 2 * *room;
    struct ks_ima_entry *entries;

    if (log->count < *room) {
        return KS_OK;
    }
    if (log->count == KS_IMA_ENTRIES_MAX) {
        return ks_fail(KS_ERR_LIMIT, "file list: more than %d entries", KS_IMA_ENTRIES_MAX);
    }
    entries = ks_realloc(log->entries, wanted, sizeof *entries);
    if (entries == NULL) {
        return ks_fail(KS_ERR_NOMEM, "file list: out of memory");
    }
    log->entries = entries;
    *room = wanted;
    return KS_OK;
}

enum ks_err ks_ima_log_parse(struct ks_bytes bytes, struct ks_ima_log *out_log)
{
    enum ks_err err = KS_OK;
    struct ks_ima_log log = {0};
    struct ks_reader reader = ks_reader_of(bytes, "entry");
    size_t room = 0;

    KS_CHECK(bytes.len <= KS_IMA_LOG_MAX, KS_ERR_LIMIT, "file list: %zu bytes, limit %d",
             bytes.len, KS_IMA_LOG_MAX);
    KS_CHECK(bytes.len > 0, KS_ERR_FORMAT, "file list: empty");
    while (reader.rest.len > 0) {
        KS_TRY(grow(&log, &room));
        KS_TRY(ks_fail_prefix(read_entry(&reader, &log.entries[log.count]),
                              "file list: entry %zu", log.count + 1));
        log.count++;
    }
    *out_log = log;
    log = (struct ks_ima_log){0};
out:
    ks_ima_log_done(&log);
    return err;
}

void ks_ima_log_done(struct ks_ima_log *log)
{
    if (log != NULL) {
        ks_free(log->entries);
        *log = (struct ks_ima_log){0};
    }
}

/* --- replay ------------------------------------------------------------------------------- */

/* VALUE after ENTRY: SHA-256(VALUE || what the kernel extended under RULE). */
static void extend(uint8_t value[KS_PCR_DIGEST_LEN], const struct ks_ima_entry *entry,
                   enum ks_ima_rule rule)
{
    uint8_t digest[KS_PCR_DIGEST_LEN] = {0};
    uint8_t next[KS_PCR_DIGEST_LEN];
    size_t ones = rule == KS_IMA_PER_BANK ? sizeof digest : KS_SHA1_LEN;
    const struct ks_bytes parts[] = {ks_bytes_of(value, KS_PCR_DIGEST_LEN), KS_BYTES(digest)};

    if (entry->violation) {
        for (size_t i = 0; i < ones; i++) {
            digest[i] = 0xff;
        }
    } else if (rule == KS_IMA_PER_BANK) {
        ks_copy(digest, entry->template_sha256, sizeof digest);
    } else {
        ks_copy(digest, entry->template_sha1, KS_SHA1_LEN);
    }
    ks_sha256_parts(parts, 2, next);
    ks_copy(value, next, sizeof next);
}

void ks_ima_log_replay(const struct ks_ima_log *log, enum ks_ima_rule rule, size_t count,
                       const uint8_t initial[KS_PCR_DIGEST_LEN],
                       uint8_t out_value[KS_PCR_DIGEST_LEN])
{
    uint8_t value[KS_PCR_DIGEST_LEN];

    KS_ASSERT(count <= log->count);
    ks_copy(value, initial, sizeof value);
    for (size_t i = 0; i < count; i++) {
        extend(value, &log->entries[i], rule);
    }
    ks_copy(out_value, value, sizeof value);
}

enum ks_err ks_ima_log_match(const struct ks_ima_log *log,
                             const uint8_t initial[KS_PCR_DIGEST_LEN],
                             const uint8_t value[KS_PCR_DIGEST_LEN], enum ks_ima_rule *out_rule,
                             size_t *out_count)
{
    static const enum ks_ima_rule rules[] = {KS_IMA_PER_BANK, KS_IMA_PADDED};
    const struct ks_bytes wanted = ks_bytes_of(value, KS_PCR_DIGEST_LEN);

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        uint8_t now[KS_PCR_DIGEST_LEN];

        ks_copy(now, initial, sizeof now);
        /* No value comes twice, short of a collision of SHA-256. */
        for (size_t j = 0; j < log->count; j++) {
            extend(now, &log->entries[j], rules[i]);
            if (ks_bytes_equal(KS_BYTES(now), wanted)) {
                *out_rule = rules[i];
                *out_count = j + 1;
                return KS_OK;
            }
        }
    }
    return ks_fail(KS_ERR_VERIFY,
                   "file list: none of its %zu entries leads to the value of PCR %d",
                   log->count, KS_IMA_PCR);
}

size_t ks_ima_log_violations(const struct ks_ima_log *log, size_t count)
{
    size_t violations = 0;

    KS_ASSERT(count <= log->count);
    for (size_t i = 0; i < count; i++) {
        violations += log->entries[i].violation;
    }
    return violations;
}
