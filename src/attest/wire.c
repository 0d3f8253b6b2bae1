/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attest/wire.h"

#define NUMBER_MAX 512 /* bytes of a TPM2B that is a number */
#define ATTRIBUTES_FREE                                                                        \
    (KS_OBJECT_ST_CLEAR | KS_OBJECT_USER_WITH_AUTH | KS_OBJECT_ADMIN_WITH_POLICY |             \
     KS_OBJECT_NO_DA)

enum ks_err ks_wire_alg(struct ks_reader *reader, unsigned want, const char *field)
{
    enum ks_err err = KS_OK;
    uint16_t value;

    KS_TRY(ks_read_u16(reader, &value));
    KS_CHECK(value == want, KS_ERR_FORMAT, "%s: %s is 0x%04x, want 0x%04x", reader->what, field,
             (unsigned)value, want);
out:
    return err;
}

enum ks_err ks_wire_number(struct ks_reader *reader, uint8_t *target, size_t len,
                           const char *field)
{
    enum ks_err err = KS_OK;
    struct ks_bytes bytes;

    KS_TRY(ks_read_lp16(reader, NUMBER_MAX, &bytes));
    KS_CHECK(bytes.len >= 1 && bytes.len <= len, KS_ERR_FORMAT,
             "%s: %s has %zu bytes, want %zu", reader->what, field, bytes.len, len);
    ks_zero(target, len - bytes.len);
    ks_copy(target + (len - bytes.len), bytes.data, bytes.len);
out:
    return err;
}

enum ks_err ks_wire_attributes(struct ks_reader *reader, const struct ks_wire_rule *rules,
                               size_t count, const char *kind)
{
    enum ks_err err = KS_OK;
    uint32_t attributes;
    uint32_t known = ATTRIBUTES_FREE;

    KS_TRY(ks_read_u32(reader, &attributes));
    for (size_t i = 0; i < count; i++) {
        bool set = (attributes & rules[i].bit) != 0;
        KS_CHECK(set == rules[i].wanted, KS_ERR_FORMAT, "%s: attribute %s is %s; not a %s",
                 reader->what, rules[i].name, set ? "set" : "clear", kind);
        known |= rules[i].bit;
    }
    KS_CHECK((attributes & ~known) == 0, KS_ERR_FORMAT, "%s: reserved attributes 0x%08x",
             reader->what, (unsigned)(attributes & ~known));
out:
    return err;
}

enum ks_err ks_wire_rsa_unique(struct ks_reader *reader, uint32_t *out_exponent,
                               uint8_t modulus[KS_RSA_BYTES])
{
    enum ks_err err = KS_OK;
    uint32_t exponent;

    KS_TRY(ks_read_u32(reader, &exponent));
    KS_CHECK(exponent == 0 || exponent == KS_RSA_EXPONENT_DEFAULT, KS_ERR_FORMAT,
             "%s: RSA exponent %u", reader->what, (unsigned)exponent);
    KS_TRY(ks_wire_number(reader, modulus, KS_RSA_BYTES, "modulus"));
    KS_CHECK((modulus[0] & 0x80) != 0 && (modulus[KS_RSA_BYTES - 1] & 1) != 0, KS_ERR_FORMAT,
             "%s: the modulus is no %d-bit RSA modulus", reader->what, KS_RSA_BITS);
    *out_exponent = KS_RSA_EXPONENT_DEFAULT;
out:
    return err;
}

/* COUNT <= 8 bytes, the least significant first. */
static enum ks_err read_le(struct ks_reader *reader, size_t count, uint64_t *out_value)
{
    enum ks_err err = KS_OK;
    uint8_t bytes[8];
    uint64_t value = 0;

    KS_TRY(ks_read_copy(reader, bytes, count));
    for (size_t i = 0; i < count; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    *out_value = value;
out:
    return err;
}

enum ks_err ks_wire_le16(struct ks_reader *reader, uint16_t *out_value)
{
    uint64_t value = 0;
    enum ks_err err = read_le(reader, sizeof *out_value, &value);

    if (err == KS_OK) {
        *out_value = (uint16_t)value;
    }
    return err;
}

enum ks_err ks_wire_le32(struct ks_reader *reader, uint32_t *out_value)
{
    uint64_t value = 0;
    enum ks_err err = read_le(reader, sizeof *out_value, &value);

    if (err == KS_OK) {
        *out_value = (uint32_t)value;
    }
    return err;
}

enum ks_err ks_wire_le64(struct ks_reader *reader, uint64_t *out_value)
{
    return read_le(reader, sizeof *out_value, out_value);
}

enum ks_err ks_wire_le_lp32(struct ks_reader *reader, size_t len_max,
                            struct ks_bytes *out_bytes)
{
    enum ks_err err = KS_OK;
    uint32_t len;

    KS_TRY(ks_wire_le32(reader, &len));
    KS_CHECK(len <= len_max, KS_ERR_LIMIT, "%s: %u bytes, limit %zu", reader->what,
             (unsigned)len, len_max);
    KS_TRY(ks_read_bytes(reader, len, out_bytes));
out:
    return err;
}
