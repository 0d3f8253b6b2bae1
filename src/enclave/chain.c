/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/chain.h"

#include "crypto/digest.h"

struct ks_chain {
    struct ks_chain_spec spec;
    struct ks_fs_file *file;
    uint8_t tag[KS_CHAIN_TAG_LEN]; /* of the last record; zeros before the first */
    size_t count;
    bool broken; /* a write failed: what the file ends with is unknown until the next open */
};

/* Appends RECORD and its tag to OUT; the tag becomes the chain's. */
static void put_record(struct ks_chain *chain, struct ks_bytes record, struct ks_buf *out)
{
    const struct ks_bytes parts[] = {KS_BYTES(chain->tag), record};
    uint8_t digest[KS_SHA256_LEN];

    KS_ASSERT(record.len == chain->spec.record_len);
    ks_sha256_parts(parts, 2, digest);
    ks_hmac_sha256(KS_BYTES(chain->spec.key), KS_BYTES(digest), chain->tag);
    ks_buf_put(out, record);
    ks_buf_put(out, KS_BYTES(chain->tag));
}

static enum ks_err read_records(struct ks_chain *chain, struct ks_bytes bytes,
                                ks_chain_visit visit, void *context)
{
    enum ks_err err = KS_OK;
    const size_t whole = chain->spec.record_len + KS_CHAIN_TAG_LEN;
    struct ks_reader reader = ks_reader_of(bytes, chain->spec.name);
    struct ks_buf expected;

    ks_buf_init(&expected, whole);
    /* The first is never torn: it came by rename. */
    KS_CHECK(bytes.len == 0 || bytes.len >= whole, KS_ERR_VERIFY, "%s: record 1 was cut",
             chain->spec.name);
    while (reader.rest.len >= whole) {
        struct ks_bytes record = {0};
        struct ks_bytes tag = {0};

        KS_TRY(ks_read_bytes(&reader, chain->spec.record_len, &record));
        KS_TRY(ks_read_bytes(&reader, KS_CHAIN_TAG_LEN, &tag));
        ks_buf_clear(&expected);
        put_record(chain, record, &expected);
        KS_TRY(ks_buf_check(&expected));
        if (!ks_ct_equal(tag, KS_BYTES(chain->tag))) {
            KS_CHECK(chain->count > 0 && reader.rest.len < whole, KS_ERR_VERIFY,
                     "%s: record %zu was changed", chain->spec.name, chain->count + 1);
            break;
        }
        KS_CHECK(chain->count < chain->spec.records_max, KS_ERR_LIMIT, "%s: over %zu records",
                 chain->spec.name, chain->spec.records_max);
        chain->count++;
        KS_TRY(visit(context, record));
    }
out:
    ks_buf_done(&expected);
    return err;
}

enum ks_err ks_chain_open(const struct ks_chain_spec *spec, ks_chain_visit visit, void *context,
                          struct ks_chain **out_chain)
{
    enum ks_err err = KS_OK;
    struct ks_chain *chain = ks_calloc(1, sizeof *chain);
    const size_t len_max = (spec->record_len + KS_CHAIN_TAG_LEN) * (spec->records_max + 1);
    struct ks_buf bytes;

    ks_buf_init(&bytes, len_max);
    KS_CHECK(chain != NULL, KS_ERR_NOMEM, "%s", spec->name);
    chain->spec = *spec;
    chain->broken = true; /* until it is rewritten */
    err = ks_fs_load(spec->fs, spec->name, len_max, &bytes);
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    KS_TRY(read_records(chain, ks_buf_view(&bytes), visit, context));
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

    ks_buf_init(&bytes,
                (chain->spec.record_len + KS_CHAIN_TAG_LEN) * chain->spec.records_max);
    KS_ASSERT(records.len >= chain->spec.record_len);
    chain->broken = true;
    if (chain->file != NULL) {
        fs->close(chain->file);
        chain->file = NULL;
    }
    ks_zero(chain->tag, sizeof chain->tag);
    chain->count = 0;
    while (reader.rest.len > 0) {
        struct ks_bytes record = {0};

        KS_TRY(ks_read_bytes(&reader, chain->spec.record_len, &record));
        put_record(chain, record, &bytes);
        chain->count++;
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
    KS_CHECK(chain->count < chain->spec.records_max, KS_ERR_LIMIT, "%s: over %zu records",
             chain->spec.name, chain->spec.records_max);
    chain->broken = true;
    put_record(chain, record, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(chain->spec.fs->append(chain->file, ks_buf_view(&bytes)));
    KS_TRY(chain->spec.fs->sync(chain->file));
    chain->count++;
    chain->broken = false;
out:
    ks_buf_wipe(&bytes);
    return err;
}

size_t ks_chain_count(const struct ks_chain *chain)
{
    return chain->count;
}
