/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The checkpoint: docs/formats/fl-accumulator.md. Writer and reader, one beside the other. */

#include "crypto/digest.h"
#include "fl/internal.h"

#define MAGIC      "ketseal.fl-accumulator/1\n"
#define HEAD_LEN   (sizeof MAGIC - 1 + KS_FL_HASH_LEN + 4 + 1 + 1 + 8 + 4)
#define MEMBER_LEN (2 * KS_FL_HASH_LEN + 4)

static uint64_t bytes_of(const struct ks_fl_accumulator_params *params, size_t members)
{
    return HEAD_LEN + (uint64_t)members * MEMBER_LEN +
           (uint64_t)params->params * (unsigned)params->width / 8 + KS_FL_HASH_LEN;
}

uint64_t ks_fl_accumulator_bytes_written(const struct ks_fl_accumulator *accumulator)
{
    return bytes_of(&accumulator->params, accumulator->count);
}

uint64_t ks_fl_accumulator_written_max(const struct ks_fl_accumulator_params *params)
{
    return bytes_of(params, params->members_max);
}

static void put_head(const struct ks_fl_accumulator *accumulator, struct ks_buf *out)
{
    const struct ks_fl_accumulator_params *params = &accumulator->params;

    ks_buf_put_text(out, MAGIC);
    ks_buf_put(out, KS_BYTES(params->context));
    ks_buf_put_u32(out, (uint32_t)params->params);
    ks_buf_put_u8(out, (uint8_t)params->width);
    ks_buf_put_u8(out, (uint8_t)params->fraction_bits);
    ks_buf_put_u64(out, accumulator->weight);
    ks_buf_put_u32(out, (uint32_t)accumulator->count);
}

static void store_u64(uint8_t *target, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        target[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

static void put_sums(const struct ks_fl_accumulator *accumulator, struct ks_buf *out)
{
    const size_t bytes = accumulator->params.params * ((unsigned)accumulator->params.width / 8);
    uint8_t *target = ks_buf_reserve(out, bytes);

    if (target == NULL) {
        return;
    }
    for (size_t i = 0; i < accumulator->params.params; i++) {
        if (accumulator->lows == NULL) {
            store_u64(&target[8 * i], (uint64_t)accumulator->sums[i]);
        } else {
            store_u64(&target[16 * i], (uint64_t)accumulator->sums[i]);
            store_u64(&target[16 * i + 8], accumulator->lows[i]);
        }
    }
    ks_buf_grew(out, bytes);
}

void ks_fl_accumulator_write(const struct ks_fl_accumulator *accumulator, struct ks_buf *out)
{
    const size_t start = out->len;

    put_head(accumulator, out);
    for (size_t i = 0; i < accumulator->count; i++) {
        const struct ks_fl_member *member = ks_fl_accumulator_member(accumulator, i);

        ks_buf_put(out, KS_BYTES(member->client));
        ks_buf_put(out, KS_BYTES(member->update));
        ks_buf_put_u32(out, member->weight);
    }
    put_sums(accumulator, out);
    ks_sha256_put_end(out, start);
}

/* --- reading ------------------------------------------------------------------------------ */

struct head {
    struct ks_fl_accumulator_params params;
    uint64_t weight;
    uint32_t count;
};

static enum ks_err read_head(struct ks_reader *reader, size_t members_max, struct head *head)
{
    enum ks_err err = KS_OK;
    uint32_t params = 0;
    uint8_t width = 0;
    uint8_t bits = 0;

    KS_TRY(ks_fl_read_magic(reader, MAGIC));
    KS_TRY(ks_read_copy(reader, head->params.context, KS_FL_HASH_LEN));
    KS_TRY(ks_read_u32(reader, &params));
    KS_TRY(ks_read_u8(reader, &width));
    KS_TRY(ks_read_u8(reader, &bits));
    KS_TRY(ks_read_u64(reader, &head->weight));
    KS_TRY(ks_read_u32(reader, &head->count));
    KS_CHECK(width == KS_FL_WIDTH_64 || width == KS_FL_WIDTH_128, KS_ERR_FORMAT,
             "accumulator: sums of %u bits", width);
    KS_CHECK(head->count <= members_max, KS_ERR_LIMIT, "accumulator: %u members, room for %zu",
             head->count, members_max);
    /* Before anything is allocated: there is as much as was announced. */
    KS_CHECK(reader->rest.len == (uint64_t)head->count * MEMBER_LEN +
                                     (uint64_t)params * (width / 8u) + KS_FL_HASH_LEN,
             KS_ERR_FORMAT, "accumulator: not of the length that its head says");
    head->params.params = params;
    head->params.width = (enum ks_fl_width)width;
    head->params.fraction_bits = bits;
    head->params.members_max = members_max;
out:
    return err;
}

static enum ks_err read_members(struct ks_reader *reader, const struct head *head,
                                struct ks_fl_accumulator *accumulator)
{
    enum ks_err err = KS_OK;
    struct ks_fl_member before = {0};

    for (uint32_t i = 0; i < head->count; i++) {
        struct ks_fl_member member = {0};

        KS_TRY(ks_read_copy(reader, member.client, sizeof member.client));
        KS_TRY(ks_read_copy(reader, member.update, sizeof member.update));
        KS_TRY(ks_read_u32(reader, &member.weight));
        KS_CHECK(i == 0 ||
                     ks_bytes_compare(KS_BYTES(before.client), KS_BYTES(member.client)) < 0,
                 KS_ERR_FORMAT, "accumulator: member %u is out of order, or twice", i);
        KS_TRY(ks_fl_accumulator_enlist(accumulator, &member));
        before = member;
    }
    KS_CHECK(accumulator->weight == head->weight, KS_ERR_FORMAT,
             "accumulator: its members do not have the weight that it says");
out:
    return err;
}

/* What members of this weight can have added up to. */
static bool possible(const struct ks_fl_accumulator *accumulator, int64_t high)
{
    const int64_t most = accumulator->lows == NULL ? (int64_t)(accumulator->weight << 31)
                                                   : (int64_t)(accumulator->weight * (1 << 24));

    return high >= -most && high <= most;
}

static enum ks_err read_sums(struct ks_reader *reader, struct ks_fl_accumulator *accumulator)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < accumulator->params.params; i++) {
        uint64_t word = 0;

        KS_TRY(ks_read_u64(reader, &word));
        accumulator->sums[i] = (int64_t)word;
        if (accumulator->lows != NULL) {
            KS_TRY(ks_read_u64(reader, &accumulator->lows[i]));
        }
        KS_CHECK(possible(accumulator, accumulator->sums[i]) &&
                     (accumulator->count > 0 || accumulator->lows == NULL ||
                      accumulator->lows[i] == 0),
                 KS_ERR_FORMAT, "accumulator: sum %zu is more than its members can give", i);
    }
out:
    return err;
}

enum ks_err ks_fl_accumulator_read(struct ks_bytes bytes, size_t members_max,
                                   struct ks_fl_accumulator **out_accumulator)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "accumulator");
    struct ks_fl_accumulator *accumulator = NULL;
    struct head head = {0};
    struct ks_bytes hash = {0};

    KS_TRY(read_head(&reader, members_max, &head));
    err = ks_fl_accumulator_new(&head.params, &accumulator);
    err = err == KS_ERR_USAGE ? KS_ERR_FORMAT : err; /* the file's, not the caller's */
    KS_TRY(err);
    KS_TRY(read_members(&reader, &head, accumulator));
    KS_TRY(read_sums(&reader, accumulator));
    KS_TRY(ks_read_bytes(&reader, KS_FL_HASH_LEN, &hash));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_fail_prefix(ks_sha256_check_end(bytes), "accumulator"));
    *out_accumulator = accumulator;
    accumulator = NULL; /* transferred */
out:
    ks_fl_accumulator_free(accumulator);
    return err;
}
