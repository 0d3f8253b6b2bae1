/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/keyid.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/digest.h"

#define HEX_LEN 16 /* characters of a u64 */
#define LABEL   "ketseal/one-time-key/1"

#define BOTH_LABEL "ketseal/both/1\n"

_Static_assert(2 * (HEX_LEN + 1) + 10 + 1 <= KS_KEY_ID_TEXT_MAX, "two numbers, u32 index, NUL");

enum ks_err ks_one_time_key_derive(struct ks_bytes secret, struct ks_bytes salt, uint32_t index,
                                   uint8_t out_key[KS_ONE_TIME_KEY_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf info;

    ks_buf_init(&info, sizeof LABEL - 1 + sizeof index);
    ks_buf_put(&info, KS_LITERAL(LABEL));
    ks_buf_put_u32(&info, index);
    KS_TRY(ks_buf_check(&info));
    KS_TRY(ks_hkdf_sha256(secret, salt, ks_buf_view(&info), out_key, KS_ONE_TIME_KEY_LEN));
out:
    ks_buf_done(&info);
    return err;
}

void ks_key_id_text(uint64_t instance, uint64_t number, uint32_t index,
                    char target[KS_KEY_ID_TEXT_MAX])
{
    (void)snprintf(target, KS_KEY_ID_TEXT_MAX, "%016llx.%016llx.%u",
                   (unsigned long long)instance, (unsigned long long)number, (unsigned)index);
}

/* Sixteen digits and the dot after them. */
static enum ks_err read_hex(struct ks_reader *reader, uint64_t *out_value)
{
    enum ks_err err = KS_OK;
    struct ks_bytes digits = {0};
    uint8_t bytes[sizeof(uint64_t)];
    uint8_t dot = 0;

    KS_TRY(ks_read_bytes(reader, HEX_LEN, &digits));
    KS_TRY(ks_hex_decode(digits, bytes, sizeof bytes));
    KS_TRY(ks_read_u8(reader, &dot));
    KS_CHECK(dot == '.', KS_ERR_FORMAT, "key id: expected '.'");
    struct ks_reader number = ks_reader_of(KS_BYTES(bytes), "key id");
    KS_TRY(ks_read_u64(&number, out_value));
out:
    return err;
}

enum ks_err ks_key_id_parse(struct ks_bytes text, uint64_t *out_instance, uint64_t *out_number,
                            uint32_t *out_index)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(text, "key id");
    uint64_t instance = 0;
    uint64_t number = 0;
    uint64_t index = 0;

    KS_CHECK(text.len < KS_KEY_ID_TEXT_MAX, KS_ERR_FORMAT, "key id of %zu characters",
             text.len);
    KS_TRY(read_hex(&reader, &instance));
    KS_TRY(read_hex(&reader, &number));
    KS_TRY(ks_text_u64(reader.rest, KS_KEY_BATCH_MAX - 1, &index));
    *out_instance = instance;
    *out_number = number;
    *out_index = (uint32_t)index;
out:
    return err;
}

/* --- keys of every source ----------------------------------------------------------------- */

void ks_key_name_text(const struct ks_key_name *name, char target[KS_KEY_NAME_MAX])
{
    size_t len = 0;

    if (name->kem) {
        ks_key_id_text(name->instance, name->number, name->index, target);
        len = strlen(target);
    }
    if (name->kem && name->quantum) {
        target[len++] = ':';
    }
    if (name->quantum) {
        ks_etsi014_id_text(&name->id, target + len);
    }
}

/* In the one spelling. */
static enum ks_err parse_id(struct ks_bytes text, struct ks_etsi014_id *out_id)
{
    enum ks_err err = KS_OK;
    struct ks_etsi014_id id;
    char again[KS_ETSI014_ID_TEXT_LEN + 1];

    KS_TRY(ks_etsi014_id_parse(text, &id));
    ks_etsi014_id_text(&id, again);
    KS_CHECK(ks_bytes_is(text, again), KS_ERR_FORMAT, "a key_ID is written in lower case");
    *out_id = id;
out:
    return err;
}

enum ks_err ks_key_name_parse(struct ks_bytes text, struct ks_key_name *out_name)
{
    enum ks_err err = KS_OK;
    struct ks_key_name name = {.kem = true};
    size_t colon = 0;

    while (colon < text.len && text.data[colon] != ':') {
        colon++;
    }
    if (colon < text.len) {
        name.quantum = true;
        KS_TRY(parse_id(ks_bytes_of(text.data + colon + 1, text.len - colon - 1), &name.id));
    } else if (text.len == KS_ETSI014_ID_TEXT_LEN && text.data[8] == '-') {
        name.quantum = true;
        name.kem = false;
        KS_TRY(parse_id(text, &name.id));
    }
    if (name.kem) {
        KS_TRY(ks_key_id_parse(ks_bytes_of(text.data, colon), &name.instance, &name.number,
                               &name.index));
    }
    *out_name = name;
out:
    return err;
}

enum ks_err ks_one_time_key_both(const uint8_t kem[KS_ONE_TIME_KEY_LEN],
                                 const uint8_t quantum[KS_ONE_TIME_KEY_LEN],
                                 const struct ks_key_name *name,
                                 uint8_t out_key[KS_ONE_TIME_KEY_LEN])
{
    enum ks_err err = KS_OK;
    char text[KS_KEY_NAME_MAX];
    struct ks_buf info;

    KS_ASSERT(name->kem && name->quantum);
    ks_buf_init(&info, sizeof BOTH_LABEL + KS_KEY_NAME_MAX);
    ks_key_name_text(name, text);
    ks_buf_put_text(&info, BOTH_LABEL);
    ks_buf_put_text(&info, text);
    KS_TRY(ks_buf_check(&info));
    KS_TRY(ks_hkdf_sha256(ks_bytes_of(quantum, KS_ONE_TIME_KEY_LEN),
                          ks_bytes_of(kem, KS_ONE_TIME_KEY_LEN), ks_buf_view(&info), out_key,
                          KS_ONE_TIME_KEY_LEN));
out:
    ks_buf_done(&info);
    return err;
}
