/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What an operator brings, by the first byte: 0 an authorisation, 1 a signature to make one of,
 * 2 a public key. */
#include "attest/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ks_sealed_authority authority = {
    /* The base point of P-256 (SEC 2 §2.4.2): a point, whose key everybody knows. */
    .x = {0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6,
          0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb,
          0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96},
    .y = {0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb,
          0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31,
          0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5},
    .purpose = {(const uint8_t *)"ketseal/test", 12},
};

static void try_signature(struct ks_bytes der)
{
    static const uint8_t values[1][KS_PCR_DIGEST_LEN] = {{1}};
    const struct ks_pcr_state pcrs = {1u << 14, values};
    struct ks_authorisation_view view;
    struct ks_buf made;

    ks_buf_init(&made, KS_AUTHORISATION_MAX);
    if (ks_authorisation_make(&pcrs, &authority, der, &made) == KS_OK) {
        KS_ASSERT(ks_authorisation_parse(ks_buf_view(&made), &view) == KS_OK);
        KS_ASSERT(ks_authorisation_check(&view, &authority) == KS_OK);
    } else {
        KS_ASSERT(made.len == 0);
    }
    ks_buf_done(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_bytes bytes = ks_bytes_of(data, size);
    struct ks_authorisation_view view;
    struct ks_sealed_authority parsed;
    uint8_t kind;
    struct ks_reader reader = ks_reader_of(bytes, "input");

    if (ks_read_u8(&reader, &kind) != KS_OK) {
        return 0;
    }
    if (kind == 0 && ks_authorisation_parse(reader.rest, &view) == KS_OK) {
        KS_ASSERT(view.pcr_mask != 0 && view.pcr_mask < 1u << KS_PCR_COUNT);
        KS_ASSERT(view.purpose.len >= 1 && view.purpose.len <= KS_SEALED_PURPOSE_MAX);
        (void)!ks_authorisation_check(&view, &authority);
    } else if (kind == 1) {
        try_signature(reader.rest);
    } else if (kind == 2) {
        (void)!ks_sealed_authority_parse(reader.rest, authority.purpose, &parsed);
    }
    return 0;
}
