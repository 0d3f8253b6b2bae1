/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/journal.h"

#include "crypto/aead.h"
#include "crypto/digest.h"
#include "enclave/journal_format.h"

#define NUMBER_FIRST 1 /* so that a number nobody set is none */
#define MASTER_LEN   32
/* Records appended before the file is rewritten without what is past. */
#define APPENDED_MAX    8192
#define REPLAY_MAX      (KS_JOURNAL_BATCHES_MAX + APPENDED_MAX) /* batches in a file */
#define RECORDS_MAX     (KS_JOURNAL_BATCHES_MAX + APPENDED_MAX)
#define FILE_LEN_MAX    (KS_JOURNAL_HEADER_LEN + RECORDS_MAX * KS_JOURNAL_RECORD_LEN)
#define BATCHES_AT_ONCE 64 /* the array grows by at least these */

struct batch {
    struct ks_journal_record record; /* as on disk, once the file is open */
    uint32_t floor;                  /* all keys below were spent before this start */
    uint8_t *spent;                  /* a bit for each key spent since */
};

struct ks_journal {
    const struct ks_fs *fs;
    struct ks_fs_file *file; /* open for appending; NULL: the disk may know less than memory */
    uint8_t mac_key[32];
    uint8_t wrap_key[KS_AEAD_KEY_LEN];
    uint64_t instance;
    uint64_t number_next;
    uint64_t now_s;      /* the latest time heard of */
    uint64_t rewritings; /* tried; none of them is tried again */
    struct ks_journal_position
        reached;           /* its tag is the one that the next record goes on from */
    size_t appended;       /* records since the file was rewritten */
    struct batch *batches; /* ascending by number */
    size_t count;
    size_t room;
};

uint64_t ks_journal_instance(const struct ks_journal *journal)
{
    return journal->instance;
}

const struct ks_journal_position *ks_journal_reached(const struct ks_journal *journal)
{
    return &journal->reached;
}

uint64_t ks_journal_number_next(const struct ks_journal *journal)
{
    return journal->number_next;
}

/* --- batches in memory -------------------------------------------------------------------- */

/* Takes in a batch with a number above all others. */
static enum ks_err push(struct ks_journal *journal, const struct ks_journal_record *record)
{
    enum ks_err err = KS_OK;
    uint8_t *spent = NULL;

    if (journal->count == journal->room) {
        const size_t room = journal->room + journal->room / 2 + BATCHES_AT_ONCE;
        struct batch *grown = ks_realloc(journal->batches, room, sizeof *grown);
        KS_CHECK(grown != NULL, KS_ERR_NOMEM, "key journal");
        journal->batches = grown;
        journal->room = room;
    }
    spent = ks_calloc((record->count + 7) / 8, 1);
    KS_CHECK(spent != NULL, KS_ERR_NOMEM, "key journal");
    journal->batches[journal->count++] =
        (struct batch){.record = *record, .floor = record->mark, .spent = spent};
out:
    return err;
}

static struct batch *find(const struct ks_journal *journal, uint64_t number)
{
    size_t low = 0;
    size_t high = journal->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (journal->batches[middle].record.number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < journal->count && journal->batches[low].record.number == number
               ? &journal->batches[low]
               : NULL;
}

static bool is_spent(const struct batch *batch, uint32_t index)
{
    return index < batch->floor || (batch->spent[index / 8] >> (index % 8) & 1) != 0;
}

static bool is_used_up(const struct batch *batch)
{
    uint32_t index = batch->record.count;
    while (index > 0 && is_spent(batch, index - 1)) {
        index--;
    }
    return index == 0;
}

/* Drops the batches of which no key can be spent any more. True if there were any. */
static bool forget_past(struct ks_journal *journal)
{
    size_t kept = 0;

    for (size_t i = 0; i < journal->count; i++) {
        struct batch *batch = &journal->batches[i];
        if (batch->record.expires_s <= journal->now_s || is_used_up(batch)) {
            ks_free(batch->spent);
        } else {
            journal->batches[kept++] = *batch;
        }
    }
    const bool any = kept < journal->count;
    journal->count = kept;
    return any;
}

/* --- the file ----------------------------------------------------------------------------- */

static void close_file(struct ks_journal *journal)
{
    if (journal->file != NULL) {
        journal->fs->close(journal->file);
        journal->file = NULL;
    }
}

/* Writes what is known now into a fresh file, under a fresh generation. After a failure the
 * file holds either this or what it held before, and is written anew before anything else is
 * done. */
static enum ks_err rewrite(struct ks_journal *journal)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    struct ks_journal_header header = {
        .instance = journal->instance,
        .number_next = journal->number_next,
        .rewriting = journal->rewritings + 1,
        .base_count = (uint32_t)journal->count,
    };
    uint8_t tag[KS_JOURNAL_TAG_LEN];

    ks_buf_init(&bytes, FILE_LEN_MAX);
    close_file(journal);
    KS_CHECK(journal->rewritings < UINT64_MAX - 1, KS_ERR_LIMIT, "key journal: worn out");
    journal->rewritings++;
    KS_TRY(ks_random(header.generation, sizeof header.generation));
    ks_journal_put_header(&bytes, &header, journal->mac_key, tag);
    for (size_t i = 0; i < journal->count; i++) {
        ks_journal_put_record(&bytes, &journal->batches[i].record, journal->mac_key, tag);
    }
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(ks_fs_replace(journal->fs, KS_JOURNAL_FILE, ks_buf_view(&bytes)));
    KS_TRY(journal->fs->open(journal->fs->context, KS_JOURNAL_FILE, &journal->file));
    journal->reached.rewriting = header.rewriting;
    journal->reached.records = journal->count;
    ks_copy(journal->reached.tag, tag, sizeof tag);
    journal->appended = 0;
out:
    ks_buf_done(&bytes);
    return err;
}

/* Makes a change durable that memory already holds: by RECORD at the end of the file, or by
 * writing the file anew. After a failed append or sync nobody can say what the file ends in,
 * and a later sync that succeeds proves nothing (Linux forgets failed pages): so it is not
 * appended to again. */
static enum ks_err persist(struct ks_journal *journal, const struct ks_journal_record *record)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    uint8_t tag[KS_JOURNAL_TAG_LEN];

    ks_buf_init(&bytes, KS_JOURNAL_RECORD_LEN);
    if (journal->file == NULL || journal->appended == APPENDED_MAX) {
        KS_TRY(rewrite(journal));
        goto out;
    }
    ks_copy(tag, journal->reached.tag, sizeof tag);
    ks_journal_put_record(&bytes, record, journal->mac_key, tag);
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(journal->fs->append(journal->file, ks_buf_view(&bytes)));
    KS_TRY(journal->fs->sync(journal->file));
    ks_copy(journal->reached.tag, tag, sizeof tag);
    journal->reached.records++;
    journal->appended++;
out:
    if (err != KS_OK) {
        close_file(journal);
    }
    ks_buf_done(&bytes);
    return err;
}

/* --- opening ------------------------------------------------------------------------------ */

/* A record whose tag is true, in the order of the file. */
static enum ks_err replay(struct ks_journal *journal, const struct ks_journal_record *record,
                          bool in_base)
{
    enum ks_err err = KS_OK;
    const unsigned long long number = record->number;
    const uint64_t above =
        journal->count > 0 ? journal->batches[journal->count - 1].record.number + 1 : 0;
    struct batch *batch = NULL;

    if (record->type == KS_JOURNAL_BATCH) {
        KS_CHECK(record->number < UINT64_MAX && record->number >= above &&
                     (record->number < journal->number_next) == in_base,
                 KS_ERR_VERIFY, "batch %llu is out of order", number);
        KS_CHECK(journal->count < REPLAY_MAX, KS_ERR_LIMIT, "more than %d batches", REPLAY_MAX);
        KS_TRY(push(journal, record));
        if (!in_base) {
            journal->number_next = record->number + 1;
        }
        goto out;
    }
    batch = find(journal, record->number);
    KS_CHECK(!in_base && batch != NULL, KS_ERR_VERIFY,
             "a mark of batch %llu, which is not there", number);
    KS_CHECK(record->mark > batch->record.mark && record->mark <= batch->record.count,
             KS_ERR_VERIFY, "batch %llu: mark %u after %u, of %u keys", number,
             (unsigned)record->mark, (unsigned)batch->record.mark,
             (unsigned)batch->record.count);
    batch->record.mark = record->mark;
    batch->floor = record->mark;
out:
    return err;
}

/* After COUNT records with TAG as the last, in a file of that REWRITING: whether the place that
 * REACHED names is another here. */
static bool differs_at(const struct ks_journal_position *reached, uint64_t rewriting,
                       uint64_t count, const uint8_t tag[KS_JOURNAL_TAG_LEN])
{
    return reached != NULL && reached->rewriting == rewriting && reached->records == count &&
           !ks_bytes_equal(KS_BYTES(reached->tag), ks_bytes_of(tag, KS_JOURNAL_TAG_LEN));
}

static enum ks_err check_reached(const struct ks_journal_position *reached, uint64_t rewriting,
                                 uint64_t count)
{
    if (reached != NULL && (rewriting < reached->rewriting ||
                            (rewriting == reached->rewriting && count < reached->records))) {
        return ks_fail(KS_ERR_VERIFY,
                       "an older file was put back: it is rewriting %llu with %llu records, "
                       "rewriting %llu with %llu was there already" KS_ROLLBACK_REMEDY,
                       (unsigned long long)rewriting, (unsigned long long)count,
                       (unsigned long long)reached->rewriting,
                       (unsigned long long)reached->records);
    }
    return KS_OK;
}

/* Reads the whole file. Only the last record may be incomplete or false, and only after the
 * base, which was written and synced whole: that is an append which never was acted on. */
static enum ks_err parse(struct ks_journal *journal, struct ks_bytes bytes,
                         const struct ks_journal_position *reached)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "journal");
    struct ks_journal_header header = {0};
    uint8_t tag[KS_JOURNAL_TAG_LEN];
    size_t count = 0;

    KS_TRY(ks_journal_read_header(&reader, journal->mac_key, &header, tag));
    journal->instance = header.instance;
    journal->number_next = header.number_next;
    journal->rewritings = header.rewriting;
    for (; reader.rest.len > 0 || count < header.base_count; count++) {
        const bool in_base = count < header.base_count;
        const bool last = reader.rest.len <= KS_JOURNAL_RECORD_LEN;
        struct ks_journal_record record = {0};
        bool is_true = false;

        KS_CHECK(!differs_at(reached, header.rewriting, count, tag), KS_ERR_VERIFY,
                 "another file was put back: it differs from what was there at record "
                 "%zu" KS_ROLLBACK_REMEDY,
                 count);
        if (reader.rest.len >= KS_JOURNAL_RECORD_LEN) {
            KS_TRY(ks_journal_read_record(&reader, journal->mac_key, tag, &record, &is_true));
        }
        if (!is_true) {
            KS_CHECK(last && !in_base, KS_ERR_VERIFY,
                     "record %zu is false: the file was changed", count);
            break;
        }
        KS_TRY(replay(journal, &record, in_base));
    }
    KS_CHECK(!differs_at(reached, header.rewriting, count, tag), KS_ERR_VERIFY,
             "another file was put back: it differs from what was there at record "
             "%zu" KS_ROLLBACK_REMEDY,
             count);
    KS_TRY(check_reached(reached, header.rewriting, count));
out:
    return err;
}

static enum ks_err load(struct ks_journal *journal, const struct ks_journal_position *reached)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    uint8_t instance[sizeof journal->instance];

    ks_buf_init(&bytes, FILE_LEN_MAX);
    err = ks_fs_load(journal->fs, KS_JOURNAL_FILE, FILE_LEN_MAX, &bytes);
    if (err == KS_ERR_NOT_FOUND) {
        /* A new instance: no key of an older one, if there ever was one, is known to it. */
        KS_TRY(ks_random(instance, sizeof instance));
        struct ks_reader reader = ks_reader_of(KS_BYTES(instance), "instance");
        KS_TRY(ks_read_u64(&reader, &journal->instance));
        journal->number_next = NUMBER_FIRST;
        KS_TRY(check_reached(reached, 0, 0));
        goto out;
    }
    KS_TRY(err);
    KS_TRY(parse(journal, ks_buf_view(&bytes), reached));
out:
    ks_buf_done(&bytes);
    return ks_fail_prefix(err, "key journal");
}

enum ks_err ks_journal_open(const struct ks_fs *fs, struct ks_bytes master, uint64_t now_s,
                            const struct ks_journal_position *reached,
                            struct ks_journal **out_journal)
{
    enum ks_err err = KS_OK;
    struct ks_journal *journal = NULL;

    KS_CHECK(master.len == MASTER_LEN, KS_ERR_USAGE, "a journal key of %zu bytes", master.len);
    journal = ks_calloc(1, sizeof *journal);
    KS_CHECK(journal != NULL, KS_ERR_NOMEM, "key journal");
    journal->fs = fs;
    journal->now_s = now_s;
    KS_TRY(ks_hkdf_sha256(master, ks_bytes_of(NULL, 0), KS_LITERAL("ketseal/journal/mac/1"),
                          journal->mac_key, sizeof journal->mac_key));
    KS_TRY(ks_hkdf_sha256(master, ks_bytes_of(NULL, 0), KS_LITERAL("ketseal/journal/wrap/1"),
                          journal->wrap_key, sizeof journal->wrap_key));
    KS_TRY(load(journal, reached));
    (void)forget_past(journal); /* all is rewritten in any case */
    KS_CHECK(journal->count <= KS_JOURNAL_BATCHES_MAX, KS_ERR_VERIFY,
             "key journal: %zu live batches, limit %d", journal->count, KS_JOURNAL_BATCHES_MAX);
    KS_TRY(rewrite(journal));
    *out_journal = journal;
    journal = NULL;
out:
    ks_journal_close(journal);
    return err;
}

void ks_journal_close(struct ks_journal *journal)
{
    if (journal == NULL) {
        return;
    }
    close_file(journal);
    for (size_t i = 0; i < journal->count; i++) {
        ks_free(journal->batches[i].spent);
    }
    ks_free(journal->batches);
    ks_wipe(journal, sizeof *journal);
    ks_free(journal);
}

/* --- wrapping the secret of a batch ------------------------------------------------------- */

/* What the wrapped secret is bound to: the batch in this instance. The mark moves, and is not.
 */
static void put_ad(struct ks_buf *out, const struct ks_journal *journal,
                   const struct ks_journal_record *record)
{
    ks_buf_put(out, KS_LITERAL("ketseal/journal/batch/1"));
    ks_buf_put_u64(out, journal->instance);
    ks_buf_put_u64(out, record->number);
    ks_buf_put(out, KS_BYTES(record->device));
    ks_buf_put_u32(out, record->count);
    ks_buf_put_u64(out, record->expires_s);
    ks_buf_put(out, KS_BYTES(record->salt));
}

#define AD_LEN_MAX 128

static enum ks_err wrap(const struct ks_journal *journal, struct ks_journal_record *record,
                        const uint8_t secret[32])
{
    enum ks_err err = KS_OK;
    struct ks_buf ad;
    struct ks_buf sealed;

    ks_buf_init(&ad, AD_LEN_MAX);
    ks_buf_init(&sealed, KS_JOURNAL_SEALED_LEN);
    put_ad(&ad, journal, record);
    KS_TRY(ks_buf_check(&ad));
    KS_TRY(ks_random(record->nonce, sizeof record->nonce));
    KS_TRY(ks_aead_seal(journal->wrap_key, record->nonce, ks_buf_view(&ad),
                        ks_bytes_of(secret, 32), &sealed));
    KS_ASSERT(sealed.len == sizeof record->sealed);
    ks_copy(record->sealed, sealed.data, sealed.len);
out:
    ks_buf_done(&ad);
    ks_buf_done(&sealed);
    return err;
}

static enum ks_err derive(const struct ks_journal *journal,
                          const struct ks_journal_record *record, uint32_t index,
                          uint8_t out_key[KS_ONE_TIME_KEY_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf ad;
    struct ks_buf secret; /* wiped, and too small to be moved */

    ks_buf_init(&ad, AD_LEN_MAX);
    ks_buf_init(&secret, 32);
    put_ad(&ad, journal, record);
    KS_TRY(ks_buf_check(&ad));
    KS_TRY(ks_aead_open(journal->wrap_key, record->nonce, ks_buf_view(&ad),
                        KS_BYTES(record->sealed), &secret));
    KS_TRY(
        ks_one_time_key_derive(ks_buf_view(&secret), KS_BYTES(record->salt), index, out_key));
out:
    ks_buf_done(&ad);
    ks_buf_wipe(&secret);
    return err;
}

/* --- what the enclave asks ---------------------------------------------------------------- */

enum ks_err ks_journal_add(struct ks_journal *journal, struct ks_key_batch *batch)
{
    enum ks_err err = KS_OK;
    struct ks_journal_record record = {
        .type = KS_JOURNAL_BATCH,
        .number = journal->number_next,
        .count = batch->count,
        .expires_s = batch->expires_s,
    };

    KS_CHECK(batch->count >= 1 && batch->count <= KS_JOURNAL_KEYS_MAX, KS_ERR_LIMIT,
             "a batch of %u keys, limit 1 to %d", (unsigned)batch->count, KS_JOURNAL_KEYS_MAX);
    if (journal->count == KS_JOURNAL_BATCHES_MAX && forget_past(journal)) {
        close_file(journal); /* they leave the file as well */
    }
    KS_CHECK(journal->count < KS_JOURNAL_BATCHES_MAX, KS_ERR_LIMIT,
             "%d batches of one-time keys are live already", KS_JOURNAL_BATCHES_MAX);
    ks_copy(record.device, batch->device, sizeof record.device);
    ks_copy(record.salt, batch->salt, sizeof record.salt);
    KS_TRY(wrap(journal, &record, batch->secret));
    KS_TRY(push(journal, &record));
    /* Whatever happens now, the number is used: the record may be on disk. */
    journal->number_next++;
    err = persist(journal, &record);
    if (err != KS_OK) {
        journal->count--;
        ks_free(journal->batches[journal->count].spent);
        goto out;
    }
    batch->number = record.number;
out:
    return err;
}

/* The batch of a key that may be spent. */
static enum ks_err find_key(struct ks_journal *journal, uint64_t instance, uint64_t number,
                            uint32_t index, const uint8_t device[32], uint64_t now_s,
                            struct batch **out_batch)
{
    enum ks_err err = KS_OK;
    struct batch *batch = find(journal, number);

    if (now_s > journal->now_s) {
        journal->now_s = now_s;
    }
    KS_CHECK(instance == journal->instance, KS_ERR_DENIED, "one-time key of another instance");
    KS_CHECK(batch != NULL, KS_ERR_DENIED, "one-time key of an unknown or past batch");
    KS_CHECK(ks_bytes_equal(KS_BYTES(batch->record.device), ks_bytes_of(device, 32)),
             KS_ERR_DENIED, "one-time key of another device");
    KS_CHECK(index < batch->record.count, KS_ERR_DENIED, "one-time key %u of a batch of %u",
             (unsigned)index, (unsigned)batch->record.count);
    KS_CHECK(batch->record.expires_s > now_s, KS_ERR_DENIED, "the one-time key has expired");
    KS_CHECK(!is_spent(batch, index), KS_ERR_DENIED, "the one-time key is spent");
    *out_batch = batch;
out:
    return err;
}

enum ks_err ks_journal_key(struct ks_journal *journal, uint64_t instance, uint64_t number,
                           uint32_t index, const uint8_t device[32], uint64_t now_s,
                           uint8_t out_key[KS_ONE_TIME_KEY_LEN])
{
    enum ks_err err = KS_OK;
    struct batch *batch = NULL;

    KS_TRY(find_key(journal, instance, number, index, device, now_s, &batch));
    KS_TRY(derive(journal, &batch->record, index, out_key));
out:
    return err;
}

enum ks_err ks_journal_spend(struct ks_journal *journal, uint64_t instance, uint64_t number,
                             uint32_t index, const uint8_t device[32], uint64_t now_s)
{
    enum ks_err err = KS_OK;
    struct batch *batch = NULL;
    struct ks_journal_record mark = {.type = KS_JOURNAL_MARK, .number = number};

    KS_TRY(find_key(journal, instance, number, index, device, now_s, &batch));
    /* First of all: from here on it is spent, whatever the disk does. */
    batch->spent[index / 8] = (uint8_t)(batch->spent[index / 8] | 1U << (index % 8));
    if (index >= batch->record.mark || journal->file == NULL) {
        const uint32_t left = batch->record.count - index;
        const uint32_t above = index + (left < KS_JOURNAL_RESERVE ? left : KS_JOURNAL_RESERVE);

        /* Never lowered, not even after a failure: then the whole file is written next. */
        mark.mark = above > batch->record.mark ? above : batch->record.mark;
        batch->record.mark = mark.mark;
        KS_TRY(persist(journal, &mark));
    }
out:
    return err;
}
