/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* docs/formats/fl-update.md: writer and reader, one beside the other. */

#include "fl/update.h"

#include <inttypes.h>

#include "crypto/digest.h"
#include "fl/internal.h"

#define MAGIC    "ketseal.fl-update/1\n"
#define HEAD_LEN (sizeof MAGIC - 1 + KS_FL_SESSION_LEN + 8 + 2 * KS_FL_HASH_LEN + 4 + 4 + 1 + 4)

uint64_t ks_fl_update_bytes(uint64_t len)
{
    return HEAD_LEN + len;
}

uint64_t ks_fl_update_bytes_max(size_t params)
{
    const struct ks_fl_encode largest = {.encoding = KS_FL_TOPK, .keep = params};

    return ks_fl_update_bytes(ks_fl_encoded_bytes_max(&largest, params));
}

static void put_subject(const struct ks_fl_subject *subject, struct ks_buf *out)
{
    ks_buf_put(out, KS_BYTES(subject->session));
    ks_buf_put_u64(out, subject->round);
    ks_buf_put(out, KS_BYTES(subject->parent));
    ks_buf_put(out, KS_BYTES(subject->shape));
    ks_buf_put_u32(out, subject->params);
}

void ks_fl_update_write(const struct ks_fl_update *update, struct ks_buf *out)
{
    ks_buf_put_text(out, MAGIC);
    put_subject(&update->subject, out);
    ks_buf_put_u32(out, update->samples);
    ks_buf_put_u8(out, (uint8_t)update->encoding);
    ks_buf_put_lp32(out, update->payload);
}

enum ks_err ks_fl_update_read(struct ks_bytes bytes, struct ks_fl_update *out_update)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "update");
    struct ks_fl_update update = {0};
    struct ks_fl_subject *subject = &update.subject;
    uint8_t encoding = 0;

    KS_TRY(ks_fl_read_magic(&reader, MAGIC));
    KS_TRY(ks_read_copy(&reader, subject->session, sizeof subject->session));
    KS_TRY(ks_read_u64(&reader, &subject->round));
    KS_TRY(ks_read_copy(&reader, subject->parent, sizeof subject->parent));
    KS_TRY(ks_read_copy(&reader, subject->shape, sizeof subject->shape));
    KS_TRY(ks_read_u32(&reader, &subject->params));
    KS_TRY(ks_read_u32(&reader, &update.samples));
    KS_TRY(ks_read_u8(&reader, &encoding));
    KS_TRY(ks_read_lp32(&reader, UINT32_MAX, &update.payload));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(subject->params >= 1 && subject->params <= KS_FL_PARAMS_MAX, KS_ERR_LIMIT,
             "update: %u parameters, 1 to %zu", subject->params, KS_FL_PARAMS_MAX);
    KS_CHECK(update.samples >= 1 && update.samples <= KS_FL_WEIGHT_MAX, KS_ERR_LIMIT,
             "update: of %u samples, 1 to %d", update.samples, KS_FL_WEIGHT_MAX);
    KS_CHECK(encoding < KS_FL_ENCODINGS, KS_ERR_FORMAT, "update: encoding %u", encoding);
    update.encoding = (enum ks_fl_encoding)encoding;
    KS_TRY(ks_fl_encoded_check(update.encoding, update.payload, subject->params));
    *out_update = update;
out:
    return err;
}

enum ks_err ks_fl_update_about(const struct ks_fl_update *update,
                               const struct ks_fl_subject *subject)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_subject *own = &update->subject;

    KS_CHECK(ks_bytes_equal(KS_BYTES(own->session), KS_BYTES(subject->session)),
             KS_ERR_CONFLICT, "update: of another session");
    KS_CHECK(own->round == subject->round, KS_ERR_CONFLICT,
             "update: for round %" PRIu64 ", this is round %" PRIu64, own->round,
             subject->round);
    KS_CHECK(ks_bytes_equal(KS_BYTES(own->parent), KS_BYTES(subject->parent)), KS_ERR_CONFLICT,
             "update: of another parent model");
    KS_CHECK(own->params == subject->params &&
                 ks_bytes_equal(KS_BYTES(own->shape), KS_BYTES(subject->shape)),
             KS_ERR_CONFLICT, "update: of another shape, or number of parameters");
out:
    return err;
}

void ks_fl_update_context(const struct ks_fl_subject *subject,
                          uint8_t out_context[KS_FL_HASH_LEN])
{
    uint8_t round[8];
    uint8_t params[4];
    const struct ks_bytes parts[] = {
        KS_LITERAL("ketseal.fl-subject/1\n"),
        KS_BYTES(subject->session),
        KS_BYTES(round),
        KS_BYTES(subject->parent),
        KS_BYTES(subject->shape),
        KS_BYTES(params),
    };

    for (unsigned i = 0; i < sizeof round; i++) {
        round[i] = (uint8_t)(subject->round >> (56 - 8 * i));
    }
    for (unsigned i = 0; i < sizeof params; i++) {
        params[i] = (uint8_t)(subject->params >> (24 - 8 * i));
    }
    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_context);
}

void ks_fl_client_id(struct ks_bytes name, uint8_t out_id[KS_FL_HASH_LEN])
{
    const struct ks_bytes parts[] = {KS_LITERAL("ketseal.fl-client/1\n"), name};

    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_id);
}

uint64_t ks_fl_client_seed(enum ks_fl_draw draw, uint64_t seed, struct ks_bytes name,
                           uint64_t round)
{
    static const char *const labels[] = {
        [KS_FL_DRAW_TRAINING] = "ketseal.fl-training/1\n",
        [KS_FL_DRAW_ROUNDING] = "ketseal.fl-rounding/1\n",
    };
    uint8_t numbers[16];
    uint8_t digest[KS_FL_HASH_LEN];
    const struct ks_bytes parts[] = {ks_bytes_text(labels[draw]), KS_BYTES(numbers), name};
    uint64_t derived = 0;

    for (unsigned i = 0; i < 8; i++) {
        numbers[i] = (uint8_t)(seed >> (56 - 8 * i));
        numbers[8 + i] = (uint8_t)(round >> (56 - 8 * i));
    }
    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], digest);
    for (unsigned i = 0; i < 8; i++) {
        derived = derived << 8 | digest[i];
    }
    return derived;
}
