/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "kme/message.h"

#include <string.h>

static void put_sae(struct ks_buf *out, const struct ks_etsi014_sae *sae)
{
    ks_buf_put_lp16(out, ks_bytes_text(sae->text));
}

static enum ks_err read_sae(struct ks_reader *reader, struct ks_etsi014_sae *out_sae)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_read_lp16(reader, KS_ETSI014_SAE_MAX, &text));
    KS_TRY(ks_etsi014_sae_parse(text, out_sae));
out:
    return err;
}

static enum ks_err read_flag(struct ks_reader *reader, bool *out_flag)
{
    enum ks_err err = KS_OK;
    uint8_t value = 0;

    KS_TRY(ks_read_u8(reader, &value));
    KS_CHECK(value <= 1, KS_ERR_FORMAT, "%s: a flag of %u", reader->what, value);
    *out_flag = value == 1;
out:
    return err;
}

void ks_kme_hello_put(struct ks_buf *out, const struct ks_kme_hello *hello)
{
    ks_buf_put_u8(out, KS_KME_PROTOCOL);
    ks_buf_put_u8(out, hello->alice ? 1 : 0);
    put_sae(out, &hello->name);
}

enum ks_err ks_kme_hello_read(struct ks_bytes bytes, struct ks_kme_hello *out_hello)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "hello");
    struct ks_kme_hello hello = {0};
    uint8_t version = 0;

    KS_TRY(ks_read_u8(&reader, &version));
    KS_CHECK(version == KS_KME_PROTOCOL, KS_ERR_FORMAT, "hello: protocol %u, this one knows %d",
             version, KS_KME_PROTOCOL);
    KS_TRY(read_flag(&reader, &hello.alice));
    KS_TRY(read_sae(&reader, &hello.name));
    KS_TRY(ks_read_end(&reader));
    *out_hello = hello;
out:
    return err;
}

void ks_kme_start_put(struct ks_buf *out, const struct ks_kme_start *start)
{
    ks_buf_put(out, KS_BYTES(start->block));
    ks_buf_put_u32(out, start->generation);
    ks_buf_put_u16(out, start->share);
}

enum ks_err ks_kme_start_read(struct ks_bytes bytes, struct ks_kme_start *out_start)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "start of a block");
    struct ks_kme_start start = {0};

    KS_TRY(ks_read_copy(&reader, start.block, sizeof start.block));
    KS_TRY(ks_read_u32(&reader, &start.generation));
    KS_TRY(ks_read_u16(&reader, &start.share));
    KS_CHECK(start.share <= KS_KME_SHARE_ALL, KS_ERR_FORMAT, "start of a block: share %u",
             start.share);
    KS_TRY(ks_read_end(&reader));
    *out_start = start;
out:
    return err;
}

void ks_kme_done_put(struct ks_buf *out, const struct ks_kme_done *done)
{
    ks_buf_put(out, KS_BYTES(done->block));
    ks_buf_put_u32(out, done->len);
}

enum ks_err ks_kme_done_read(struct ks_bytes bytes, struct ks_kme_done *out_done)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "end of a block");
    struct ks_kme_done done = {0};

    KS_TRY(ks_read_copy(&reader, done.block, sizeof done.block));
    KS_TRY(ks_read_u32(&reader, &done.len));
    KS_TRY(ks_read_end(&reader));
    *out_done = done;
out:
    return err;
}

void ks_kme_allotment_put(struct ks_buf *out, const struct ks_kme_allotment *allotment)
{
    ks_buf_put_u64(out, allotment->number);
    put_sae(out, &allotment->master);
    ks_buf_put_u8(out, (uint8_t)allotment->named_count);
    for (size_t i = 0; i < allotment->named_count; i++) {
        put_sae(out, &allotment->named[i]);
    }
    ks_buf_put_u16(out, (uint16_t)allotment->key_count);
    for (size_t i = 0; i < allotment->key_count; i++) {
        const struct ks_kme_allotted_key *key = &allotment->keys[i];

        ks_buf_put(out, KS_BYTES(key->id.bytes));
        ks_buf_put(out, KS_BYTES(key->place.block));
        ks_buf_put_u32(out, key->place.number);
        ks_buf_put_u32(out, key->place.start);
        ks_buf_put_u16(out, key->place.len);
    }
}

static enum ks_err read_named(struct ks_reader *reader, struct ks_kme_allotment *allotment)
{
    enum ks_err err = KS_OK;
    uint8_t count = 0;

    KS_TRY(ks_read_u8(reader, &count));
    KS_CHECK(count >= 1 && count <= KS_KME_NAMED_MAX, KS_ERR_FORMAT, "allotment: %u slaves",
             count);
    for (size_t i = 0; i < count; i++) {
        KS_TRY(read_sae(reader, &allotment->named[i]));
        for (size_t earlier = 0; earlier < i; earlier++) {
            KS_CHECK(strcmp(allotment->named[i].text, allotment->named[earlier].text) != 0,
                     KS_ERR_FORMAT, "allotment: a slave twice");
        }
    }
    allotment->named_count = count;
out:
    return err;
}

static enum ks_err read_allotted(struct ks_reader *reader, struct ks_kme_allotted_key *key)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_read_copy(reader, key->id.bytes, sizeof key->id.bytes));
    KS_TRY(ks_read_copy(reader, key->place.block, sizeof key->place.block));
    KS_TRY(ks_read_u32(reader, &key->place.number));
    KS_TRY(ks_read_u32(reader, &key->place.start));
    KS_TRY(ks_read_u16(reader, &key->place.len));
    KS_CHECK(key->place.len >= 1 && key->place.len <= KS_ETSI014_KEY_LEN_MAX, KS_ERR_FORMAT,
             "allotment: a key of %u bytes", key->place.len);
out:
    return err;
}

enum ks_err ks_kme_allotment_read(struct ks_bytes bytes, struct ks_kme_allotment *out_allotment)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "allotment");
    struct ks_kme_allotment *allotment = out_allotment;
    uint16_t count = 0;

    ks_zero(allotment, sizeof *allotment);
    KS_TRY(ks_read_u64(&reader, &allotment->number));
    KS_TRY(read_sae(&reader, &allotment->master));
    KS_TRY(read_named(&reader, allotment));
    KS_TRY(ks_read_u16(&reader, &count));
    KS_CHECK(count >= 1 && count <= KS_ETSI014_KEYS_MAX, KS_ERR_FORMAT, "allotment: %u keys",
             count);
    for (size_t i = 0; i < count; i++) {
        KS_TRY(read_allotted(&reader, &allotment->keys[i]));
    }
    KS_TRY(ks_read_end(&reader));
    allotment->key_count = count;
out:
    return err;
}

void ks_kme_answer_put(struct ks_buf *out, const struct ks_kme_answer *answer)
{
    ks_buf_put_u64(out, answer->number);
    ks_buf_put_u8(out, answer->kept ? 1 : 0);
}

enum ks_err ks_kme_answer_read(struct ks_bytes bytes, struct ks_kme_answer *out_answer)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "answer to an allotment");
    struct ks_kme_answer answer = {0};

    KS_TRY(ks_read_u64(&reader, &answer.number));
    KS_TRY(read_flag(&reader, &answer.kept));
    KS_TRY(ks_read_end(&reader));
    *out_answer = answer;
out:
    return err;
}
