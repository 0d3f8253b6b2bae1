/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/state.h"

#include "crypto/digest.h"

/* --- keys --------------------------------------------------------------------------------- */

#define KEYS_FILE    "keys"
#define KEYS_MAGIC   "KSEALKEY"
#define KEYS_VERSION 1
#define SEED_LEN     32

/* In the file's order. */
enum seed {
    SEED_ED25519,
    SEED_MLDSA65,
    SEED_NOTE_ED25519,
    SEED_NOTE_MLDSA44,
    SEED_JOURNAL,
    SEEDS
};

#define KEYS_LEN (8 + 2 + 2 + SEEDS * SEED_LEN + 32)

/* Seeds by HKDF from 64 kernel bytes and EXTRA together: as good as the better of the two. */
static enum ks_err make_seeds(struct ks_bytes extra, uint8_t seeds[SEEDS][SEED_LEN])
{
    enum ks_err err = KS_OK;
    uint8_t kernel[64];

    KS_TRY(ks_random(kernel, sizeof kernel));
    KS_TRY(ks_hkdf_sha256(KS_BYTES(kernel), extra, KS_LITERAL("ketseal/enclave-seeds/1"),
                          seeds[0], (size_t)SEEDS * SEED_LEN));
out:
    ks_wipe(kernel, sizeof kernel);
    return err;
}

static enum ks_err store_seeds(const struct ks_fs *fs, const uint8_t seeds[SEEDS][SEED_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf buf;
    uint8_t check[32];

    ks_buf_init(&buf, KEYS_LEN);
    ks_buf_put_text(&buf, KEYS_MAGIC);
    ks_buf_put_u16(&buf, KEYS_VERSION);
    ks_buf_put_u16(&buf, KS_STATE_BY_FILE_MODE);
    ks_buf_put(&buf, ks_bytes_of(seeds[0], (size_t)SEEDS * SEED_LEN));
    KS_TRY(ks_buf_check(&buf));
    ks_sha256(ks_buf_view(&buf), check);
    ks_buf_put(&buf, KS_BYTES(check));
    KS_TRY(ks_buf_check(&buf));
    KS_TRY(ks_fs_replace(fs, KEYS_FILE, ks_buf_view(&buf)));
out:
    ks_buf_wipe(&buf);
    return err;
}

static enum ks_err load_seeds(const struct ks_fs *fs, uint8_t seeds[SEEDS][SEED_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf buf;
    struct ks_reader reader;
    struct ks_bytes magic = {0};
    uint8_t stated[32];
    uint8_t check[32];
    uint16_t version = 0;
    uint16_t protection = 0;

    ks_buf_init(&buf, KEYS_LEN + 1);
    KS_TRY(ks_fs_load(fs, KEYS_FILE, KEYS_LEN + 1, &buf));
    reader = ks_reader_of(ks_buf_view(&buf), "enclave keys");
    KS_TRY(ks_read_bytes(&reader, sizeof KEYS_MAGIC - 1, &magic));
    KS_CHECK(ks_bytes_is(magic, KEYS_MAGIC), KS_ERR_FORMAT, "enclave keys: not such a file");
    KS_TRY(ks_read_u16(&reader, &version));
    KS_CHECK(version == KEYS_VERSION, KS_ERR_FORMAT, "enclave keys: version %u", version);
    KS_TRY(ks_read_u16(&reader, &protection));
    KS_CHECK(protection == KS_STATE_BY_FILE_MODE, KS_ERR_FORMAT, "enclave keys: protection %u",
             protection);
    KS_TRY(ks_read_copy(&reader, seeds[0], (size_t)SEEDS * SEED_LEN));
    KS_TRY(ks_read_copy(&reader, stated, sizeof stated));
    KS_TRY(ks_read_end(&reader));
    ks_sha256(ks_bytes_of(buf.data, KEYS_LEN - sizeof stated), check);
    KS_CHECK(ks_ct_equal(KS_BYTES(stated), KS_BYTES(check)), KS_ERR_FORMAT,
             "enclave keys: the file is damaged");
out:
    ks_buf_wipe(&buf);
    return err;
}

static enum ks_err make_keys(const uint8_t seeds[SEEDS][SEED_LEN], struct ks_enclave_keys *keys)
{
    enum ks_err err = KS_OK;

    KS_TRY(
        ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(seeds[SEED_ED25519]), &keys->ed25519));
    KS_TRY(
        ks_sign_key_from_seed(KS_SIG_MLDSA65, KS_BYTES(seeds[SEED_MLDSA65]), &keys->mldsa65));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(seeds[SEED_NOTE_ED25519]),
                                 &keys->note_ed25519));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_MLDSA44, KS_BYTES(seeds[SEED_NOTE_MLDSA44]),
                                 &keys->note_mldsa44));
    ks_secret_set(&keys->journal, KS_BYTES(seeds[SEED_JOURNAL]));
    {
        uint8_t seed[32];
        KS_TRY(ks_hkdf_sha256(KS_BYTES(seeds[SEED_JOURNAL]), (struct ks_bytes){0},
                              KS_LITERAL("ketseal/issuer/1"), seed, sizeof seed));
        KS_TRY(ks_sign_key_from_seed(KS_SIG_MLDSA87, KS_BYTES(seed), &keys->issuer));
    }
out:
    return err;
}

/* New keys are for a new state alone: where the enclave has worked already, its keys are gone,
 * and others in their place would sign for another site. */
static enum ks_err check_new(const struct ks_fs *fs)
{
    enum ks_err err = KS_OK;
    static const char *const names[] = {"heads", "journal"};
    struct ks_buf first;

    ks_buf_init(&first, 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        err = ks_fs_load(fs, names[i], 1, &first);
        KS_CHECK(err == KS_ERR_NOT_FOUND,
                 err == KS_OK || err == KS_ERR_LIMIT ? KS_ERR_FORMAT : err,
                 "enclave keys: the file is gone or empty, but '%s' is there", names[i]);
        err = KS_OK;
    }
out:
    ks_buf_done(&first);
    return err;
}

enum ks_err ks_enclave_keys_open(const struct ks_fs *fs, struct ks_bytes extra,
                                 struct ks_enclave_keys *out_keys)
{
    enum ks_err err = KS_OK;
    struct ks_enclave_keys keys = {0};
    uint8_t seeds[SEEDS][SEED_LEN];

    err = load_seeds(fs, seeds);
    if (err == KS_ERR_LIMIT) {
        err = ks_fail(KS_ERR_FORMAT, "enclave keys: the file is too long");
    }
    if (err == KS_ERR_NOT_FOUND) {
        KS_TRY(check_new(fs));
        KS_TRY(make_seeds(extra, seeds));
        err = store_seeds(fs, (const uint8_t(*)[SEED_LEN])seeds);
    }
    KS_TRY(err);
    KS_TRY(make_keys((const uint8_t(*)[SEED_LEN])seeds, &keys));
    *out_keys = keys;
    keys = (struct ks_enclave_keys){0}; /* transferred */
out:
    ks_wipe(seeds, sizeof seeds);
    ks_enclave_keys_done(&keys);
    return err;
}

void ks_enclave_keys_done(struct ks_enclave_keys *keys)
{
    ks_sign_key_free(keys->ed25519);
    ks_sign_key_free(keys->mldsa65);
    ks_sign_key_free(keys->note_ed25519);
    ks_sign_key_free(keys->note_mldsa44);
    ks_sign_key_free(keys->issuer);
    ks_secret_done(&keys->journal);
    *keys = (struct ks_enclave_keys){0};
}

/* --- heads -------------------------------------------------------------------------------- */

#define HEADS_FILE "heads"
#define HEAD_LEN   (8 + 32 + 32) /* size, root, HMAC over the previous HMAC, size and root */
#define HEADS_MAX  (4 * 1024 * 1024) /* rewritten to one line at open and when full */

struct ks_head_log {
    const struct ks_fs *fs;
    struct ks_fs_file *file;
    struct ks_head last;
    uint8_t mac[32]; /* of the last line; zeros before the first */
    uint8_t key[32];
    size_t len;  /* bytes in the file */
    bool broken; /* a write failed: what the file ends with is unknown until the next open */
};

/* The line of HEAD after a line with MAC PREVIOUS. */
static void make_line(const struct ks_head_log *log, const uint8_t previous[32],
                      const struct ks_head *head, uint8_t line[HEAD_LEN])
{
    uint8_t message[32 + 8 + 32];
    struct ks_buf body = {.data = line, .cap = HEAD_LEN, .max = HEAD_LEN};
    struct ks_buf buf = {.data = message, .cap = sizeof message, .max = sizeof message};
    uint8_t mac[32];

    ks_buf_put(&buf, ks_bytes_of(previous, 32));
    ks_buf_put_u64(&buf, head->size);
    ks_buf_put(&buf, KS_BYTES(head->root));
    ks_hmac_sha256(KS_BYTES(log->key), ks_buf_view(&buf), mac);
    ks_buf_put_u64(&body, head->size);
    ks_buf_put(&body, KS_BYTES(head->root));
    ks_buf_put(&body, KS_BYTES(mac));
}

static void take_line(struct ks_head_log *log, const struct ks_head *head, const uint8_t *line)
{
    log->last = *head;
    ks_copy(log->mac, line + HEAD_LEN - 32, 32);
}

/* Reads the chain. A last line that is cut short or does not fit was never acted on and is
 * dropped; a bad line with others after it is tampering, and so is a bad first one, which was
 * never appended. */
static enum ks_err read_lines(struct ks_head_log *log, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "heads");

    KS_CHECK(bytes.len == 0 || bytes.len >= HEAD_LEN, KS_ERR_VERIFY, "heads: line 1 was cut");
    while (reader.rest.len >= HEAD_LEN) {
        struct ks_head head = {0};
        uint8_t expected[HEAD_LEN];
        struct ks_bytes line = {0};
        struct ks_reader fields;

        KS_TRY(ks_read_bytes(&reader, HEAD_LEN, &line));
        fields = ks_reader_of(line, "heads");
        KS_TRY(ks_read_u64(&fields, &head.size));
        KS_TRY(ks_read_copy(&fields, head.root, sizeof head.root));
        make_line(log, log->mac, &head, expected);
        if (!ks_ct_equal(line, KS_BYTES(expected))) {
            const size_t number = (bytes.len - reader.rest.len) / HEAD_LEN;

            KS_CHECK(number > 1 && reader.rest.len < HEAD_LEN, KS_ERR_VERIFY,
                     "heads: line %zu was changed", number);
            break;
        }
        KS_CHECK(head.size >= log->last.size, KS_ERR_VERIFY, "heads: they shrink");
        take_line(log, &head, line.data);
    }
out:
    return err;
}

/* One file with the last head alone (size 0 before the first), by rename: so a first line is
 * never torn. */
static enum ks_err compact(struct ks_head_log *log)
{
    enum ks_err err = KS_OK;
    uint8_t line[HEAD_LEN];
    const uint8_t zeros[32] = {0};

    if (log->file != NULL) {
        log->fs->close(log->file);
        log->file = NULL;
    }
    make_line(log, zeros, &log->last, line);
    KS_TRY(ks_fs_replace(log->fs, HEADS_FILE, KS_BYTES(line)));
    ks_copy(log->mac, line + HEAD_LEN - 32, 32);
    log->len = HEAD_LEN;
    KS_TRY(log->fs->open(log->fs->context, HEADS_FILE, &log->file));
out:
    return err;
}

enum ks_err ks_head_log_open(const struct ks_fs *fs, struct ks_bytes master,
                             struct ks_head_log **out_log)
{
    enum ks_err err = KS_OK;
    struct ks_head_log *log = ks_calloc(1, sizeof *log);
    struct ks_buf bytes;

    ks_buf_init(&bytes, 2 * HEADS_MAX);
    KS_CHECK(log != NULL, KS_ERR_NOMEM, "head log");
    log->fs = fs;
    KS_TRY(ks_hkdf_sha256(master, (struct ks_bytes){0}, KS_LITERAL("ketseal/heads/1"), log->key,
                          sizeof log->key));
    err = ks_fs_load(fs, HEADS_FILE, 2 * HEADS_MAX, &bytes);
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    KS_TRY(read_lines(log, ks_buf_view(&bytes)));
    KS_TRY(compact(log));
    *out_log = log;
    log = NULL; /* transferred */
out:
    ks_buf_done(&bytes);
    ks_head_log_close(log);
    return err;
}

void ks_head_log_close(struct ks_head_log *log)
{
    if (log == NULL) {
        return;
    }
    if (log->file != NULL) {
        log->fs->close(log->file);
    }
    ks_wipe(log->key, sizeof log->key);
    ks_free(log);
}

const struct ks_head *ks_head_log_last(const struct ks_head_log *log)
{
    return &log->last;
}

enum ks_err ks_head_log_append(struct ks_head_log *log, const struct ks_head *head)
{
    enum ks_err err = KS_OK;
    uint8_t line[HEAD_LEN];

    KS_CHECK(!log->broken, KS_ERR_IO, "heads: an earlier write failed; restart the site");
    KS_CHECK(head->size >= log->last.size, KS_ERR_DENIED,
             "a ledger of %llu entries was signed already, this one has %llu",
             (unsigned long long)log->last.size, (unsigned long long)head->size);
    KS_CHECK(head->size > log->last.size ||
                 ks_bytes_equal(KS_BYTES(head->root), KS_BYTES(log->last.root)),
             KS_ERR_DENIED, "another root was signed already at %llu entries",
             (unsigned long long)head->size);
    if (head->size == log->last.size) {
        return KS_OK;
    }
    log->broken = true;
    if (log->len > HEADS_MAX) {
        KS_TRY(compact(log));
    }
    make_line(log, log->mac, head, line);
    KS_TRY(log->fs->append(log->file, KS_BYTES(line)));
    KS_TRY(log->fs->sync(log->file));
    log->broken = false;
    log->len += HEAD_LEN;
    take_line(log, head, line);
out:
    return err;
}
