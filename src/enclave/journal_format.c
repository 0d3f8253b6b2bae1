/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/journal_format.h"

#include "crypto/digest.h"
#include "enclave/journal.h"

#define MAGIC       "ketseal-journal\n"
#define MAGIC_LEN   16
#define BODY_LEN    (KS_JOURNAL_RECORD_LEN - KS_JOURNAL_TAG_LEN)
#define MARK_LEN    (4 + 8 + 4) /* type, number, mark; the rest of a mark's body is zero */
#define HEADER_BODY (KS_JOURNAL_HEADER_LEN - KS_JOURNAL_TAG_LEN)

_Static_assert(sizeof MAGIC - 1 == MAGIC_LEN, "magic");
_Static_assert(HEADER_BODY == MAGIC_LEN + 4 + 8 + 8 + 16 + 4, "header");
_Static_assert(BODY_LEN ==
                   MARK_LEN + 32 + 4 + 8 + 32 + KS_JOURNAL_NONCE_LEN + KS_JOURNAL_SEALED_LEN,
               "record");
_Static_assert(KS_JOURNAL_TAG_LEN == KS_HMAC_SHA256_LEN, "tag");

/* HMAC(key, previous tag || body): the tag before is part of what each tag covers. */
static void chain(const uint8_t mac_key[32], struct ks_bytes previous, struct ks_bytes body,
                  uint8_t out_tag[KS_JOURNAL_TAG_LEN])
{
    uint8_t message[KS_JOURNAL_TAG_LEN + KS_JOURNAL_RECORD_LEN];

    KS_ASSERT(previous.len + body.len <= sizeof message);
    ks_copy(message, previous.data, previous.len);
    ks_copy(message + previous.len, body.data, body.len);
    ks_hmac_sha256(ks_bytes_of(mac_key, 32), ks_bytes_of(message, previous.len + body.len),
                   out_tag);
}

/* --- writing ------------------------------------------------------------------------------ */

void ks_journal_put_header(struct ks_buf *out, const struct ks_journal_header *header,
                           const uint8_t mac_key[32], uint8_t out_tag[KS_JOURNAL_TAG_LEN])
{
    const size_t start = out->len;

    KS_ASSERT(header->rewriting > 0);
    ks_buf_put(out, KS_LITERAL(MAGIC));
    ks_buf_put_u32(out, KS_JOURNAL_VERSION);
    ks_buf_put_u64(out, header->instance);
    ks_buf_put_u64(out, header->number_next);
    ks_buf_put_u64(out, header->rewriting);
    ks_buf_put(out, ks_bytes_of(header->generation + 8, sizeof header->generation - 8));
    ks_buf_put_u32(out, header->base_count);
    if (out->err == KS_OK) {
        chain(mac_key, ks_bytes_of(NULL, 0), ks_bytes_of(out->data + start, HEADER_BODY),
              out_tag);
        ks_buf_put(out, ks_bytes_of(out_tag, KS_JOURNAL_TAG_LEN));
    }
}

void ks_journal_put_record(struct ks_buf *out, const struct ks_journal_record *record,
                           const uint8_t mac_key[32], uint8_t tag[KS_JOURNAL_TAG_LEN])
{
    static const uint8_t zeros[BODY_LEN - MARK_LEN];
    const size_t start = out->len;

    ks_buf_put_u32(out, (uint32_t)record->type);
    ks_buf_put_u64(out, record->number);
    ks_buf_put_u32(out, record->mark);
    if (record->type == KS_JOURNAL_BATCH) {
        ks_buf_put(out, KS_BYTES(record->device));
        ks_buf_put_u32(out, record->count);
        ks_buf_put_u64(out, record->expires_s);
        ks_buf_put(out, KS_BYTES(record->salt));
        ks_buf_put(out, KS_BYTES(record->nonce));
        ks_buf_put(out, KS_BYTES(record->sealed));
    } else {
        ks_buf_put(out, KS_BYTES(zeros));
    }
    if (out->err == KS_OK) {
        chain(mac_key, ks_bytes_of(tag, KS_JOURNAL_TAG_LEN),
              ks_bytes_of(out->data + start, BODY_LEN), tag);
        ks_buf_put(out, ks_bytes_of(tag, KS_JOURNAL_TAG_LEN));
    }
}

/* --- reading ------------------------------------------------------------------------------ */

enum ks_err ks_journal_read_header(struct ks_reader *reader, const uint8_t mac_key[32],
                                   struct ks_journal_header *out_header,
                                   uint8_t out_tag[KS_JOURNAL_TAG_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_journal_header header = {0};
    struct ks_bytes body = {0};
    struct ks_bytes magic = {0};
    uint32_t version = 0;
    struct ks_bytes there = {0};
    uint8_t tag[KS_JOURNAL_TAG_LEN];

    KS_TRY(ks_read_bytes(reader, HEADER_BODY, &body));
    KS_TRY(ks_read_bytes(reader, KS_JOURNAL_TAG_LEN, &there));
    struct ks_reader fields = ks_reader_of(body, "journal header");
    KS_TRY(ks_read_bytes(&fields, MAGIC_LEN, &magic));
    KS_CHECK(ks_bytes_equal(magic, KS_LITERAL(MAGIC)), KS_ERR_FORMAT, "not a key journal");
    KS_TRY(ks_read_u32(&fields, &version));
    KS_CHECK(version >= 1 && version <= KS_JOURNAL_VERSION, KS_ERR_FORMAT,
             "a key journal of version %u, this ketseal knows 1 to %d", (unsigned)version,
             KS_JOURNAL_VERSION);
    chain(mac_key, ks_bytes_of(NULL, 0), body, tag);
    KS_CHECK(ks_ct_equal(KS_BYTES(tag), there), KS_ERR_VERIFY,
             "the header's tag is false: changed, or of another enclave");
    KS_TRY(ks_read_u64(&fields, &header.instance));
    KS_TRY(ks_read_u64(&fields, &header.number_next));
    KS_TRY(ks_read_copy(&fields, header.generation, sizeof header.generation));
    if (version > 1) { /* in version 1 all of the generation was random */
        struct ks_reader counted = ks_reader_of(KS_BYTES(header.generation), "generation");

        KS_TRY(ks_read_u64(&counted, &header.rewriting));
        KS_CHECK(header.rewriting > 0 && header.rewriting < UINT64_MAX, KS_ERR_VERIFY,
                 "rewriting %llu", (unsigned long long)header.rewriting);
    }
    KS_TRY(ks_read_u32(&fields, &header.base_count));
    KS_CHECK(header.base_count <= KS_JOURNAL_BATCHES_MAX, KS_ERR_VERIFY,
             "%u batches in the base, limit %d", (unsigned)header.base_count,
             KS_JOURNAL_BATCHES_MAX);
    KS_TRY(ks_read_end(&fields));
    *out_header = header;
    ks_copy(out_tag, tag, sizeof tag);
out:
    return err;
}

static enum ks_err read_batch(struct ks_reader *fields, struct ks_journal_record *record)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_read_copy(fields, record->device, sizeof record->device));
    KS_TRY(ks_read_u32(fields, &record->count));
    KS_TRY(ks_read_u64(fields, &record->expires_s));
    KS_TRY(ks_read_copy(fields, record->salt, sizeof record->salt));
    KS_TRY(ks_read_copy(fields, record->nonce, sizeof record->nonce));
    KS_TRY(ks_read_copy(fields, record->sealed, sizeof record->sealed));
    KS_CHECK(record->count >= 1 && record->count <= KS_JOURNAL_KEYS_MAX, KS_ERR_VERIFY,
             "batch %llu of %u keys", (unsigned long long)record->number,
             (unsigned)record->count);
    KS_CHECK(record->mark <= record->count, KS_ERR_VERIFY, "batch %llu: mark %u of %u keys",
             (unsigned long long)record->number, (unsigned)record->mark,
             (unsigned)record->count);
out:
    return err;
}

/* The body of a record whose tag is true. */
static enum ks_err read_body(struct ks_bytes body, struct ks_journal_record *out_record)
{
    enum ks_err err = KS_OK;
    static const uint8_t zeros[BODY_LEN - MARK_LEN];
    struct ks_reader fields = ks_reader_of(body, "journal record");
    struct ks_journal_record record = {0};
    uint32_t type = 0;
    struct ks_bytes rest = {0};

    KS_TRY(ks_read_u32(&fields, &type));
    KS_TRY(ks_read_u64(&fields, &record.number));
    KS_TRY(ks_read_u32(&fields, &record.mark));
    KS_CHECK(type == KS_JOURNAL_BATCH || type == KS_JOURNAL_MARK, KS_ERR_VERIFY,
             "a record of type %u", (unsigned)type);
    record.type = (enum ks_journal_type)type;
    if (record.type == KS_JOURNAL_BATCH) {
        KS_TRY(read_batch(&fields, &record));
    } else {
        KS_TRY(ks_read_bytes(&fields, sizeof zeros, &rest));
        KS_CHECK(ks_bytes_equal(rest, KS_BYTES(zeros)), KS_ERR_VERIFY, "bytes after a mark");
        KS_CHECK(record.mark >= 1 && record.mark <= KS_JOURNAL_KEYS_MAX, KS_ERR_VERIFY,
                 "mark %u", (unsigned)record.mark);
    }
    KS_TRY(ks_read_end(&fields));
    *out_record = record;
out:
    return err;
}

enum ks_err ks_journal_read_record(struct ks_reader *reader, const uint8_t mac_key[32],
                                   uint8_t tag[KS_JOURNAL_TAG_LEN],
                                   struct ks_journal_record *out_record, bool *out_true)
{
    enum ks_err err = KS_OK;
    struct ks_bytes body = {0};
    struct ks_bytes there = {0};
    uint8_t expected[KS_JOURNAL_TAG_LEN];

    KS_TRY(ks_read_bytes(reader, BODY_LEN, &body));
    KS_TRY(ks_read_bytes(reader, KS_JOURNAL_TAG_LEN, &there));
    chain(mac_key, ks_bytes_of(tag, KS_JOURNAL_TAG_LEN), body, expected);
    if (!ks_ct_equal(KS_BYTES(expected), there)) {
        *out_true = false;
        goto out;
    }
    KS_TRY(read_body(body, out_record));
    ks_copy(tag, expected, sizeof expected);
    *out_true = true;
out:
    return err;
}
