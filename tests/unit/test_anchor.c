/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Evidence of an anchor, by one that was taken from a chain (tests/vectors/chain/anvil.anchor):
 * what it proves, and that nothing of it can be otherwise. */
#include "expect.h"

#include "base/text.h"
#include "chain/anchor.h"
#include "chain/header.h"
#include "chain/rlp.h"
#include "ledger/checkpoint.h"
#include "vector_files.h"

struct fixture {
    struct ks_buf text;
    struct ks_buf pin_text;
    struct ks_anchor *anchor;
    struct ks_anchor_pin pin;
    uint8_t digest[32];
};

static struct fixture known;

static int setup(void **state)
{
    struct ks_buf note;
    struct ks_note parsed = {0};

    (void)state;
    vector_read("chain", "anvil.anchor", &known.text);
    vector_read("chain", "anvil.pin", &known.pin_text);
    assert_int_equal(ks_anchor_parse(ks_buf_view(&known.text), &known.anchor), KS_OK);
    assert_int_equal(ks_anchor_pin_parse(ks_buf_view(&known.pin_text), &known.pin), KS_OK);
    vector_read("checkpoint", "accept/go-both", &note);
    assert_int_equal(ks_note_parse(ks_buf_view(&note), &parsed), KS_OK);
    ks_sha256(parsed.text, known.digest);
    ks_note_done(&parsed);
    ks_buf_done(&note);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ks_anchor_free(known.anchor);
    ks_anchor_pin_done(&known.pin);
    ks_buf_done(&known.text);
    ks_buf_done(&known.pin_text);
    return 0;
}

static void test_passes(void **state)
{
    struct ks_buf out;
    bool decided = true;

    (void)state;
    assert_int_equal(ks_anchor_check_proof(known.anchor, &known.pin, known.digest), KS_OK);
    assert_int_equal(ks_anchor_check_canonical(known.anchor, &known.pin, &decided), KS_OK);
    assert_false(decided);
    assert_int_equal(known.anchor->block_number, 3);
    assert_int_equal(known.anchor->block_time_s, 1795711446);

    ks_buf_init(&out, KS_ANCHOR_LEN_MAX);
    ks_anchor_write(known.anchor, &out);
    expect_bytes(ks_buf_view(&out), ks_buf_view(&known.text));
    ks_buf_clear(&out);
    ks_anchor_pin_write(&known.pin, &out);
    expect_bytes(ks_buf_view(&out), ks_buf_view(&known.pin_text));
    ks_buf_done(&out);
}

/* Both checks, by a pin that names the block. */
static bool is_proved(const struct ks_anchor *anchor, const struct ks_anchor_pin *pin)
{
    bool decided = false;

    return ks_anchor_check_proof(anchor, pin, known.digest) == KS_OK &&
           ks_anchor_check_canonical(anchor, pin, &decided) == KS_OK && decided;
}

/* Each bit of the document: no longer one, about something else, or of another block. What a
 * header says beside its state root is held by the hash of the block alone. */
static void test_every_bit_counts(void **state)
{
    struct ks_anchor_block block = {.number = known.anchor->block_number};
    struct ks_anchor_pin pin = known.pin;
    size_t read = 0;

    (void)state;
    ks_copy(block.hash, known.anchor->block_hash, sizeof block.hash);
    pin.blocks = &block;
    pin.block_count = 1;
    assert_true(is_proved(known.anchor, &pin));
    for (size_t bit = 0; bit < 8 * known.text.len; bit++) {
        struct ks_anchor *anchor = NULL;

        known.text.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (ks_anchor_parse(ks_buf_view(&known.text), &anchor) == KS_OK) {
            read++;
            assert_false(is_proved(anchor, &pin));
        }
        ks_anchor_free(anchor);
        known.text.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_true(read > known.text.len); /* most flips in the proofs are still base64 */
}

static void expect_unproved(const char *detail)
{
    expect_failure(ks_anchor_check_proof(known.anchor, &known.pin, known.digest), KS_ERR_VERIFY,
                   detail);
}

static void test_other_pins(void **state)
{
    (void)state;
    known.pin.chain_id++;
    expect_unproved("of chain 31337, not 31338");
    known.pin.chain_id--;
    known.pin.contract[0] ^= 1;
    expect_unproved("another contract");
    known.pin.contract[0] ^= 1;
    known.pin.code_hash[31] ^= 1;
    expect_unproved("other code");
    known.pin.code_hash[31] ^= 1;
    known.pin.submitter[19] ^= 1;
    expect_unproved("another submitter");
    known.pin.submitter[19] ^= 1;
    known.digest[0] ^= 1;
    expect_unproved("another digest than that of the checkpoint");
    known.digest[0] ^= 1;
}

/* Claims that the pin shares, but that the chain's state does not. */
static void test_shared_claims(void **state)
{
    (void)state;
    known.pin.code_hash[0] ^= 1;
    known.anchor->code_hash[0] ^= 1;
    expect_unproved("has other code");
    known.pin.code_hash[0] ^= 1;
    known.anchor->code_hash[0] ^= 1;

    known.pin.contract[0] ^= 1;
    known.anchor->contract[0] ^= 1;
    expect_unproved("");
    known.pin.contract[0] ^= 1;
    known.anchor->contract[0] ^= 1;

    known.pin.submitter[0] ^= 1;
    known.anchor->submitter[0] ^= 1;
    expect_unproved("another digest, or none");
    known.pin.submitter[0] ^= 1;
    known.anchor->submitter[0] ^= 1;

    known.digest[31] ^= 1;
    known.anchor->digest[31] ^= 1;
    expect_unproved("another digest, or none");
    known.digest[31] ^= 1;
    known.anchor->digest[31] ^= 1;
}

static void test_canonical(void **state)
{
    struct ks_anchor_block blocks[3] = {{.number = 2}, {.number = 3}, {.number = 4}};
    struct ks_anchor_pin pin = known.pin;
    bool decided = false;

    (void)state;
    pin.blocks = blocks;
    pin.block_count = 3;
    expect_failure(ks_anchor_check_canonical(known.anchor, &pin, &decided), KS_ERR_VERIFY,
                   "block 3 of the pinned chain is another one");
    assert_true(decided);
    ks_copy(blocks[1].hash, known.anchor->block_hash, sizeof blocks[1].hash);
    decided = false;
    assert_int_equal(ks_anchor_check_canonical(known.anchor, &pin, &decided), KS_OK);
    assert_true(decided);
    pin.block_count = 1;
    assert_int_equal(ks_anchor_check_canonical(known.anchor, &pin, &decided), KS_OK);
    assert_false(decided);
}

/* --- documents that are none -------------------------------------------------------------- */

/* TEXT with the first OLD in it replaced by NEW, which has to be there. */
static void put_changed(struct ks_bytes text, const char *old, const char *new,
                        struct ks_buf *out)
{
    const char *at = memmem(text.data, text.len, old, strlen(old));
    size_t before = 0;

    assert_non_null(at);
    before = (size_t)((const uint8_t *)at - text.data);
    ks_buf_init(out, 4 * KS_ANCHOR_LEN_MAX);
    ks_buf_put(out, ks_bytes_of(text.data, before));
    ks_buf_put_text(out, new);
    ks_buf_put(out,
               ks_bytes_of(text.data + before + strlen(old), text.len - before - strlen(old)));
    assert_int_equal(ks_buf_check(out), KS_OK);
}

static void expect_no_anchor(const char *old, const char *new, enum ks_err err,
                             const char *detail)
{
    struct ks_buf text;
    struct ks_anchor *anchor = NULL;

    put_changed(ks_buf_view(&known.text), old, new, &text);
    expect_failure(ks_anchor_parse(ks_buf_view(&text), &anchor), err, detail);
    assert_null(anchor);
    ks_buf_done(&text);
}

static void test_no_documents(void **state)
{
    struct ks_buf many;

    (void)state;
    expect_no_anchor("{", " {", KS_ERR_FORMAT, "");
    expect_no_anchor("ketseal.anchor/1", "ketseal.anchor/2", KS_ERR_FORMAT, "'schema'");
    expect_no_anchor("\"chain_id\":31337", "\"chain_id\":0", KS_ERR_FORMAT, "'chain_id'");
    expect_no_anchor("\"chain_id\":31337", "\"chain_id\":\"31337\"", KS_ERR_FORMAT,
                     "'chain_id'");
    expect_no_anchor("\"chain_id\":31337", "\"chain_id\":9007199254740992", KS_ERR_FORMAT, "");
    expect_no_anchor("\"chain_id\":31337", "\"chain_ie\":31337", KS_ERR_FORMAT, "");
    expect_no_anchor("\"chain_id\":31337", "\"chain_id\":31337,\"chain_ie\":0", KS_ERR_FORMAT,
                     "chain_ie");
    expect_no_anchor("\"digest\":\"", "\"digest\":\"00", KS_ERR_FORMAT, "'digest'");
    expect_no_anchor("\"submitter\":\"7", "\"submitter\":\"G", KS_ERR_FORMAT, "'submitter'");
    expect_no_anchor("\"header\":\"", "\"header\":\"AAAA", KS_ERR_FORMAT, "block header");
    expect_no_anchor("\"header\":\"", "\"header\":\"=", KS_ERR_FORMAT, "'header'");
    expect_no_anchor("\"account_proof\":[", "\"account_proof\":[7,", KS_ERR_FORMAT,
                     "'account_proof': node 0");
    expect_no_anchor("\"account_proof\":[", "\"account_proof\":[\"\",", KS_ERR_LIMIT,
                     "'account_proof': node 0");

    ks_buf_init(&many, 8 * KS_MPT_NODE_MAX);
    ks_buf_put_text(&many, "\"account_proof\":[");
    for (size_t i = 0; i < KS_MPT_NODES_MAX; i++) {
        ks_buf_put_text(&many, "\"AAAA\",");
    }
    ks_buf_put_u8(&many, 0);
    expect_no_anchor("\"account_proof\":[", (const char *)many.data, KS_ERR_LIMIT,
                     "1 to 64 nodes");
    ks_buf_clear(&many);
    ks_buf_put_text(&many, "\"account_proof\":[\"");
    for (size_t i = 0; i <= KS_MPT_NODE_MAX / 3; i++) {
        ks_buf_put_text(&many, "AAAA");
    }
    ks_buf_put_text(&many, "\",");
    ks_buf_put_u8(&many, 0);
    expect_no_anchor("\"account_proof\":[", (const char *)many.data, KS_ERR_LIMIT,
                     "1 to 1024 bytes");
    ks_buf_done(&many);
}

/* A header of that number and time, nothing else in it, with the proofs of another one. */
static enum ks_err parse_block(uint64_t number, uint64_t time_s)
{
    static const size_t lens[] = {32, 32, 20, 32, 32, 32, 256, 0, 0, 0, 0, 0, 0, 32, 8};
    static const uint8_t zeros[256];
    struct ks_anchor changed = *known.anchor;
    struct ks_anchor *anchor = NULL;
    struct ks_buf items;
    struct ks_buf header;
    struct ks_buf text;
    enum ks_err err;

    ks_buf_init(&items, KS_HEADER_LEN_MAX);
    ks_buf_init(&header, KS_HEADER_LEN_MAX);
    ks_buf_init(&text, KS_ANCHOR_LEN_MAX);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        if (i == 8 || i == 11) {
            ks_rlp_put_u64(&items, i == 8 ? number : time_s);
        } else {
            ks_rlp_put_string(&items, ks_bytes_of(zeros, lens[i]));
        }
    }
    ks_rlp_put_list(&header, ks_buf_view(&items));
    changed.header = ks_buf_view(&header);
    ks_anchor_write(&changed, &text);
    err = ks_anchor_parse(ks_buf_view(&text), &anchor);
    if (err == KS_OK) {
        assert_int_equal(anchor->block_number, number);
        assert_int_equal(anchor->block_time_s, time_s);
        assert_int_equal(ks_anchor_check_proof(anchor, &known.pin, known.digest),
                         KS_ERR_VERIFY);
    }
    ks_anchor_free(anchor);
    ks_buf_done(&items);
    ks_buf_done(&header);
    ks_buf_done(&text);
    return err;
}

/* Numbers that would not fit into a result. */
static void test_no_blocks(void **state)
{
    (void)state;
    assert_int_equal(parse_block(KS_JSON_INTEGER_MAX, KS_ANCHOR_TIME_MAX), KS_OK);
    expect_failure(parse_block(KS_JSON_INTEGER_MAX + 1, 0), KS_ERR_LIMIT, "no chain has");
    expect_failure(parse_block(0, KS_ANCHOR_TIME_MAX + 1), KS_ERR_LIMIT, "no chain has");
    expect_failure(parse_block(UINT64_MAX, UINT64_MAX), KS_ERR_LIMIT, "no chain has");
}

static void expect_no_pin(const char *old, const char *new, enum ks_err err, const char *detail)
{
    struct ks_buf text;
    struct ks_anchor_pin pin = {0};

    put_changed(ks_buf_view(&known.pin_text), old, new, &text);
    expect_failure(ks_anchor_pin_parse(ks_buf_view(&text), &pin), err, detail);
    assert_null(pin.blocks);
    ks_buf_done(&text);
}

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_no_pins(void **state)
{
    struct ks_buf many;
    struct ks_buf text;
    struct ks_anchor_pin pin = {0};

    (void)state;
    expect_no_pin("pin/1", "pin/2", KS_ERR_FORMAT, "'schema'");
    expect_no_pin("\"blocks\":[]", "\"blocks\":{}", KS_ERR_FORMAT, "'blocks'");
    expect_no_pin("\"blocks\":[]", "\"blocks\":[{\"hash\":\"" HASH_A "\"}]", KS_ERR_FORMAT,
                  "element 0");
    expect_no_pin("\"blocks\":[]",
                  "\"blocks\":[{\"hash\":\"" HASH_A "\",\"number\":2},{\"hash\":\"" HASH_A
                  "\",\"number\":2}]",
                  KS_ERR_FORMAT, "ascending");
    expect_no_pin("\"blocks\":[]", "\"blocks\":[{\"hash\":\"" HASH_A "\",\"number\":-1}]",
                  KS_ERR_FORMAT, "'number'");
    expect_no_pin("\"blocks\":[],", "", KS_ERR_FORMAT, "'blocks'");
    expect_no_pin("\"chain_id\":31337", "\"chain_id\":0", KS_ERR_FORMAT, "'chain_id'");

    ks_buf_init(&many, KS_ANCHOR_PIN_LEN_MAX);
    ks_buf_put_text(&many, "\"blocks\":[");
    for (size_t i = 0; i <= KS_ANCHOR_BLOCKS_MAX; i++) {
        ks_buf_put_format(&many, "%s{\"hash\":\"" HASH_A "\",\"number\":%zu}", i > 0 ? "," : "",
                          i);
    }
    ks_buf_put_text(&many, "]");
    ks_buf_put_u8(&many, 0);
    put_changed(ks_buf_view(&known.pin_text), "\"blocks\":[]", (const char *)many.data, &text);
    expect_failure(ks_anchor_pin_parse(ks_buf_view(&text), &pin), KS_ERR_LIMIT, "over 256");
    ks_buf_done(&many);
    ks_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes),     cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_other_pins), cmocka_unit_test(test_shared_claims),
        cmocka_unit_test(test_canonical),  cmocka_unit_test(test_no_documents),
        cmocka_unit_test(test_no_blocks),  cmocka_unit_test(test_no_pins),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
