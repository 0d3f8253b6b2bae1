/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Blobs and authorisations of docs/formats/sealed.md. */
#include "attest/sealed.h"

#include <stdio.h>
#include <string.h>

#include "crypto/tpmkey.h"

#define SEALED_MAGIC        "ketseal/sealed/1\n"
#define AUTHORISATION_MAGIC "ketseal/authorisation/1\n"
#define PUBLIC_AREA_MAX     128 /* bytes; ours have 78 */
#define PRIVATE_AREA_MAX    512 /* bytes; 128 sealed ones need some 250 */

/* TPM2 part 2 §6.3, §6.4, §8.3. */
#define ALG_KEYEDHASH     0x0008
#define ALG_SHA256        0x000b
#define ALG_NULL          0x0010
#define SEALED_ATTRIBUTES 0x00000412 /* fixedTPM, fixedParent, noDA; no userWithAuth */

/* RFC 5480: SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point. */
static const uint8_t spki_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

/* --- the fields that both formats have ---------------------------------------------------- */

static enum ks_err read_magic(struct ks_reader *reader, const char *magic)
{
    enum ks_err err = KS_OK;
    struct ks_bytes bytes;

    KS_TRY(ks_read_bytes(reader, strlen(magic), &bytes));
    KS_CHECK(ks_bytes_is(bytes, magic), KS_ERR_FORMAT, "%s: it begins otherwise", reader->what);
out:
    return err;
}

static enum ks_err read_pcrs(struct ks_reader *reader, uint32_t *out_mask,
                             uint8_t (*values)[KS_PCR_DIGEST_LEN])
{
    enum ks_err err = KS_OK;
    uint32_t mask;

    KS_TRY(ks_read_u32(reader, &mask));
    KS_CHECK(mask != 0 && mask < 1u << KS_PCR_COUNT, KS_ERR_FORMAT, "%s: PCR mask 0x%08x",
             reader->what, (unsigned)mask);
    KS_TRY(ks_read_copy(reader, values, (size_t)ks_pcr_mask_count(mask) * KS_PCR_DIGEST_LEN));
    *out_mask = mask;
out:
    return err;
}

static void put_pcrs(struct ks_buf *buf, const struct ks_pcr_state *pcrs)
{
    ks_buf_put_u32(buf, pcrs->mask);
    ks_buf_put(buf, ks_bytes_of(pcrs->values,
                                (size_t)ks_pcr_mask_count(pcrs->mask) * KS_PCR_DIGEST_LEN));
}

static enum ks_err check_purpose(struct ks_bytes purpose, const char *what)
{
    enum ks_err err = KS_OK;

    KS_CHECK(purpose.len >= 1 && purpose.len <= KS_SEALED_PURPOSE_MAX, KS_ERR_FORMAT,
             "%s: a purpose of %zu bytes, want 1 to %d", what, purpose.len,
             KS_SEALED_PURPOSE_MAX);
    for (size_t i = 0; i < purpose.len; i++) {
        KS_CHECK(purpose.data[i] >= 0x20 && purpose.data[i] < 0x7f, KS_ERR_FORMAT,
                 "%s: byte %zu of the purpose is no printable ASCII", what, i);
    }
out:
    return err;
}

static enum ks_err read_purpose(struct ks_reader *reader, struct ks_bytes *out_purpose)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_read_lp16(reader, KS_SEALED_PURPOSE_MAX, out_purpose));
    KS_TRY(check_purpose(*out_purpose, reader->what));
out:
    return err;
}

/* --- the authority ------------------------------------------------------------------------ */

/* A point that is none would make the blob open to nobody's word, silently. */
static enum ks_err check_point(const uint8_t x[32], const uint8_t y[32], const char *what)
{
    const uint8_t one[32] = {[31] = 1};
    enum ks_err err = ks_ecdsa_p256_verify(x, y, one, one, one);

    /* That it is no signature of these numbers is what a point answers. */
    return err == KS_ERR_VERIFY ? KS_OK : ks_fail_prefix(err, "%s", what);
}

enum ks_err ks_sealed_authority_parse(struct ks_bytes spki, struct ks_bytes purpose,
                                      struct ks_sealed_authority *out_authority)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(spki, "authority's key");
    struct ks_sealed_authority authority = {.purpose = purpose};
    struct ks_bytes head;

    KS_TRY(check_purpose(purpose, "authority"));
    KS_TRY(ks_read_bytes(&reader, sizeof spki_head, &head));
    KS_CHECK(ks_bytes_equal(head, KS_BYTES(spki_head)), KS_ERR_FORMAT,
             "authority's key: no uncompressed P-256 key in DER");
    KS_TRY(ks_read_copy(&reader, authority.x, sizeof authority.x));
    KS_TRY(ks_read_copy(&reader, authority.y, sizeof authority.y));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(check_point(authority.x, authority.y, "authority's key"));
    *out_authority = authority;
out:
    return err;
}

/* --- blobs -------------------------------------------------------------------------------- */

static enum ks_err read_authority(struct ks_reader *reader, struct ks_sealed_view *view)
{
    enum ks_err err = KS_OK;
    uint8_t has = 0;

    KS_TRY(ks_read_u8(reader, &has));
    KS_CHECK(has <= 1, KS_ERR_FORMAT, "%s: %u authorities", reader->what, (unsigned)has);
    view->has_authority = has == 1;
    if (view->has_authority) {
        KS_TRY(ks_read_copy(reader, view->authority.x, sizeof view->authority.x));
        KS_TRY(ks_read_copy(reader, view->authority.y, sizeof view->authority.y));
        KS_TRY(read_purpose(reader, &view->authority.purpose));
    }
out:
    return err;
}

/* The TPMT_PUBLIC that a sealed object of POLICY has, up to its unique part. */
static void put_public_head(struct ks_buf *buf, const uint8_t policy[KS_POLICY_LEN])
{
    ks_buf_put_u16(buf, ALG_KEYEDHASH);
    ks_buf_put_u16(buf, ALG_SHA256);
    ks_buf_put_u32(buf, SEALED_ATTRIBUTES);
    ks_buf_put_lp16(buf, ks_bytes_of(policy, KS_POLICY_LEN));
    ks_buf_put_u16(buf, ALG_NULL);      /* no signing scheme */
    ks_buf_put_u16(buf, KS_POLICY_LEN); /* of the unique part, a SHA-256 */
}

/* The public area must be what the fields say, or the names of PCRs in errors would mislead. */
static enum ks_err check_public(const struct ks_sealed_view *view)
{
    enum ks_err err = KS_OK;
    const struct ks_pcr_state pcrs = {
        .mask = view->pcr_mask,
        .values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])view->pcr_values,
    };
    struct ks_reader reader = ks_reader_of(view->public_area, "public area of the sealed blob");
    uint8_t policy[KS_POLICY_LEN];
    struct ks_buf want;
    struct ks_bytes head;
    struct ks_bytes unique;

    ks_buf_init(&want, PUBLIC_AREA_MAX);
    ks_policy_sealed(&pcrs, view->has_authority ? &view->authority : NULL, policy);
    put_public_head(&want, policy);
    KS_TRY(ks_buf_check(&want));
    KS_TRY(ks_read_bytes(&reader, want.len, &head));
    KS_CHECK(ks_bytes_equal(head, ks_buf_view(&want)), KS_ERR_FORMAT,
             "sealed blob: its fields and its public area name different policies");
    KS_TRY(ks_read_bytes(&reader, KS_POLICY_LEN, &unique));
    KS_TRY(ks_read_end(&reader));
out:
    ks_buf_done(&want);
    return err;
}

enum ks_err ks_sealed_parse(struct ks_bytes blob, struct ks_sealed_view *out_view)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(blob, "sealed blob");
    struct ks_sealed_view view = {0};

    KS_TRY(read_magic(&reader, SEALED_MAGIC));
    KS_TRY(read_pcrs(&reader, &view.pcr_mask, view.pcr_values));
    KS_TRY(read_authority(&reader, &view));
    KS_TRY(ks_read_copy(&reader, view.parent_name, sizeof view.parent_name));
    KS_TRY(ks_read_lp16(&reader, PUBLIC_AREA_MAX, &view.public_area));
    KS_TRY(ks_read_lp16(&reader, PRIVATE_AREA_MAX, &view.private_area));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(view.private_area.len > 0, KS_ERR_FORMAT, "sealed blob: nothing is sealed");
    KS_TRY(check_public(&view));
    *out_view = view;
out:
    return err;
}

enum ks_err ks_sealed_encode(const struct ks_sealed_view *view, struct ks_buf *out_blob)
{
    const struct ks_pcr_state pcrs = {
        .mask = view->pcr_mask,
        .values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])view->pcr_values,
    };

    ks_buf_put_text(out_blob, SEALED_MAGIC);
    put_pcrs(out_blob, &pcrs);
    ks_buf_put_u8(out_blob, view->has_authority);
    if (view->has_authority) {
        ks_buf_put(out_blob, KS_BYTES(view->authority.x));
        ks_buf_put(out_blob, KS_BYTES(view->authority.y));
        ks_buf_put_lp16(out_blob, view->authority.purpose);
    }
    ks_buf_put(out_blob, KS_BYTES(view->parent_name));
    ks_buf_put_lp16(out_blob, view->public_area);
    ks_buf_put_lp16(out_blob, view->private_area);
    return ks_buf_check(out_blob);
}

void ks_pcr_differences(const struct ks_pcr_state *sealed, const struct ks_pcr_state *current,
                        char out_text[KS_PCR_LIST_MAX])
{
    size_t len = 0;
    unsigned index = 0;

    KS_ASSERT(sealed->mask == current->mask);
    out_text[0] = '\0';
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        if ((sealed->mask & 1u << pcr) == 0) {
            continue;
        }
        if (!ks_bytes_equal(KS_BYTES(sealed->values[index]),
                            KS_BYTES(current->values[index]))) {
            int put = snprintf(out_text + len, KS_PCR_LIST_MAX - len, "%s%u",
                               len == 0 ? "PCR " : ", ", pcr);

            KS_ASSERT(put > 0 && (size_t)put < KS_PCR_LIST_MAX - len);
            len += (size_t)put;
        }
        index++;
    }
}

/* --- authorisations ----------------------------------------------------------------------- */

/* An INTEGER of DER (X.690 §8.3), not negative, to 32 bytes. */
static enum ks_err read_der_number(struct ks_reader *reader, uint8_t target[32])
{
    enum ks_err err = KS_OK;
    uint8_t tag;
    uint8_t len;
    struct ks_bytes bytes;

    KS_TRY(ks_read_u8(reader, &tag));
    KS_TRY(ks_read_u8(reader, &len));
    KS_CHECK(tag == 0x02 && len >= 1 && len <= 33, KS_ERR_FORMAT, "%s: no DER number of P-256",
             reader->what);
    KS_TRY(ks_read_bytes(reader, len, &bytes));
    /* A leading zero stands where the number would be negative without, and nowhere else. */
    if (bytes.data[0] == 0 && len > 1) {
        KS_CHECK((bytes.data[1] & 0x80) != 0, KS_ERR_FORMAT, "%s: a number is not DER",
                 reader->what);
        bytes = ks_bytes_of(bytes.data + 1, bytes.len - 1);
    } else {
        KS_CHECK((bytes.data[0] & 0x80) == 0, KS_ERR_FORMAT, "%s: a number is negative",
                 reader->what);
    }
    KS_CHECK(bytes.len <= 32, KS_ERR_FORMAT, "%s: a number is too long for P-256",
             reader->what);
    ks_zero(target, 32 - bytes.len);
    ks_copy(target + (32 - bytes.len), bytes.data, bytes.len);
out:
    return err;
}

static enum ks_err read_der_signature(struct ks_bytes der, uint8_t r[32], uint8_t s[32])
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(der, "authorisation's signature");
    uint8_t tag;
    uint8_t len;

    KS_TRY(ks_read_u8(&reader, &tag));
    KS_TRY(ks_read_u8(&reader, &len));
    KS_CHECK(tag == 0x30 && len == reader.rest.len, KS_ERR_FORMAT,
             "authorisation's signature: not the DER sequence of an ECDSA signature");
    KS_TRY(read_der_number(&reader, r));
    KS_TRY(read_der_number(&reader, s));
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

enum ks_err ks_authorisation_make(const struct ks_pcr_state *pcrs,
                                  const struct ks_sealed_authority *authority,
                                  struct ks_bytes signature_der,
                                  struct ks_buf *out_authorisation)
{
    enum ks_err err = KS_OK;
    struct ks_authorisation_view view = {.pcr_mask = pcrs->mask, .purpose = authority->purpose};

    KS_TRY(check_purpose(authority->purpose, "authority"));
    ks_copy(view.pcr_values, pcrs->values,
            (size_t)ks_pcr_mask_count(pcrs->mask) * KS_PCR_DIGEST_LEN);
    KS_TRY(read_der_signature(signature_der, view.r, view.s));
    KS_TRY(ks_authorisation_check(&view, authority));
    ks_buf_put_text(out_authorisation, AUTHORISATION_MAGIC);
    put_pcrs(out_authorisation, pcrs);
    ks_buf_put_lp16(out_authorisation, authority->purpose);
    ks_buf_put(out_authorisation, KS_BYTES(view.r));
    ks_buf_put(out_authorisation, KS_BYTES(view.s));
    KS_TRY(ks_buf_check(out_authorisation));
out:
    return err;
}

enum ks_err ks_authorisation_parse(struct ks_bytes bytes,
                                   struct ks_authorisation_view *out_view)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "authorisation");
    struct ks_authorisation_view view = {0};

    KS_TRY(read_magic(&reader, AUTHORISATION_MAGIC));
    KS_TRY(read_pcrs(&reader, &view.pcr_mask, view.pcr_values));
    KS_TRY(read_purpose(&reader, &view.purpose));
    KS_TRY(ks_read_copy(&reader, view.r, sizeof view.r));
    KS_TRY(ks_read_copy(&reader, view.s, sizeof view.s));
    KS_TRY(ks_read_end(&reader));
    *out_view = view;
out:
    return err;
}

enum ks_err ks_authorisation_check(const struct ks_authorisation_view *view,
                                   const struct ks_sealed_authority *authority)
{
    enum ks_err err = KS_OK;
    const struct ks_pcr_state pcrs = {
        .mask = view->pcr_mask,
        .values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])view->pcr_values,
    };
    uint8_t digest[KS_POLICY_LEN];

    KS_CHECK(ks_bytes_equal(view->purpose, authority->purpose), KS_ERR_VERIFY,
             "authorisation: for the purpose '%.*s', not '%.*s'", (int)view->purpose.len,
             (const char *)view->purpose.data, (int)authority->purpose.len,
             (const char *)authority->purpose.data);
    ks_authorisation_digest(&pcrs, view->purpose, digest);
    KS_TRY(ks_fail_prefix(
        ks_ecdsa_p256_verify(authority->x, authority->y, digest, view->r, view->s),
        "authorisation"));
out:
    return err;
}
