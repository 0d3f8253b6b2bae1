/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/epoch.h"

#include "base/text.h"
#include "crypto/digest.h"

#define EPOCH_FILE    "epoch"
#define EPOCH_MAGIC   "KSEPOCH\n"
#define EPOCH_VERSION 3
#define POLICY_LEN    32           /* version 1 has none */
#define ROUNDS_LEN    (8 + 8 + 32) /* versions 1 and 2 have none */
#define TAG_LEN       KS_HMAC_SHA256_LEN
#define BODY_LEN                                                                               \
    (8 + 2 + 4 + 8 + 8 + (8 + 8 + 32) + (8 + 32) + (8 + 8 + 32) + POLICY_LEN + ROUNDS_LEN)
#define EPOCH_LEN (BODY_LEN + TAG_LEN)

struct ks_epoch {
    const struct ks_fs *fs;
    const struct ks_vault *vault;
    uint8_t key[32];
    uint64_t counter;  /* the TPM's, when it was last asked */
    bool written_only; /* the file may be one ahead of it */
    uint64_t in_file;  /* the counter that the file states; 0: none was there yet */
    struct ks_epoch_reached reached;
};

const struct ks_epoch_reached *ks_epoch_reached(const struct ks_epoch *epoch)
{
    return &epoch->reached;
}

uint64_t ks_epoch_counter(const struct ks_epoch *epoch)
{
    return epoch->counter;
}

static bool is_at(const struct ks_chain_position *one, const struct ks_chain_position *other)
{
    return one->rewriting == other->rewriting && one->records == other->records &&
           ks_bytes_equal(KS_BYTES(one->tag), KS_BYTES(other->tag));
}

bool ks_epoch_is(const struct ks_epoch *epoch, const struct ks_epoch_reached *reached)
{
    const struct ks_epoch_reached *last = &epoch->reached;

    return last->keys == reached->keys &&
           last->journal.rewriting == reached->journal.rewriting &&
           last->journal.records == reached->journal.records &&
           ks_bytes_equal(KS_BYTES(last->journal.tag), KS_BYTES(reached->journal.tag)) &&
           last->head.size == reached->head.size &&
           ks_bytes_equal(KS_BYTES(last->head.root), KS_BYTES(reached->head.root)) &&
           is_at(&last->devices, &reached->devices) && is_at(&last->rounds, &reached->rounds) &&
           ks_bytes_equal(KS_BYTES(last->policy), KS_BYTES(reached->policy));
}

/* --- the file ----------------------------------------------------------------------------- */

static void put_position(const struct ks_chain_position *position, struct ks_buf *out)
{
    ks_buf_put_u64(out, position->rewriting);
    ks_buf_put_u64(out, position->records);
    ks_buf_put(out, KS_BYTES(position->tag));
}

static enum ks_err read_position(struct ks_reader *reader, struct ks_chain_position *position)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_read_u64(reader, &position->rewriting));
    KS_TRY(ks_read_u64(reader, &position->records));
    KS_TRY(ks_read_copy(reader, position->tag, sizeof position->tag));
out:
    return err;
}

static enum ks_err store(const struct ks_epoch *epoch, uint64_t counter,
                         const struct ks_epoch_reached *reached)
{
    enum ks_err err = KS_OK;
    struct ks_buf buf;
    uint8_t tag[TAG_LEN];

    ks_buf_init(&buf, EPOCH_LEN);
    ks_buf_put_text(&buf, EPOCH_MAGIC);
    ks_buf_put_u16(&buf, EPOCH_VERSION);
    ks_buf_put_u32(&buf, epoch->vault->counter_index);
    ks_buf_put_u64(&buf, counter);
    ks_buf_put_u64(&buf, reached->keys);
    ks_buf_put_u64(&buf, reached->journal.rewriting);
    ks_buf_put_u64(&buf, reached->journal.records);
    ks_buf_put(&buf, KS_BYTES(reached->journal.tag));
    ks_buf_put_u64(&buf, reached->head.size);
    ks_buf_put(&buf, KS_BYTES(reached->head.root));
    put_position(&reached->devices, &buf);
    ks_buf_put(&buf, KS_BYTES(reached->policy));
    put_position(&reached->rounds, &buf);
    KS_TRY(ks_buf_check(&buf));
    ks_hmac_sha256(KS_BYTES(epoch->key), ks_buf_view(&buf), tag);
    ks_buf_put(&buf, KS_BYTES(tag));
    KS_TRY(ks_buf_check(&buf));
    KS_TRY(ks_fs_replace(epoch->fs, EPOCH_FILE, ks_buf_view(&buf)));
out:
    ks_buf_done(&buf);
    return err;
}

static enum ks_err read_fields(struct ks_reader *reader, unsigned version,
                               struct ks_epoch *epoch, uint32_t *out_index)
{
    enum ks_err err = KS_OK;
    struct ks_epoch_reached reached = {0};
    uint64_t in_file = 0;

    KS_TRY(ks_read_u32(reader, out_index));
    KS_TRY(ks_read_u64(reader, &in_file));
    KS_TRY(ks_read_u64(reader, &reached.keys));
    KS_TRY(ks_read_u64(reader, &reached.journal.rewriting));
    KS_TRY(ks_read_u64(reader, &reached.journal.records));
    KS_TRY(ks_read_copy(reader, reached.journal.tag, sizeof reached.journal.tag));
    KS_TRY(ks_read_u64(reader, &reached.head.size));
    KS_TRY(ks_read_copy(reader, reached.head.root, sizeof reached.head.root));
    KS_TRY(read_position(reader, &reached.devices));
    if (version >= 2) {
        KS_TRY(ks_read_copy(reader, reached.policy, sizeof reached.policy));
    }
    if (version >= 3) {
        KS_TRY(read_position(reader, &reached.rounds));
    }
    KS_TRY(ks_read_end(reader));
    epoch->in_file = in_file;
    epoch->reached = reached;
out:
    return err;
}

/* KS_ERR_NOT_FOUND when there is none. */
static enum ks_err load(struct ks_epoch *epoch)
{
    enum ks_err err = KS_OK;
    struct ks_buf buf;
    struct ks_reader reader;
    struct ks_bytes magic = {0};
    uint8_t tag[TAG_LEN];
    uint16_t version = 0;
    uint32_t index = 0;
    size_t body_len = 0;

    ks_buf_init(&buf, EPOCH_LEN);
    err = ks_fs_load(epoch->fs, EPOCH_FILE, EPOCH_LEN, &buf);
    KS_TRY(err == KS_ERR_LIMIT ? ks_fail(KS_ERR_VERIFY, "the file is too long") : err);
    KS_CHECK(buf.len == EPOCH_LEN || buf.len == EPOCH_LEN - ROUNDS_LEN ||
                 buf.len == EPOCH_LEN - ROUNDS_LEN - POLICY_LEN,
             KS_ERR_VERIFY, "the file has %zu bytes, not %d", buf.len, EPOCH_LEN);
    body_len = buf.len - TAG_LEN;
    ks_hmac_sha256(KS_BYTES(epoch->key), ks_bytes_of(buf.data, body_len), tag);
    KS_CHECK(ks_ct_equal(KS_BYTES(tag), ks_bytes_of(buf.data + body_len, TAG_LEN)),
             KS_ERR_VERIFY, "its tag is false: changed, or of another state");
    reader = ks_reader_of(ks_bytes_of(buf.data, body_len), "epoch");
    KS_TRY(ks_read_bytes(&reader, sizeof EPOCH_MAGIC - 1, &magic));
    KS_CHECK(ks_bytes_is(magic, EPOCH_MAGIC), KS_ERR_FORMAT, "not such a file");
    KS_TRY(ks_read_u16(&reader, &version));
    KS_CHECK(version >= 1 && version <= EPOCH_VERSION, KS_ERR_FORMAT, "version %u", version);
    KS_TRY(read_fields(&reader, version, epoch, &index));
    KS_CHECK(index == epoch->vault->counter_index, KS_ERR_VERIFY,
             "it goes by the counter at NV index 0x%08x, enclave.counter says 0x%08x",
             (unsigned)index, (unsigned)epoch->vault->counter_index);
out:
    ks_buf_done(&buf);
    return err;
}

/* --- the counter -------------------------------------------------------------------------- */

/* Counts to COUNTER + 1, and to nothing else. */
static enum ks_err count(struct ks_epoch *epoch)
{
    enum ks_err err = KS_OK;
    uint64_t value = 0;

    KS_TRY(epoch->vault->counter_increment(epoch->vault->context, &value));
    KS_CHECK(value == epoch->counter + 1, KS_ERR_CONFLICT,
             "epoch: the counter at NV index 0x%08x went from %llu to %llu: somebody else "
             "counts there; give each site its own (enclave.counter)",
             (unsigned)epoch->vault->counter_index, (unsigned long long)epoch->counter,
             (unsigned long long)value);
    epoch->counter = value;
    epoch->written_only = false;
out:
    return err;
}

enum ks_err ks_epoch_write(struct ks_epoch *epoch, const struct ks_epoch_reached *reached)
{
    enum ks_err err = KS_OK;
    uint64_t value = 0;

    KS_TRY(epoch->vault->counter_read(epoch->vault->context, &value));
    if (epoch->written_only && value == epoch->counter + 1) {
        epoch->counter = value; /* counted after all, though the TPM did not say so */
    }
    KS_CHECK(value == epoch->counter, KS_ERR_CONFLICT,
             "epoch: the counter at NV index 0x%08x stands at %llu, not %llu: somebody else "
             "counts there; give each site its own (enclave.counter)",
             (unsigned)epoch->vault->counter_index, (unsigned long long)value,
             (unsigned long long)epoch->counter);
    /* After a write that was not counted there may be a file of the next number already, and a
     * copy of it: so that number is passed as well. */
    for (unsigned rounds = epoch->written_only ? 2 : 1; rounds > 0; rounds--) {
        epoch->written_only = true;
        KS_TRY(store(epoch, epoch->counter + 1, reached));
        KS_TRY(count(epoch));
    }
    epoch->in_file = epoch->counter;
    epoch->reached = *reached;
out:
    return err;
}

/* The file's number is the counter's, or one more: then a crash came between the two. */
static enum ks_err compare(const struct ks_epoch *epoch, uint64_t value)
{
    const unsigned long long in_file = epoch->in_file;
    const unsigned long long in_tpm = value;

    if (epoch->in_file == value || epoch->in_file == value + 1) {
        return KS_OK;
    }
    if (epoch->in_file < value) {
        return ks_fail(KS_ERR_VERIFY,
                       "the state is of counter %llu, the TPM's stands at %llu: an older state "
                       "was put back" KS_ROLLBACK_REMEDY,
                       in_file, in_tpm);
    }
    return ks_fail(
        KS_ERR_VERIFY,
        "the state is of counter %llu, the TPM's stands at %llu: the TPM is another, "
        "or a simulated one whose last writes were lost" KS_ROLLBACK_REMEDY,
        in_file, in_tpm);
}

/* --- opening ------------------------------------------------------------------------------ */

static enum ks_err open_unsealed(struct ks_epoch *epoch)
{
    enum ks_err err = KS_OK;
    const struct ks_epoch_reached nothing = {0};
    uint64_t value = 0;

    err = load(epoch);
    if (err == KS_ERR_NOT_FOUND) {
        /* The counter begins after the file: so a state that was sealed already, and is put
         * back as it was before, shows. */
        err = epoch->vault->counter_read(epoch->vault->context, &value);
        KS_CHECK(err != KS_OK, KS_ERR_VERIFY,
                 "the keys are not sealed yet, but the TPM's counter stands at %llu: an older "
                 "state was put back, or another site counts there "
                 "(enclave.counter)" KS_ROLLBACK_REMEDY,
                 (unsigned long long)value);
        KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
        KS_TRY(store(epoch, 0, &nothing));
    }
    KS_TRY(err);
out:
    return err;
}

/* What has to hold before anything is written. */
static enum ks_err check(struct ks_epoch *epoch, enum ks_epoch_start start)
{
    enum ks_err err = KS_OK;
    uint64_t value = 0;

    if (start == KS_EPOCH_UNSEALED) {
        KS_TRY(open_unsealed(epoch));
        if (epoch->in_file == 0) {
            return KS_OK;
        }
    } else {
        err = load(epoch);
        KS_TRY(err == KS_ERR_NOT_FOUND
                   ? ks_fail(KS_ERR_VERIFY, "the file is gone or empty, but the keys are "
                                            "sealed" KS_ROLLBACK_REMEDY)
                   : err);
    }
    err = epoch->vault->counter_read(epoch->vault->context, &value);
    KS_TRY(err == KS_ERR_NOT_FOUND
               ? ks_fail(KS_ERR_VERIFY,
                         "the state is of counter %llu, the TPM has none at NV index "
                         "0x%08x" KS_ROLLBACK_REMEDY,
                         (unsigned long long)epoch->in_file,
                         (unsigned)epoch->vault->counter_index)
               : err);
    KS_TRY(compare(epoch, value));
out:
    return err;
}

enum ks_err ks_epoch_open(const struct ks_fs *fs, const struct ks_vault *vault,
                          struct ks_bytes master, const struct ks_epoch_options *options,
                          char out_forgiven[KS_ERR_DETAIL_MAX], struct ks_epoch **out_epoch)
{
    enum ks_err err = KS_OK;
    struct ks_epoch *epoch = ks_calloc(1, sizeof *epoch);

    KS_CHECK(epoch != NULL, KS_ERR_NOMEM, "epoch");
    epoch->fs = fs;
    epoch->vault = vault;
    out_forgiven[0] = '\0';
    KS_TRY(ks_hkdf_sha256(master, (struct ks_bytes){0}, KS_LITERAL("ketseal/epoch/1"),
                          epoch->key, sizeof epoch->key));
    if (options->start != KS_EPOCH_NEW) {
        err = check(epoch, options->start);
        if ((err == KS_ERR_VERIFY || err == KS_ERR_FORMAT) && options->forgive) {
            ks_text_shown(ks_bytes_text(ks_err_detail()), out_forgiven, KS_ERR_DETAIL_MAX);
            epoch->in_file = 0;
            epoch->reached = (struct ks_epoch_reached){0};
            err = KS_OK;
        }
        KS_TRY(ks_fail_prefix(err, "epoch"));
    }
    KS_TRY(vault->counter_open(vault->context));
    KS_TRY(vault->counter_read(vault->context, &epoch->counter));
    if (epoch->in_file == epoch->counter + 1) {
        KS_TRY(count(epoch)); /* else two files would be of one count */
    }
    *out_epoch = epoch;
    epoch = NULL; /* transferred */
out:
    ks_epoch_close(epoch);
    return err;
}

void ks_epoch_close(struct ks_epoch *epoch)
{
    if (epoch == NULL) {
        return;
    }
    ks_wipe(epoch, sizeof *epoch);
    ks_free(epoch);
}
