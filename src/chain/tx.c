/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "chain/tx.h"

#include "base/text.h"
#include "chain/address.h"
#include "chain/rlp.h"

#define TYPE        0x02 /* EIP-1559 */
#define ENCODED_MAX (KS_TX_DATA_MAX + 512)

static const struct ks_json_limits file_limits = {.len_max = KS_TX_LEN_MAX, .nodes_max = 32};

/* Half of the order of secp256k1, above which a signature has a twin (EIP-2). */
static const uint8_t half_order[32] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d,
                                       0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};

/* The type and the list (EIP-1559): with the signature or without. */
static void put_encoded(const struct ks_tx *tx, bool with_signature, struct ks_buf *out)
{
    static const struct ks_bytes nothing = {0};
    struct ks_buf items;

    ks_buf_init(&items, ENCODED_MAX);
    ks_rlp_put_u64(&items, tx->chain_id);
    ks_rlp_put_u64(&items, tx->nonce);
    ks_rlp_put_u64(&items, tx->tip_wei);
    ks_rlp_put_u64(&items, tx->fee_max_wei);
    ks_rlp_put_u64(&items, tx->gas);
    ks_rlp_put_string(&items, tx->creates ? nothing : KS_BYTES(tx->to));
    ks_rlp_put_u64(&items, 0); /* value */
    ks_rlp_put_string(&items, ks_bytes_of(tx->data, tx->data_len));
    ks_rlp_put_list(&items, nothing); /* of accesses */
    if (with_signature) {
        ks_rlp_put_u64(&items, tx->signature.y_parity);
        ks_rlp_put_integer(&items, KS_BYTES(tx->signature.r));
        ks_rlp_put_integer(&items, KS_BYTES(tx->signature.s));
    }
    ks_buf_put_u8(out, TYPE);
    ks_rlp_put_list(out, ks_buf_view(&items));
    if (items.err != KS_OK) {
        out->err = items.err;
    }
    ks_buf_done(&items);
}

static enum ks_err hash_encoded(const struct ks_tx *tx, bool with_signature,
                                uint8_t out_hash[KS_KECCAK256_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, ENCODED_MAX);
    put_encoded(tx, with_signature, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    ks_keccak256(ks_buf_view(&bytes), out_hash);
out:
    ks_buf_done(&bytes);
    return err;
}

enum ks_err ks_tx_hash_unsigned(const struct ks_tx *tx, uint8_t out_hash[KS_KECCAK256_LEN])
{
    return hash_encoded(tx, false, out_hash);
}

void ks_tx_encode(const struct ks_tx *tx, struct ks_buf *out)
{
    KS_ASSERT(tx->is_signed);
    put_encoded(tx, true, out);
}

enum ks_err ks_tx_hash(const struct ks_tx *tx, uint8_t out_hash[KS_KECCAK256_LEN])
{
    KS_ASSERT(tx->is_signed);
    return hash_encoded(tx, true, out_hash);
}

/* --- as a file ---------------------------------------------------------------------------- */

void ks_tx_write(const struct ks_tx *tx, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "chain_id", tx->chain_id);
    ks_json_member_hex(&writer, "data", ks_bytes_of(tx->data, tx->data_len));
    ks_json_member_u64(&writer, "fee_max_wei", tx->fee_max_wei);
    ks_json_member_hex(&writer, "from", KS_BYTES(tx->from));
    ks_json_member_u64(&writer, "gas", tx->gas);
    ks_json_member_u64(&writer, "nonce", tx->nonce);
    ks_json_member_text(&writer, "schema", KS_TX_SCHEMA);
    if (tx->is_signed) {
        ks_json_put_key(&writer, "signature");
        ks_json_put_object(&writer);
        ks_json_member_hex(&writer, "r", KS_BYTES(tx->signature.r));
        ks_json_member_hex(&writer, "s", KS_BYTES(tx->signature.s));
        ks_json_member_u64(&writer, "y_parity", tx->signature.y_parity);
        ks_json_put_end(&writer);
    }
    ks_json_member_u64(&writer, "tip_wei", tx->tip_wei);
    if (!tx->creates) {
        ks_json_member_hex(&writer, "to", KS_BYTES(tx->to));
    }
    ks_json_put_end(&writer);
}

static bool is_zero(const uint8_t bytes[32])
{
    static const uint8_t zero[32];

    return ks_bytes_equal(ks_bytes_of(bytes, 32), KS_BYTES(zero));
}

static enum ks_err read_signature(const struct ks_json *object, struct ks_tx_signature *out)
{
    static const char *const names[] = {"r", "s", "y_parity", NULL};
    enum ks_err err = KS_OK;
    uint64_t parity = 0;

    KS_TRY(ks_json_only(object, names));
    KS_TRY(ks_json_get_hex(object, "r", out->r, sizeof out->r));
    KS_TRY(ks_json_get_hex(object, "s", out->s, sizeof out->s));
    KS_TRY(ks_json_get_u64(object, "y_parity", 1, &parity));
    KS_CHECK(!is_zero(out->r) && !is_zero(out->s), KS_ERR_FORMAT, "zero");
    KS_CHECK(ks_bytes_compare(KS_BYTES(out->s), KS_BYTES(half_order)) <= 0, KS_ERR_FORMAT,
             "'s': above half of the order");
    out->y_parity = (uint8_t)parity;
out:
    return ks_fail_prefix(err, "'signature'");
}

static enum ks_err read_data(const struct ks_json *object, struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(object, "data", &text));
    KS_CHECK(text.len <= 2 * sizeof tx->data, KS_ERR_LIMIT, "'data': over %zu bytes",
             sizeof tx->data);
    tx->data_len = text.len / 2;
    KS_TRY(ks_fail_prefix(ks_hex_decode(text, tx->data, tx->data_len), "'data'"));
out:
    return err;
}

static enum ks_err read_numbers(const struct ks_json *object, struct ks_tx *tx)
{
    const struct {
        const char *name;
        uint64_t *target;
    } numbers[] = {
        {"chain_id", &tx->chain_id}, {"fee_max_wei", &tx->fee_max_wei}, {"gas", &tx->gas},
        {"nonce", &tx->nonce},       {"tip_wei", &tx->tip_wei},
    };
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        KS_TRY(
            ks_json_get_u64(object, numbers[i].name, KS_JSON_INTEGER_MAX, numbers[i].target));
    }
    KS_CHECK(tx->chain_id > 0, KS_ERR_FORMAT, "'chain_id': 0 is none");
    KS_CHECK(tx->tip_wei <= tx->fee_max_wei, KS_ERR_FORMAT, "'tip_wei': over 'fee_max_wei'");
out:
    return err;
}

enum ks_err ks_tx_parse(struct ks_bytes text, struct ks_tx *out_tx)
{
    static const char *const names[] = {"chain_id", "data",  "fee_max_wei", "from",
                                        "gas",      "nonce", "schema",      "signature",
                                        "tip_wei",  "to",    NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *root = NULL;
    const struct ks_json *signature = NULL;
    struct ks_bytes schema = {0};
    struct ks_tx tx = {0};

    KS_TRY(ks_json_parse_canonical(text, &file_limits, &doc));
    root = ks_json_root(doc);
    KS_TRY(ks_json_get_string(root, "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, KS_TX_SCHEMA), KS_ERR_FORMAT,
             "'schema': expected " KS_TX_SCHEMA);
    KS_TRY(ks_json_only(root, names));
    KS_TRY(read_numbers(root, &tx));
    KS_TRY(read_data(root, &tx));
    KS_TRY(ks_json_get_hex(root, "from", tx.from, sizeof tx.from));
    tx.creates = ks_json_find(root, "to") == NULL;
    if (!tx.creates) {
        KS_TRY(ks_json_get_hex(root, "to", tx.to, sizeof tx.to));
    }
    tx.is_signed = ks_json_find(root, "signature") != NULL;
    if (tx.is_signed) {
        KS_TRY(ks_json_get(root, "signature", KS_JSON_OBJECT, &signature));
        KS_TRY(read_signature(signature, &tx.signature));
    }
    *out_tx = tx;
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "transaction");
}

enum ks_err ks_tx_digest(const struct ks_tx *tx, uint8_t out_digest[32])
{
    uint8_t call[KS_CALL_LEN];
    const uint8_t *digest = tx->data + KS_CALL_LEN - 32;

    ks_call_anchor(digest, call);
    if (tx->creates || !ks_bytes_equal(KS_BYTES(call), ks_bytes_of(tx->data, tx->data_len))) {
        return ks_fail(KS_ERR_FORMAT, "transaction: no call of anchor(bytes32)");
    }
    ks_copy(out_digest, digest, 32);
    return KS_OK;
}
