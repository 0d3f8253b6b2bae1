/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/chain.h"

#include "crypto/digest.h"

#define HEADER_LEN 8 /* u64 rewriting, which the first tag covers */

struct ks_chain {
    struct ks_chain_spec spec;
    struct ks_fs_file *file;
    struct ks_chain_position at; /* before the first record its tag is that of the header */
    bool broken; /* a write failed: what the file ends with is unknown until the next open */
};

/* The file begins, or began, with its REWRITINGth header. */
static void begin(struct ks_chain *chain, uint64_t rewriting, struct ks_buf *out)
{
    uint8_t bytes[HEADER_LEN];
    struct ks_buf header = {.data = bytes, .cap = sizeof bytes, .max = sizeof bytes};

    ks_buf_put_u64(&header, rewriting);
    chain->at.rewriting = rewriting;
    chain->at.records = 0;
    ks_hmac_sha256(KS_BYTES(chain->spec.key), KS_BYTES(bytes), chain->at.tag);
    ks_buf_put(out, KS_BYTES(bytes));
}

/* Appends RECORD and its tag to OUT; the tag becomes the chain's. */
static void put_record(struct ks_chain *chain, struct ks_bytes record, struct ks_buf *out)
{
    const struct ks_bytes parts[] = {KS_BYTES(chain->at.tag), record};
    uint8_t digest[KS_SHA256_LEN];

    KS_ASSERT(record.len == chain->spec.record_len);
    ks_sha256_parts(parts, 2, digest);
    ks_hmac_sha256(KS_BYTES(chain->spec.key), KS_BYTES(digest), chain->at.tag);
    ks_buf_put(out, record);
    ks_buf_put(out, KS_BYTES(chain->at.tag));
}

static bool is_other(const struct ks_chain *chain, const struct ks_chain_position *reached)
{
    return reached != NULL && reached->rewriting == chain->at.rewriting &&
           reached->records == chain->at.records &&
           !ks_bytes_equal(KS_BYTES(reached->tag), KS_BYTES(chain->at.tag));
}

static enum ks_err check_reached(const struct ks_chain *chain,
                                 const struct ks_chain_position *reached)
{
    if (reached != NULL &&
        (chain->at.rewriting < reached->rewriting ||
         (chain->at.rewriting == reached->rewriting && chain->at.records < reached->records))) {
        return ks_fail(KS_ERR_VERIFY,
                       "%s: an older file was put back: %llu records of rewriting %llu, where "
                       "%llu of %llu were",
                       chain->spec.name, (unsigned long long)chain->at.records,
                       (unsigned long long)chain->at.rewriting,
                       (unsigned long long)reached->records,
                       (unsigned long long)reached->rewriting);
    }
    return KS_OK;
}

/* The record that READER stands before, if its tag is true. The last one may be torn; the
 * first never is, since it came by rename. */
static enum ks_err read_record(struct ks_chain *chain, struct ks_reader *reader,
                               struct ks_bytes *out_record, bool *out_torn)
{
    enum ks_err err = KS_OK;
    const size_t whole = chain->spec.record_len + KS_CHAIN_TAG_LEN;
    const struct ks_chain_position before = chain->at;
    struct ks_bytes tag = {0};
    struct ks_buf expected;

    ks_buf_init(&expected, whole);
    *out_torn = false;
    KS_TRY(ks_read_bytes(reader, chain->spec.record_len, out_record));
    KS_TRY(ks_read_bytes(reader, KS_CHAIN_TAG_LEN, &tag));
    put_record(chain, *out_record, &expected);
    KS_TRY(ks_buf_check(&expected));
    if (!ks_ct_equal(tag, KS_BYTES(chain->at.tag))) {
        chain->at = before;
        KS_CHECK(before.records > 0 && reader->rest.len < whole, KS_ERR_VERIFY,
                 "%s: record %llu was changed", chain->spec.name,
                 (unsigned long long)before.records + 1);
        *out_torn = true;
    } else {
        chain->at.records++;
    }
out:
    ks_buf_done(&expected);
    return err;
}

static enum ks_err read_records(struct ks_chain *chain, struct ks_bytes bytes,
                                const struct ks_chain_position *reached, ks_chain_visit visit,
                                void *context)
{
    enum ks_err err = KS_OK;
    const size_t whole = chain->spec.record_len + KS_CHAIN_TAG_LEN;
    struct ks_reader reader = ks_reader_of(bytes, chain->spec.name);
    struct ks_buf header;
    uint64_t rewriting = 0;
    bool torn = false;

    ks_buf_init(&header, HEADER_LEN);
    KS_CHECK(bytes.len >= HEADER_LEN + whole, KS_ERR_VERIFY, "%s: record 1 was cut",
             chain->spec.name);
    KS_TRY(ks_read_u64(&reader, &rewriting));
    begin(chain, rewriting, &header);
    while (reader.rest.len >= whole && !torn) {
        struct ks_bytes record = {0};

        KS_TRY(read_record(chain, &reader, &record, &torn));
        if (!torn) {
            KS_CHECK(chain->at.records <= chain->spec.records_max, KS_ERR_LIMIT,
                     "%s: over %zu records", chain->spec.name, chain->spec.records_max);
            KS_CHECK(!is_other(chain, reached), KS_ERR_VERIFY,
                     "%s: another file was put in its place", chain->spec.name);
            KS_TRY(visit(context, record));
        }
    }
out:
    ks_buf_done(&header);
    return err;
}

enum ks_err ks_chain_open(const struct ks_chain_spec *spec,
                          const struct ks_chain_position *reached, ks_chain_visit visit,
                          void *context, struct ks_chain **out_chain)
{
    enum ks_err err = KS_OK;
    struct ks_chain *chain = ks_calloc(1, sizeof *chain);
    const size_t len_max =
        HEADER_LEN + (spec->record_len + KS_CHAIN_TAG_LEN) * (spec->records_max + 1);
    struct ks_buf bytes;

    ks_buf_init(&bytes, len_max);
    KS_CHECK(chain != NULL, KS_ERR_NOMEM, "%s", spec->name);
    chain->spec = *spec;
    chain->broken = true; /* until it is rewritten */
    err = ks_fs_load(spec->fs, spec->name, len_max, &bytes);
    if (err == KS_OK) {
        KS_TRY(read_records(chain, ks_buf_view(&bytes), reached, visit, context));
    } else {
        KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    }
    KS_TRY(check_reached(chain, reached));
    *out_chain = chain;
    chain = NULL; /* transferred */
out:
    ks_buf_wipe(&bytes);
    ks_chain_close(chain);
    return err;
}

void ks_chain_close(struct ks_chain *chain)
{
    if (chain == NULL) {
        return;
    }
    if (chain->file != NULL) {
        chain->spec.fs->close(chain->file);
    }
    ks_wipe(chain, sizeof *chain);
    ks_free(chain);
}

enum ks_err ks_chain_rewrite(struct ks_chain *chain, struct ks_bytes records)
{
    enum ks_err err = KS_OK;
    const struct ks_fs *fs = chain->spec.fs;
    struct ks_reader reader = ks_reader_of(records, chain->spec.name);
    struct ks_buf bytes;

    ks_buf_init(&bytes, HEADER_LEN + (chain->spec.record_len + KS_CHAIN_TAG_LEN) *
                                         chain->spec.records_max);
    KS_ASSERT(records.len >= chain->spec.record_len);
    chain->broken = true;
    if (chain->file != NULL) {
        fs->close(chain->file);
        chain->file = NULL;
    }
    begin(chain, chain->at.rewriting + 1, &bytes);
    while (reader.rest.len > 0) {
        struct ks_bytes record = {0};

        KS_TRY(ks_read_bytes(&reader, chain->spec.record_len, &record));
        put_record(chain, record, &bytes);
        chain->at.records++;
    }
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(ks_fs_replace(fs, chain->spec.name, ks_buf_view(&bytes)));
    KS_TRY(fs->open(fs->context, chain->spec.name, &chain->file));
    chain->broken = false;
out:
    ks_buf_wipe(&bytes);
    return err;
}

enum ks_err ks_chain_append(struct ks_chain *chain, struct ks_bytes record)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, chain->spec.record_len + KS_CHAIN_TAG_LEN);
    KS_CHECK(!chain->broken, KS_ERR_IO, "%s: an earlier write failed; restart the site",
             chain->spec.name);
    KS_CHECK(chain->at.records < chain->spec.records_max, KS_ERR_LIMIT, "%s: over %zu records",
             chain->spec.name, chain->spec.records_max);
    chain->broken = true;
    put_record(chain, record, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(chain->spec.fs->append(chain->file, ks_buf_view(&bytes)));
    KS_TRY(chain->spec.fs->sync(chain->file));
    chain->at.records++;
    chain->broken = false;
out:
    ks_buf_wipe(&bytes);
    return err;
}

const struct ks_chain_position *ks_chain_position(const struct ks_chain *chain)
{
    return &chain->at;
}
