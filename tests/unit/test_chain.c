/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What an EVM chain writes, against tests of ethereum/tests and what @ethereumjs makes
 * (tests/vectors/chain): RLP, trie proofs, headers, addresses, transactions, signatures. */
#include "expect.h"

#include "anchor/signer.h"
#include "base/sys.h"
#include "base/text.h"
#include "chain/address.h"
#include "chain/header.h"
#include "chain/rlp.h"
#include "vector_files.h"

#define DEPTH_MAX 64

static const struct ks_json_limits vector_limits = {.len_max = 1 << 20, .nodes_max = 1 << 16};

/* --- reading vectors ---------------------------------------------------------------------- */

/* Calls TEST for each value of a file. */
static void for_each(const char *name, void (*test)(const struct ks_json *vector))
{
    struct ks_buf text;
    struct ks_json_doc *doc = NULL;

    vector_read("chain", name, &text);
    assert_int_equal(ks_json_parse(ks_buf_view(&text), &vector_limits, &doc), KS_OK);
    assert_true(ks_json_count(ks_json_root(doc)) > 5);
    for (size_t i = 0; i < ks_json_count(ks_json_root(doc)); i++) {
        test(ks_json_at(ks_json_root(doc), i));
    }
    ks_json_doc_free(doc);
    ks_buf_done(&text);
}

static struct ks_bytes text_of(const struct ks_json *vector, const char *name)
{
    struct ks_bytes text = {0};

    assert_int_equal(ks_json_get_string(vector, name, &text), KS_OK);
    return text;
}

static void put_hex(struct ks_bytes text, struct ks_buf *out)
{
    uint8_t *target = ks_buf_reserve(out, text.len / 2);

    assert_non_null(target);
    assert_int_equal(ks_hex_decode(text, target, text.len / 2), KS_OK);
    ks_buf_grew(out, text.len / 2);
}

/* Any length; BUF is the caller's to release. */
static struct ks_bytes hex_of(const struct ks_json *vector, const char *name,
                              struct ks_buf *buf)
{
    ks_buf_init(buf, 1 << 20);
    put_hex(text_of(vector, name), buf);
    return ks_buf_view(buf);
}

static void fixed_of(const struct ks_json *vector, const char *name, uint8_t *target,
                     size_t len)
{
    assert_int_equal(ks_json_get_hex(vector, name, target, len), KS_OK);
}

static uint64_t number_of(const struct ks_json *vector, const char *name)
{
    uint64_t value = 0;

    assert_int_equal(ks_json_get_u64(vector, name, KS_JSON_INTEGER_MAX, &value), KS_OK);
    return value;
}

/* --- RLP ---------------------------------------------------------------------------------- */

/* Brackets and digits, as tools/vectors_chain.mjs writes them. */
static enum ks_err shape_of(struct ks_bytes rlp, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_reader stack[DEPTH_MAX] = {ks_reader_of(rlp, "vector")};
    struct ks_rlp_item item;
    size_t depth = 0;
    bool first = true;

    KS_TRY(ks_rlp_read(&stack[0], &item));
    KS_TRY(ks_read_end(&stack[0]));
    stack[0] = ks_reader_of(rlp, "vector");
    for (;;) {
        if (stack[depth].rest.len == 0) {
            if (depth == 0) {
                break;
            }
            ks_buf_put_text(out, ")");
            depth--;
            first = false;
            continue;
        }
        KS_TRY(ks_rlp_read(&stack[depth], &item));
        ks_buf_put_text(out, first ? "" : " ");
        first = false;
        if (item.is_list) {
            assert_true(depth + 1 < DEPTH_MAX);
            ks_buf_put_text(out, "(");
            depth++;
            stack[depth] = ks_reader_of(item.payload, "vector");
            first = true;
        } else if (item.payload.len == 0) {
            ks_buf_put_text(out, "-");
        } else {
            ks_buf_put_hex(out, item.payload);
        }
    }
out:
    return err;
}

/* A string or list of strings, which is what we write, comes out again as it was. */
static void expect_rewritten(struct ks_bytes rlp)
{
    struct ks_reader reader = ks_reader_of(rlp, "vector");
    struct ks_rlp_item item;
    struct ks_buf items;
    struct ks_buf out;

    ks_buf_init(&items, 1 << 16);
    ks_buf_init(&out, 1 << 16);
    assert_int_equal(ks_rlp_read(&reader, &item), KS_OK);
    if (item.is_list) {
        struct ks_reader inside = ks_reader_of(item.payload, "vector");

        while (inside.rest.len > 0) {
            struct ks_rlp_item part;

            assert_int_equal(ks_rlp_read(&inside, &part), KS_OK);
            if (part.is_list) {
                ks_rlp_put_list(&items, part.payload);
            } else {
                ks_rlp_put_string(&items, part.payload);
            }
        }
        ks_rlp_put_list(&out, ks_buf_view(&items));
    } else {
        ks_rlp_put_string(&out, item.payload);
    }
    expect_bytes(ks_buf_view(&out), rlp);
    ks_buf_done(&items);
    ks_buf_done(&out);
}

static void try_rlp(const struct ks_json *vector)
{
    struct ks_buf rlp;
    struct ks_buf shape;
    struct ks_bytes bytes = hex_of(vector, "rlp", &rlp);
    enum ks_err err;

    ks_buf_init(&shape, 1 << 16);
    err = shape_of(bytes, &shape);
    if (ks_json_find(vector, "shape") == NULL) {
        assert_true(err == KS_ERR_FORMAT || err == KS_ERR_LIMIT);
    } else {
        assert_int_equal(err, KS_OK);
        expect_bytes(ks_buf_view(&shape), text_of(vector, "shape"));
        expect_rewritten(bytes);
    }
    ks_buf_done(&rlp);
    ks_buf_done(&shape);
}

static void test_rlp_vectors(void **state)
{
    (void)state;
    for_each("rlp.json", try_rlp);
}

static enum ks_err read_u64(const char *hex, uint64_t *out_value)
{
    uint8_t bytes[64] = {0};
    size_t len = strlen(hex) / 2;
    struct ks_reader reader = ks_reader_of(ks_bytes_of(bytes, len), "vector");

    assert_int_equal(ks_hex_decode(ks_bytes_text(hex), bytes, len), KS_OK);
    return ks_rlp_read_u64(&reader, out_value);
}

static void test_rlp_integers(void **state)
{
    uint64_t value = 0;
    uint8_t wide[32];
    struct ks_reader reader = ks_reader_of(KS_LITERAL("\xa1\x01"), "vector");

    (void)state;
    assert_int_equal(read_u64("80", &value), KS_OK);
    assert_int_equal(value, 0);
    assert_int_equal(read_u64("88ffffffffffffffff", &value), KS_OK);
    assert_true(value == UINT64_MAX);
    expect_failure(read_u64("00", &value), KS_ERR_FORMAT, "leading zeros");
    expect_failure(read_u64("820001", &value), KS_ERR_FORMAT, "leading zeros");
    expect_failure(read_u64("89010000000000000000", &value), KS_ERR_LIMIT, "over 64 bits");
    expect_failure(read_u64("c0", &value), KS_ERR_FORMAT, "a list where");
    expect_failure(read_u64("", &value), KS_ERR_FORMAT, "");
    expect_failure(read_u64("fb01000001", &value), KS_ERR_LIMIT, "over");
    expect_failure(read_u64("bf0100000000000000", &value), KS_ERR_LIMIT, "over");
    expect_failure(ks_rlp_read_u256(&reader, wide), KS_ERR_FORMAT, "");
}

/* --- Keccak and addresses ----------------------------------------------------------------- */

static void try_keccak(const struct ks_json *vector)
{
    struct ks_buf data;
    uint8_t want[KS_KECCAK256_LEN];
    uint8_t got[KS_KECCAK256_LEN];

    ks_keccak256(hex_of(vector, "data", &data), got);
    fixed_of(vector, "hash", want, sizeof want);
    expect_bytes(KS_BYTES(got), KS_BYTES(want));
    ks_buf_done(&data);
}

static void try_created(const struct ks_json *vector)
{
    uint8_t from[KS_ADDRESS_LEN];
    uint8_t want[KS_ADDRESS_LEN];
    uint8_t got[KS_ADDRESS_LEN];

    fixed_of(vector, "from", from, sizeof from);
    fixed_of(vector, "address", want, sizeof want);
    ks_address_created(from, number_of(vector, "nonce"), got);
    expect_bytes(KS_BYTES(got), KS_BYTES(want));
}

static void test_keccak(void **state)
{
    (void)state;
    for_each("keccak.json", try_keccak);
}

/* The examples of EIP-55. */
static void test_addresses(void **state)
{
    static const char *const good[] = {
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    };
    uint8_t address[KS_ADDRESS_LEN];
    char text[KS_ADDRESS_TEXT_LEN + 1];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(ks_address_parse(ks_bytes_text(good[i]), address), KS_OK);
        ks_address_text(address, text);
        assert_string_equal(text, good[i]);
    }
    assert_int_equal(
        ks_address_parse(KS_LITERAL("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), address),
        KS_OK);
    expect_failure(
        ks_address_parse(KS_LITERAL("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), address),
        KS_ERR_FORMAT, "EIP-55");
    expect_failure(
        ks_address_parse(KS_LITERAL("5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), address),
        KS_ERR_FORMAT, "0x");
    expect_failure(
        ks_address_parse(KS_LITERAL("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg"), address),
        KS_ERR_FORMAT, "hexadecimal");
    for_each("created.json", try_created);
}

/* --- tries -------------------------------------------------------------------------------- */

struct trie_case {
    uint8_t root[KS_KECCAK256_LEN];
    struct ks_buf key;
    struct ks_buf bytes;
    struct ks_mpt_proof proof;
};

static void trie_read(const struct ks_json *vector, struct trie_case *trie)
{
    const struct ks_json *nodes = ks_json_find(vector, "proof");
    size_t at = 0;

    *trie = (struct trie_case){.proof.count = ks_json_count(nodes)};
    fixed_of(vector, "root", trie->root, sizeof trie->root);
    (void)hex_of(vector, "key", &trie->key);
    ks_buf_init(&trie->bytes, 1 << 16);
    for (size_t i = 0; i < trie->proof.count; i++) {
        struct ks_bytes text = {0};

        assert_int_equal(ks_json_string(ks_json_at(nodes, i), &text), KS_OK);
        put_hex(text, &trie->bytes);
        trie->proof.nodes[i].len = text.len / 2;
    }
    for (size_t i = 0; i < trie->proof.count; i++) {
        trie->proof.nodes[i].data = trie->bytes.data + at;
        at += trie->proof.nodes[i].len;
    }
}

static void trie_done(struct trie_case *trie)
{
    ks_buf_done(&trie->key);
    ks_buf_done(&trie->bytes);
}

static enum ks_err trie_get(const struct trie_case *trie, bool *out_found,
                            struct ks_bytes *out_value)
{
    return ks_mpt_get(trie->root, ks_buf_view(&trie->key), &trie->proof, out_found, out_value);
}

/* Nothing can be taken from a proof, put to it or changed in it. */
static void expect_tight(struct trie_case *trie)
{
    bool found = false;
    struct ks_bytes value = {0};

    for (size_t i = 0; i < trie->bytes.len; i++) {
        trie->bytes.data[i] ^= 1;
        assert_int_equal(trie_get(trie, &found, &value), KS_ERR_VERIFY);
        trie->bytes.data[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof trie->root; i++) {
        trie->root[i] ^= 0x80;
        assert_int_equal(trie_get(trie, &found, &value), KS_ERR_VERIFY);
        trie->root[i] ^= 0x80;
    }
    if (trie->proof.count > 0) {
        trie->proof.nodes[trie->proof.count] = trie->proof.nodes[0];
        trie->proof.count++;
        assert_int_equal(trie_get(trie, &found, &value), KS_ERR_VERIFY);
        trie->proof.count -= 2;
        assert_int_equal(trie_get(trie, &found, &value), KS_ERR_VERIFY);
        trie->proof.count++;
    }
}

static void try_trie(const struct ks_json *vector)
{
    struct trie_case trie;
    struct ks_buf want;
    struct ks_bytes value = {0};
    bool found = false;
    bool there = ks_json_type(ks_json_find(vector, "value")) == KS_JSON_STRING;

    trie_read(vector, &trie);
    ks_buf_init(&want, 1 << 16);
    if (there) {
        put_hex(text_of(vector, "value"), &want);
    }
    if (trie_get(&trie, &found, &value) != KS_OK) {
        fail_msg("%.*s: %s", (int)text_of(vector, "name").len,
                 (const char *)text_of(vector, "name").data, ks_err_detail());
    }
    assert_int_equal(found, there);
    expect_bytes(value, ks_buf_view(&want));
    expect_tight(&trie);
    ks_buf_done(&want);
    trie_done(&trie);
}

static void test_trie_vectors(void **state)
{
    (void)state;
    for_each("trie.json", try_trie);
}

/* Nodes that hash to what is asked for and are no trie's. */
static void test_trie_nonsense(void **state)
{
    static const struct {
        const char *node;
        const char *detail;
    } cases[] = {
        {"c0", "0 items"},
        {"c3010203", "3 items"},
        {"83010203", "a string where"},
        {"c28080", "without a path"},
        {"c24080", "begins with 40"},
        {"c22f80", "begins with 2f"},
        {"c23101", "a leaf before"},
        {"c20080", "of no length"},
        {"c2c080", "without a path"},
        {"c22001", "a leaf before"},
        {"c2", ""},
        {"c20180ff", ""},
        {"d2808080808080808080808080808080808080", "over 17 items"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t node[32];
        size_t len = strlen(cases[i].node) / 2;
        uint8_t root[KS_KECCAK256_LEN];
        struct ks_mpt_proof proof = {.count = 1};
        bool found = false;
        struct ks_bytes value = {0};

        assert_int_equal(ks_hex_decode(ks_bytes_text(cases[i].node), node, len), KS_OK);
        proof.nodes[0] = ks_bytes_of(node, len);
        ks_keccak256(proof.nodes[0], root);
        expect_failure(ks_mpt_get(root, KS_LITERAL("key"), &proof, &found, &value),
                       KS_ERR_VERIFY, cases[i].detail);
    }
}

/* --- headers ------------------------------------------------------------------------------ */

static void try_header(const struct ks_json *vector)
{
    struct ks_buf rlp;
    struct ks_bytes bytes = hex_of(vector, "rlp", &rlp);
    struct ks_header header = {0};
    uint8_t want[KS_KECCAK256_LEN];

    assert_int_equal(ks_header_parse(bytes, &header), KS_OK);
    fixed_of(vector, "hash", want, sizeof want);
    expect_bytes(KS_BYTES(header.hash), KS_BYTES(want));
    fixed_of(vector, "state_root", want, sizeof want);
    expect_bytes(KS_BYTES(header.state_root), KS_BYTES(want));
    assert_int_equal(header.number, number_of(vector, "number"));
    assert_int_equal(header.time_s, number_of(vector, "time"));
    /* Every cut is noticed. */
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(ks_header_parse(ks_bytes_of(bytes.data, len), &header), KS_ERR_FORMAT);
    }
    ks_buf_put_u8(&rlp, 0x80);
    assert_int_equal(ks_header_parse(ks_buf_view(&rlp), &header), KS_ERR_FORMAT);
    ks_buf_done(&rlp);
}

static void test_headers(void **state)
{
    (void)state;
    for_each("header.json", try_header);
}

/* ITEMS of a header of zeros; then more of them. */
static enum ks_err parse_header(size_t count, struct ks_bytes last)
{
    static const size_t lens[] = {32, 32, 20, 32, 32, 32, 256, 0, 0,  0, 0,
                                  0,  0,  32, 8,  0,  32, 0,   0, 32, 32};
    static const uint8_t zeros[256];
    struct ks_buf items;
    struct ks_buf rlp;
    struct ks_header header;
    enum ks_err err;

    ks_buf_init(&items, 1 << 16);
    ks_buf_init(&rlp, 1 << 16);
    for (size_t i = 0; i < count; i++) {
        size_t len = i < sizeof lens / sizeof lens[0] ? lens[i] : 7;

        ks_rlp_put_string(&items, ks_bytes_of(zeros, len));
    }
    ks_buf_put(&items, last);
    ks_rlp_put_list(&rlp, ks_buf_view(&items));
    err = ks_header_parse(ks_buf_view(&rlp), &header);
    ks_buf_done(&items);
    ks_buf_done(&rlp);
    return err;
}

static void test_header_limits(void **state)
{
    static const uint8_t more[KS_HEADER_LEN_MAX];

    (void)state;
    expect_failure(parse_header(14, (struct ks_bytes){0}), KS_ERR_FORMAT, "14 fields");
    assert_int_equal(parse_header(15, (struct ks_bytes){0}), KS_OK);
    assert_int_equal(parse_header(21, (struct ks_bytes){0}), KS_OK);
    /* Fields of forks to come. */
    assert_int_equal(parse_header(KS_HEADER_FIELDS_MAX, (struct ks_bytes){0}), KS_OK);
    expect_failure(parse_header(KS_HEADER_FIELDS_MAX + 1, (struct ks_bytes){0}), KS_ERR_LIMIT,
                   "over 32 fields");
    expect_failure(parse_header(22, KS_LITERAL("\xc0")), KS_ERR_FORMAT, "a list where");
    expect_failure(parse_header(7, KS_LITERAL("\x82\x00\x01")), KS_ERR_FORMAT, "difficulty");
    expect_failure(parse_header(15, ks_bytes_of(more, sizeof more)), KS_ERR_LIMIT, "4096");
    expect_failure(parse_header(8, KS_LITERAL("\x89\x01\x01\x01\x01\x01\x01\x01\x01\x01")),
                   KS_ERR_LIMIT, "number");
}

/* --- transactions ------------------------------------------------------------------------- */

static void tx_read(const struct ks_json *vector, struct ks_tx *tx)
{
    struct ks_buf data;
    struct ks_bytes bytes = hex_of(vector, "data", &data);

    *tx = (struct ks_tx){.chain_id = number_of(vector, "chain_id"),
                         .nonce = number_of(vector, "nonce"),
                         .tip_wei = number_of(vector, "tip_wei"),
                         .fee_max_wei = number_of(vector, "fee_max_wei"),
                         .gas = number_of(vector, "gas"),
                         .data_len = bytes.len};
    ks_copy(tx->data, bytes.data, bytes.len);
    fixed_of(vector, "from", tx->from, sizeof tx->from);
    tx->creates = ks_json_type(ks_json_find(vector, "to")) == KS_JSON_NULL;
    if (!tx->creates) {
        fixed_of(vector, "to", tx->to, sizeof tx->to);
    }
    ks_buf_done(&data);
}

/* The file of a key, of the mode that it has to have. */
static void key_write(const struct ks_json *vector, const char *path)
{
    struct ks_buf text;

    ks_buf_init(&text, 80);
    ks_buf_put(&text, text_of(vector, "key"));
    ks_buf_put_text(&text, "\n");
    assert_int_equal(ks_file_write(path, ks_buf_view(&text), 0600), KS_OK);
    ks_buf_done(&text);
}

static void expect_same_file(const struct ks_tx *tx)
{
    struct ks_buf text;
    struct ks_buf again;
    static struct ks_tx parsed;

    ks_buf_init(&text, KS_TX_LEN_MAX);
    ks_buf_init(&again, KS_TX_LEN_MAX);
    ks_tx_write(tx, &text);
    assert_int_equal(ks_tx_parse(ks_buf_view(&text), &parsed), KS_OK);
    ks_tx_write(&parsed, &again);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&text));
    ks_buf_done(&text);
    ks_buf_done(&again);
}

/* Deterministic signatures (RFC 6979): another program's are the same. */
static void try_tx(const struct ks_json *vector)
{
    static struct ks_tx tx;
    static const char path[] = "test_chain.key";
    struct ks_buf want;
    struct ks_buf got;
    uint8_t hash[KS_KECCAK256_LEN];
    uint8_t wanted[KS_KECCAK256_LEN];
    uint8_t address[KS_ADDRESS_LEN];

    tx_read(vector, &tx);
    assert_int_equal(ks_tx_hash_unsigned(&tx, hash), KS_OK);
    fixed_of(vector, "signing_hash", wanted, sizeof wanted);
    expect_bytes(KS_BYTES(hash), KS_BYTES(wanted));
    expect_same_file(&tx);

    key_write(vector, path);
    assert_int_equal(ks_signer_address(path, address), KS_OK);
    expect_bytes(KS_BYTES(address), KS_BYTES(tx.from));
    assert_int_equal(ks_signer_sign_file(path, &tx), KS_OK);
    assert_int_equal(unlink(path), 0);
    fixed_of(vector, "r", wanted, sizeof wanted);
    expect_bytes(KS_BYTES(tx.signature.r), KS_BYTES(wanted));
    fixed_of(vector, "s", wanted, sizeof wanted);
    expect_bytes(KS_BYTES(tx.signature.s), KS_BYTES(wanted));
    assert_int_equal(tx.signature.y_parity, number_of(vector, "y_parity"));
    expect_same_file(&tx);

    ks_buf_init(&got, 1 << 16);
    ks_tx_encode(&tx, &got);
    expect_bytes(ks_buf_view(&got), hex_of(vector, "encoded", &want));
    assert_int_equal(ks_tx_hash(&tx, hash), KS_OK);
    fixed_of(vector, "hash", wanted, sizeof wanted);
    expect_bytes(KS_BYTES(hash), KS_BYTES(wanted));

    tx.nonce++;
    expect_failure(ks_signer_check(&tx), KS_ERR_VERIFY, "signature");
    ks_buf_done(&want);
    ks_buf_done(&got);
}

static void test_transactions(void **state)
{
    (void)state;
    for_each("tx.json", try_tx);
}

/* The calls as Solidity's compiler has them (contracts/Anchor.json, by its code). */
static void test_calls(void **state)
{
    uint8_t digest[32] = {1, 2, 3};
    uint8_t submitter[KS_ADDRESS_LEN] = {0xff};
    uint8_t call[KS_CALL_LEN];
    struct ks_tx tx = {.data_len = KS_CALL_LEN};
    uint8_t got[32];

    (void)state;
    ks_call_anchors(submitter, call);
    expect_bytes(ks_bytes_of(call, 4), KS_LITERAL("\x69\x23\x74\xe3"));
    assert_int_equal(call[4 + 12], 0xff);
    ks_call_anchor(digest, call);
    expect_bytes(ks_bytes_of(call, 4), KS_LITERAL("\xee\xcd\xf9\x27"));
    ks_copy(tx.data, call, sizeof call);
    assert_int_equal(ks_tx_digest(&tx, got), KS_OK);
    expect_bytes(KS_BYTES(got), KS_BYTES(digest));
    tx.data_len--;
    expect_failure(ks_tx_digest(&tx, got), KS_ERR_FORMAT, "no call");
    tx.data_len++;
    tx.data[0] ^= 1;
    expect_failure(ks_tx_digest(&tx, got), KS_ERR_FORMAT, "no call");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rlp_vectors),  cmocka_unit_test(test_rlp_integers),
        cmocka_unit_test(test_keccak),       cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_trie_vectors), cmocka_unit_test(test_trie_nonsense),
        cmocka_unit_test(test_headers),      cmocka_unit_test(test_header_limits),
        cmocka_unit_test(test_transactions), cmocka_unit_test(test_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
