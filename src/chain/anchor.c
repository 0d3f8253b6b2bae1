/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "chain/anchor.h"

#include "base/text.h"
#include "chain/address.h"
#include "chain/header.h"
#include "chain/rlp.h"

#define WORD_LEN 32

static const struct ks_json_limits anchor_limits = {.len_max = KS_ANCHOR_LEN_MAX,
                                                    .nodes_max = KS_ANCHOR_NODES_MAX};
static const struct ks_json_limits pin_limits = {.len_max = KS_ANCHOR_PIN_LEN_MAX,
                                                 .nodes_max = 16 + 3 * KS_ANCHOR_BLOCKS_MAX};

/* --- the document ------------------------------------------------------------------------- */

static void put_proof(struct ks_json_writer *writer, const char *name,
                      const struct ks_mpt_proof *proof)
{
    ks_json_put_key(writer, name);
    ks_json_put_array(writer);
    for (size_t i = 0; i < proof->count; i++) {
        ks_json_put_base64(writer, proof->nodes[i]);
    }
    ks_json_put_end(writer);
}

void ks_anchor_write(const struct ks_anchor *anchor, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    put_proof(&writer, "account_proof", &anchor->account);
    ks_json_member_u64(&writer, "chain_id", anchor->chain_id);
    ks_json_member_hex(&writer, "code_hash", KS_BYTES(anchor->code_hash));
    ks_json_member_hex(&writer, "contract", KS_BYTES(anchor->contract));
    ks_json_member_hex(&writer, "digest", KS_BYTES(anchor->digest));
    ks_json_member_base64(&writer, "header", anchor->header);
    ks_json_member_text(&writer, "schema", KS_ANCHOR_SCHEMA);
    put_proof(&writer, "storage_proof", &anchor->storage);
    ks_json_member_hex(&writer, "submitter", KS_BYTES(anchor->submitter));
    ks_json_put_end(&writer);
}

/* Decodes base64 to the end of the anchor's bytes. Of the view only the length counts until all
 * are there, since the bytes may still move. */
static enum ks_err take_bytes(const struct ks_json *value, size_t len_max,
                              struct ks_anchor *anchor, struct ks_bytes *view)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    size_t before = anchor->bytes.len;

    KS_TRY(ks_json_string(value, &text));
    KS_TRY(ks_base64_decode(text, &anchor->bytes));
    view->len = anchor->bytes.len - before;
    KS_CHECK(view->len >= 1 && view->len <= len_max, KS_ERR_LIMIT, "1 to %zu bytes", len_max);
out:
    return err;
}

static enum ks_err take_proof(const struct ks_json *object, const char *name,
                              struct ks_anchor *anchor, struct ks_mpt_proof *proof)
{
    enum ks_err err = KS_OK;
    const struct ks_json *nodes = NULL;

    KS_TRY(ks_json_get(object, name, KS_JSON_ARRAY, &nodes));
    proof->count = ks_json_count(nodes);
    KS_CHECK(proof->count >= 1 && proof->count <= KS_MPT_NODES_MAX, KS_ERR_LIMIT,
             "'%s': 1 to %d nodes", name, KS_MPT_NODES_MAX);
    for (size_t i = 0; i < proof->count; i++) {
        KS_TRY(ks_fail_prefix(
            take_bytes(ks_json_at(nodes, i), KS_MPT_NODE_MAX, anchor, &proof->nodes[i]),
            "'%s': node %zu", name, i));
    }
out:
    return err;
}

static enum ks_err read_parts(const struct ks_json *object, struct ks_anchor *anchor)
{
    enum ks_err err = KS_OK;
    const struct ks_json *header_text = NULL;
    struct ks_header header;

    KS_TRY(ks_json_get(object, "header", KS_JSON_STRING, &header_text));
    KS_TRY(ks_fail_prefix(take_bytes(header_text, KS_HEADER_LEN_MAX, anchor, &anchor->header),
                          "'header'"));
    KS_TRY(take_proof(object, "account_proof", anchor, &anchor->account));
    KS_TRY(take_proof(object, "storage_proof", anchor, &anchor->storage));
    anchor->header.data = anchor->bytes.data;
    (void)ks_mpt_place(
        &anchor->storage,
        ks_mpt_place(&anchor->account, anchor->header.data + anchor->header.len));
    KS_TRY(ks_header_parse(anchor->header, &header));
    KS_CHECK(header.number <= KS_JSON_INTEGER_MAX && header.time_s <= KS_ANCHOR_TIME_MAX,
             KS_ERR_LIMIT, "'header': a number or time that no chain has");
    anchor->block_number = header.number;
    anchor->block_time_s = header.time_s;
    ks_copy(anchor->block_hash, header.hash, sizeof header.hash);
out:
    return err;
}

/* SCHEMA under the name 'schema', and what tells one chain's contract from another's. */
static enum ks_err read_place(const struct ks_json *object, const char *schema,
                              uint64_t *out_chain_id, uint8_t contract[KS_ADDRESS_LEN],
                              uint8_t code_hash[KS_KECCAK256_LEN],
                              uint8_t submitter[KS_ADDRESS_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(object, "schema", &text));
    KS_CHECK(ks_bytes_is(text, schema), KS_ERR_FORMAT, "'schema': expected %s", schema);
    KS_TRY(ks_json_get_u64(object, "chain_id", KS_JSON_INTEGER_MAX, out_chain_id));
    KS_CHECK(*out_chain_id > 0, KS_ERR_FORMAT, "'chain_id': 0 is none");
    KS_TRY(ks_json_get_hex(object, "contract", contract, KS_ADDRESS_LEN));
    KS_TRY(ks_json_get_hex(object, "code_hash", code_hash, KS_KECCAK256_LEN));
    KS_TRY(ks_json_get_hex(object, "submitter", submitter, KS_ADDRESS_LEN));
out:
    return err;
}

enum ks_err ks_anchor_read(const struct ks_json *object, struct ks_anchor **out_anchor)
{
    static const char *const names[] = {
        "account_proof", "chain_id", "code_hash",     "contract",  "digest",
        "header",        "schema",   "storage_proof", "submitter", NULL};
    enum ks_err err = KS_OK;
    struct ks_anchor *anchor = ks_calloc(1, sizeof *anchor);

    KS_CHECK(anchor != NULL, KS_ERR_NOMEM, "no memory for an anchor");
    ks_buf_init(&anchor->bytes, KS_ANCHOR_LEN_MAX);
    KS_TRY(read_place(object, KS_ANCHOR_SCHEMA, &anchor->chain_id, anchor->contract,
                      anchor->code_hash, anchor->submitter));
    KS_TRY(ks_json_only(object, names));
    KS_TRY(ks_json_get_hex(object, "digest", anchor->digest, sizeof anchor->digest));
    KS_TRY(read_parts(object, anchor));
    *out_anchor = anchor;
    anchor = NULL; /* transferred */
out:
    ks_anchor_free(anchor);
    return ks_fail_prefix(err, "anchor");
}

enum ks_err ks_anchor_parse(struct ks_bytes text, struct ks_anchor **out_anchor)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse_canonical(text, &anchor_limits, &doc));
    KS_TRY(ks_anchor_read(ks_json_root(doc), out_anchor));
out:
    ks_json_doc_free(doc);
    return err;
}

void ks_anchor_free(struct ks_anchor *anchor)
{
    if (anchor != NULL) {
        ks_buf_done(&anchor->bytes);
        ks_free(anchor);
    }
}

/* --- the pin ------------------------------------------------------------------------------ */

void ks_anchor_pin_write(const struct ks_anchor_pin *pin, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "blocks");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < pin->block_count; i++) {
        ks_json_put_object(&writer);
        ks_json_member_hex(&writer, "hash", KS_BYTES(pin->blocks[i].hash));
        ks_json_member_u64(&writer, "number", pin->blocks[i].number);
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, "chain_id", pin->chain_id);
    ks_json_member_hex(&writer, "code_hash", KS_BYTES(pin->code_hash));
    ks_json_member_hex(&writer, "contract", KS_BYTES(pin->contract));
    ks_json_member_text(&writer, "schema", KS_ANCHOR_PIN_SCHEMA);
    ks_json_member_hex(&writer, "submitter", KS_BYTES(pin->submitter));
    ks_json_put_end(&writer);
}

static enum ks_err read_block(const struct ks_json *object, struct ks_anchor_block *out_block)
{
    static const char *const names[] = {"hash", "number", NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_json_get_hex(object, "hash", out_block->hash, sizeof out_block->hash));
    KS_TRY(ks_json_get_u64(object, "number", KS_JSON_INTEGER_MAX, &out_block->number));
    KS_TRY(ks_json_only(object, names));
out:
    return err;
}

static enum ks_err read_blocks(const struct ks_json *object, struct ks_anchor_pin *pin)
{
    enum ks_err err = KS_OK;
    const struct ks_json *blocks = NULL;

    KS_TRY(ks_json_get(object, "blocks", KS_JSON_ARRAY, &blocks));
    pin->block_count = ks_json_count(blocks);
    KS_CHECK(pin->block_count <= KS_ANCHOR_BLOCKS_MAX, KS_ERR_LIMIT, "'blocks': over %d",
             KS_ANCHOR_BLOCKS_MAX);
    pin->blocks = ks_calloc(pin->block_count, sizeof *pin->blocks);
    KS_CHECK(pin->blocks != NULL, KS_ERR_NOMEM, "no memory for a pin");
    for (size_t i = 0; i < pin->block_count; i++) {
        KS_TRY(ks_fail_prefix(read_block(ks_json_at(blocks, i), &pin->blocks[i]),
                              "'blocks': element %zu", i));
        KS_CHECK(i == 0 || pin->blocks[i - 1].number < pin->blocks[i].number, KS_ERR_FORMAT,
                 "'blocks': not in ascending order");
    }
out:
    return err;
}

enum ks_err ks_anchor_pin_read(const struct ks_json *object, struct ks_anchor_pin *out_pin)
{
    static const char *const names[] = {"blocks", "chain_id",  "code_hash", "contract",
                                        "schema", "submitter", NULL};
    enum ks_err err = KS_OK;
    struct ks_anchor_pin pin = {0};

    KS_TRY(read_place(object, KS_ANCHOR_PIN_SCHEMA, &pin.chain_id, pin.contract, pin.code_hash,
                      pin.submitter));
    KS_TRY(ks_json_only(object, names));
    KS_TRY(read_blocks(object, &pin));
    *out_pin = pin;
    pin = (struct ks_anchor_pin){0}; /* transferred */
out:
    ks_anchor_pin_done(&pin);
    return ks_fail_prefix(err, "anchor pin");
}

enum ks_err ks_anchor_pin_parse(struct ks_bytes text, struct ks_anchor_pin *out_pin)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse_canonical(text, &pin_limits, &doc));
    KS_TRY(ks_anchor_pin_read(ks_json_root(doc), out_pin));
out:
    ks_json_doc_free(doc);
    return err;
}

void ks_anchor_pin_done(struct ks_anchor_pin *pin)
{
    if (pin != NULL) {
        ks_free(pin->blocks);
        pin->blocks = NULL;
        pin->block_count = 0;
    }
}

/* --- the checks --------------------------------------------------------------------------- */

/* That ANCHOR is about what PIN says. */
static enum ks_err check_place(const struct ks_anchor *anchor, const struct ks_anchor_pin *pin)
{
    enum ks_err err = KS_OK;

    KS_CHECK(anchor->chain_id == pin->chain_id, KS_ERR_VERIFY, "of chain %llu, not %llu",
             (unsigned long long)anchor->chain_id, (unsigned long long)pin->chain_id);
    KS_CHECK(ks_bytes_equal(KS_BYTES(anchor->contract), KS_BYTES(pin->contract)), KS_ERR_VERIFY,
             "of another contract than the pinned one");
    KS_CHECK(ks_bytes_equal(KS_BYTES(anchor->code_hash), KS_BYTES(pin->code_hash)),
             KS_ERR_VERIFY, "of a contract with other code than the pinned one");
    KS_CHECK(ks_bytes_equal(KS_BYTES(anchor->submitter), KS_BYTES(pin->submitter)),
             KS_ERR_VERIFY, "of another submitter than the pinned one");
out:
    return err;
}

/* That the state under the header has the contract with its code. */
static enum ks_err check_account(const struct ks_anchor *anchor, struct ks_account *out_account)
{
    enum ks_err err = KS_OK;
    struct ks_header header;
    struct ks_account account;
    struct ks_bytes leaf = {0};
    bool found = false;

    KS_TRY(ks_header_parse(anchor->header, &header));
    KS_TRY(ks_fail_prefix(ks_mpt_get(header.state_root, KS_BYTES(anchor->contract),
                                     &anchor->account, &found, &leaf),
                          "account"));
    KS_CHECK(found, KS_ERR_VERIFY, "there is no such account at block %llu",
             (unsigned long long)header.number);
    KS_TRY(ks_account_parse(leaf, &account));
    KS_CHECK(ks_bytes_equal(KS_BYTES(account.code_hash), KS_BYTES(anchor->code_hash)),
             KS_ERR_VERIFY, "the account at block %llu has other code",
             (unsigned long long)header.number);
    *out_account = account;
out:
    return err;
}

enum ks_err ks_anchor_stored(const struct ks_anchor *anchor, uint8_t out_word[32])
{
    enum ks_err err = KS_OK;
    struct ks_account account;
    uint8_t slot[WORD_LEN];
    uint8_t word[WORD_LEN] = {0};
    struct ks_bytes leaf = {0};
    struct ks_reader reader;
    bool found = false;

    KS_TRY(check_account(anchor, &account));
    ks_anchor_slot(anchor->submitter, slot);
    KS_TRY(ks_fail_prefix(
        ks_mpt_get(account.storage_root, KS_BYTES(slot), &anchor->storage, &found, &leaf),
        "storage"));
    if (found) { /* an integer, without leading zeros */
        reader = ks_reader_of(leaf, "storage");
        KS_TRY(ks_rlp_read_u256(&reader, word));
        KS_TRY(ks_read_end(&reader));
    }
    ks_copy(out_word, word, sizeof word);
out:
    /* What a trie holds is its chain's word, and no chain of this kind has anything else. */
    return err == KS_OK ? KS_OK : ks_fail_prefix(KS_ERR_VERIFY, "anchor");
}

enum ks_err ks_anchor_check_proof(const struct ks_anchor *anchor,
                                  const struct ks_anchor_pin *pin, const uint8_t digest[32])
{
    enum ks_err err = KS_OK;
    uint8_t word[WORD_LEN];

    KS_TRY(ks_fail_prefix(check_place(anchor, pin), "anchor"));
    KS_CHECK(ks_bytes_equal(KS_BYTES(anchor->digest), ks_bytes_of(digest, WORD_LEN)),
             KS_ERR_VERIFY, "anchor: of another digest than that of the checkpoint");
    KS_TRY(ks_anchor_stored(anchor, word));
    KS_CHECK(ks_bytes_equal(KS_BYTES(word), KS_BYTES(anchor->digest)), KS_ERR_VERIFY,
             "anchor: at block %llu the submitter had anchored another digest, or none",
             (unsigned long long)anchor->block_number);
out:
    return err;
}

enum ks_err ks_anchor_check_canonical(const struct ks_anchor *anchor,
                                      const struct ks_anchor_pin *pin, bool *out_decided)
{
    for (size_t i = 0; i < pin->block_count; i++) {
        if (pin->blocks[i].number != anchor->block_number) {
            continue;
        }
        *out_decided = true;
        if (!ks_bytes_equal(KS_BYTES(pin->blocks[i].hash), KS_BYTES(anchor->block_hash))) {
            return ks_fail(KS_ERR_VERIFY,
                           "anchor: block %llu of the pinned chain is another one",
                           (unsigned long long)anchor->block_number);
        }
        return KS_OK;
    }
    *out_decided = false;
    return KS_OK;
}
