/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attest/quote.h"

#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/tpmkey.h"

enum ks_err ks_quote_check_signature(const struct ks_ak_public *ak, struct ks_bytes attest,
                                     struct ks_bytes signature)
{
    enum ks_err err = KS_OK;
    struct ks_tpm_signature parsed;
    uint8_t digest[KS_SHA256_LEN];

    KS_TRY(ks_tpm_signature_parse(signature, &parsed));
    KS_CHECK(parsed.alg == ak->alg, KS_ERR_VERIFY, "quote signature: %s, but the key is %s",
             ks_ak_alg_name(parsed.alg), ks_ak_alg_name(ak->alg));
    ks_sha256(attest, digest);
    if (ak->alg == KS_AK_ECDSA_P256) {
        err = ks_ecdsa_p256_verify(ak->x, ak->y, digest, parsed.r, parsed.s);
    } else {
        err = ks_rsa_verify(KS_BYTES(ak->modulus), ak->exponent, digest, KS_BYTES(parsed.rsa));
    }
    ks_fail_prefix(err, "quote signature");
out:
    return err;
}

enum ks_err ks_quote_check_signer(const struct ks_ak_public *ak,
                                  const struct ks_quote_view *view)
{
    if (!ks_bytes_equal(view->qualified_signer, KS_BYTES(ak->qualified_name))) {
        return ks_fail(KS_ERR_VERIFY, "quote signer: it names another key, or one that is no "
                                      "primary key of the endorsement hierarchy");
    }
    return KS_OK;
}

enum ks_err ks_quote_check_extra(const struct ks_quote_view *view, struct ks_bytes extra_data)
{
    if (!ks_bytes_equal(view->extra_data, extra_data)) {
        return ks_fail(KS_ERR_VERIFY, "quote extra data: made for something else");
    }
    return KS_OK;
}

enum ks_err ks_quote_check_pcrs(const struct ks_quote_view *view, uint32_t pcr_mask,
                                const uint8_t (*values)[KS_PCR_DIGEST_LEN])
{
    enum ks_err err = KS_OK;
    uint8_t digest[KS_SHA256_LEN];
    char found[2 * KS_PCR_DIGEST_LEN + 1];
    char expected[2 * KS_PCR_DIGEST_LEN + 1];
    struct ks_bytes all = {(const uint8_t *)values,
                           (size_t)ks_pcr_mask_count(pcr_mask) * KS_PCR_DIGEST_LEN};

    KS_CHECK(view->pcr_mask == pcr_mask, KS_ERR_VERIFY,
             "quote PCRs: it covers PCR mask 0x%06x, want 0x%06x", (unsigned)view->pcr_mask,
             (unsigned)pcr_mask);
    ks_sha256(all, digest);
    ks_hex_encode(KS_BYTES(view->pcr_digest), found);
    ks_hex_encode(KS_BYTES(digest), expected);
    KS_CHECK(ks_bytes_equal(KS_BYTES(view->pcr_digest), KS_BYTES(digest)), KS_ERR_VERIFY,
             "quote PCRs: digest %s, want %s: the platform ran something else", found,
             expected);
out:
    return err;
}

enum ks_err ks_quote_check(const struct ks_ak_public *ak, struct ks_bytes attest,
                           struct ks_bytes signature, const struct ks_quote_expect *expect,
                           struct ks_quote_view *out_view)
{
    enum ks_err err = KS_OK;
    struct ks_quote_view view;

    KS_TRY(ks_quote_check_signature(ak, attest, signature));
    KS_TRY(ks_quote_parse(attest, &view));
    KS_TRY(ks_quote_check_signer(ak, &view));
    KS_TRY(ks_quote_check_extra(&view, expect->extra_data));
    KS_TRY(ks_quote_check_pcrs(&view, expect->pcr_mask, expect->pcr_values));
    if (out_view != NULL) {
        *out_view = view;
    }
out:
    return err;
}

enum ks_err ks_quote_pair_check(const struct ks_quote_view *start,
                                const struct ks_quote_view *end)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ks_bytes_equal(start->qualified_signer, end->qualified_signer), KS_ERR_VERIFY,
             "quote pair: made by two keys");
    KS_CHECK(start->pcr_mask == end->pcr_mask, KS_ERR_VERIFY,
             "quote pair: PCR masks 0x%06x and 0x%06x", (unsigned)start->pcr_mask,
             (unsigned)end->pcr_mask);
    KS_CHECK(start->reset_count == end->reset_count, KS_ERR_VERIFY,
             "quote pair: the platform was reset, reset count %u and then %u",
             (unsigned)start->reset_count, (unsigned)end->reset_count);
    KS_CHECK(
        start->restart_count == end->restart_count, KS_ERR_VERIFY,
        "quote pair: the platform was suspended or restarted, restart count %u and then %u",
        (unsigned)start->restart_count, (unsigned)end->restart_count);
    KS_CHECK(ks_bytes_equal(KS_BYTES(start->pcr_digest), KS_BYTES(end->pcr_digest)),
             KS_ERR_VERIFY, "quote pair: a PCR of mask 0x%06x changed between them",
             (unsigned)start->pcr_mask);
    KS_CHECK(start->clock_ms <= end->clock_ms, KS_ERR_VERIFY,
             "quote pair: the clock went back from %llu to %llu ms",
             (unsigned long long)start->clock_ms, (unsigned long long)end->clock_ms);
out:
    return err;
}

unsigned ks_pcr_mask_count(uint32_t mask)
{
    return (unsigned)__builtin_popcount(mask);
}

/* SHA-256 of LABEL || u64 SIZE || ROOT. */
static void bind_tree(struct ks_bytes label, uint64_t size, const uint8_t root[32],
                      uint8_t out_extra[32])
{
    uint8_t size_be[8];

    for (unsigned i = 0; i < sizeof size_be; i++) {
        size_be[i] = (uint8_t)(size >> (56 - 8 * i));
    }
    const struct ks_bytes parts[] = {label, KS_BYTES(size_be), {root, KS_SHA256_LEN}};
    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_extra);
}

void ks_quote_extra_data(uint64_t size, const uint8_t root[32], uint8_t out_extra[32])
{
    KS_ASSERT(size >= 1);
    bind_tree(KS_LITERAL("ketseal/quote/1\n"), size, root, out_extra);
}

void ks_quote_start_data(uint64_t size, const uint8_t root[32], uint8_t out_extra[32])
{
    bind_tree(KS_LITERAL("ketseal/quote/start/1\n"), size, root, out_extra);
}
