/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/rounds_record.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

/* TEXT in LEN bytes, zeros behind it. */
static void put_text(struct ks_buf *out, const char *text, size_t len)
{
    const size_t used = strlen(text);

    KS_ASSERT(used <= len);
    ks_buf_put(out, ks_bytes_of(text, used));
    for (size_t i = used; i < len; i++) {
        ks_buf_put_u8(out, 0);
    }
}

void ks_round_record_put(const struct ks_round_record *record, struct ks_buf *out)
{
    ks_buf_put_u8(out, KS_ROUND_RECORD_VERSION);
    ks_buf_put_u8(out, (uint8_t)record->kind);
    ks_buf_put_u8(out, record->code);
    ks_buf_put(out, KS_BYTES(record->session));
    ks_buf_put_u64(out, record->round);
    ks_buf_put_u64(out, record->at_us);
    ks_buf_put_u64(out, record->other);
    put_text(out, record->device, KS_FL_CLIENT_NAME_MAX);
    for (size_t i = 0; i < KS_ROUND_RECORD_HASHES; i++) {
        ks_buf_put(out, KS_BYTES(record->hash[i]));
    }
    ks_buf_put_u32(out, record->count);
    ks_buf_put_u64(out, record->samples);
    for (size_t i = 0; i < 3; i++) {
        KS_ASSERT(isfinite(record->figures[i]));
        ks_buf_put_double(out, record->figures[i]);
    }
    put_text(out, record->reason, KS_ROUNDS_REASON_MAX);
}

void ks_round_record_remove(struct ks_buf *log, enum ks_round_record_kind kind,
                            const char *device)
{
    const size_t name = 3 + KS_SESSION_LEN + 3 * 8; /* behind the fields before it */
    const size_t len = strlen(device) + (strlen(device) < KS_FL_CLIENT_NAME_MAX ? 1 : 0);
    size_t at = 0;

    while (at < log->len && (log->data[at + 1] != (uint8_t)kind ||
                             !ks_bytes_equal(ks_bytes_of(log->data + at + name, len),
                                             ks_bytes_of(device, len)))) {
        at += KS_ROUND_RECORD_LEN;
    }
    if (at == log->len) {
        return;
    }
    for (; at + KS_ROUND_RECORD_LEN < log->len; at += KS_ROUND_RECORD_LEN) {
        ks_copy(log->data + at, log->data + at + KS_ROUND_RECORD_LEN, KS_ROUND_RECORD_LEN);
    }
    log->len = at;
}

/* A name, or nothing; zeros behind it. */
static enum ks_err read_text(struct ks_reader *reader, char *target, size_t len)
{
    enum ks_err err = KS_OK;
    size_t used = 0;

    KS_TRY(ks_read_copy(reader, target, len));
    target[len] = '\0';
    used = strlen(target);
    for (size_t i = used; i < len; i++) {
        KS_CHECK(target[i] == '\0', KS_ERR_FORMAT, "rounds: bytes behind a text");
    }
    KS_CHECK(used == 0 || ks_text_is_name(ks_bytes_of(target, used), len), KS_ERR_FORMAT,
             "rounds: a text that is no name");
out:
    return err;
}

enum ks_err ks_round_record_read(struct ks_bytes bytes, struct ks_round_record *out_record)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "rounds");
    struct ks_round_record record = {0};
    uint8_t version = 0;
    uint8_t kind = 0;

    KS_TRY(ks_read_u8(&reader, &version));
    KS_CHECK(version == KS_ROUND_RECORD_VERSION, KS_ERR_FORMAT, "rounds: version %u", version);
    KS_TRY(ks_read_u8(&reader, &kind));
    KS_CHECK(kind >= 1 && kind <= KS_ROUND_RECORD_KINDS, KS_ERR_FORMAT,
             "rounds: a record of kind %u", kind);
    record.kind = (enum ks_round_record_kind)kind;
    KS_TRY(ks_read_u8(&reader, &record.code));
    KS_TRY(ks_read_copy(&reader, record.session, sizeof record.session));
    KS_TRY(ks_read_u64(&reader, &record.round));
    KS_TRY(ks_read_u64(&reader, &record.at_us));
    KS_TRY(ks_read_u64(&reader, &record.other));
    KS_TRY(read_text(&reader, record.device, KS_FL_CLIENT_NAME_MAX));
    for (size_t i = 0; i < KS_ROUND_RECORD_HASHES; i++) {
        KS_TRY(ks_read_copy(&reader, record.hash[i], sizeof record.hash[i]));
    }
    KS_TRY(ks_read_u32(&reader, &record.count));
    KS_TRY(ks_read_u64(&reader, &record.samples));
    for (size_t i = 0; i < 3; i++) {
        KS_TRY(ks_read_double(&reader, &record.figures[i]));
        KS_CHECK(isfinite(record.figures[i]), KS_ERR_FORMAT, "rounds: a number that is none");
    }
    KS_TRY(read_text(&reader, record.reason, KS_ROUNDS_REASON_MAX));
    KS_TRY(ks_read_end(&reader));
    *out_record = record;
out:
    return err;
}
