/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "anchor/node.h"

#include <stdio.h>

#include "chain/address.h"
#include "chain/rlp.h"

#define PARAMS_MAX    (32 * 1024)
#define FEE_BLOCKS    20
#define CODE_MAX      (64 * 1024) /* bytes; EIP-170 allows 24,576 */
#define QUANTITY_TEXT 24
#define AMOUNT_MAX    KS_JSON_INTEGER_MAX
#define GAS_MAX       100000000

struct ks_node {
    struct ks_rpc *rpc;
};

/* One call: parameters are written between begin and ask, the answer lives until done. */
struct query {
    struct ks_buf params;
    struct ks_json_writer writer;
    struct ks_json_doc *doc;
    const struct ks_json *result;
};

static void begin(struct query *query)
{
    *query = (struct query){0};
    ks_buf_init(&query->params, PARAMS_MAX);
    query->writer = ks_json_writer_of(&query->params);
    ks_json_put_array(&query->writer);
}

static enum ks_err ask(struct ks_node *node, struct query *query, const char *method)
{
    enum ks_err err = KS_OK;

    ks_json_put_end(&query->writer);
    KS_TRY(ks_buf_check(&query->params));
    KS_TRY(ks_rpc_call(node->rpc, method, ks_buf_view(&query->params), &query->doc,
                       &query->result));
out:
    return err;
}

static void done(struct query *query)
{
    ks_buf_done(&query->params);
    ks_json_doc_free(query->doc);
}

/* --- opening ------------------------------------------------------------------------------ */

static enum ks_err check_chain(struct ks_node *node, uint64_t chain_id)
{
    enum ks_err err = KS_OK;
    struct query query;
    uint64_t got = 0;

    begin(&query);
    KS_TRY(ask(node, &query, "eth_chainId"));
    KS_TRY(ks_rpc_quantity(query.result, "chain id", UINT64_MAX, &got));
    KS_CHECK(got == chain_id, KS_ERR_VERIFY, "the node is on chain %llu, not %llu",
             (unsigned long long)got, (unsigned long long)chain_id);
out:
    done(&query);
    return err;
}

enum ks_err ks_node_open(const struct ks_rpc_spec *spec, uint64_t chain_id,
                         struct ks_node **out_node)
{
    enum ks_err err = KS_OK;
    struct ks_node *node = ks_calloc(1, sizeof *node);

    KS_CHECK(node != NULL, KS_ERR_NOMEM, "no memory for a node");
    KS_TRY(ks_rpc_new(spec, &node->rpc));
    KS_TRY(check_chain(node, chain_id));
    *out_node = node;
    node = NULL; /* transferred */
out:
    ks_node_close(node);
    return err;
}

void ks_node_close(struct ks_node *node)
{
    if (node != NULL) {
        ks_rpc_free(node->rpc);
        ks_free(node);
    }
}

const char *ks_node_refusal(const struct ks_node *node)
{
    return ks_rpc_refusal(node->rpc);
}

/* --- accounts and fees -------------------------------------------------------------------- */

enum ks_err ks_node_nonce(struct ks_node *node, const uint8_t address[KS_ADDRESS_LEN],
                          bool pending, uint64_t *out_nonce)
{
    enum ks_err err = KS_OK;
    struct query query;

    begin(&query);
    ks_rpc_put_bytes(&query.writer, ks_bytes_of(address, KS_ADDRESS_LEN));
    ks_json_put_text(&query.writer, pending ? "pending" : "latest");
    KS_TRY(ask(node, &query, "eth_getTransactionCount"));
    KS_TRY(ks_rpc_quantity(query.result, "nonce", AMOUNT_MAX, out_nonce));
out:
    done(&query);
    return err;
}

/* The median of COUNT rows of one tip each. */
static enum ks_err median_tip(const struct ks_json *rewards, uint64_t *out_tip)
{
    enum ks_err err = KS_OK;
    uint64_t tips[FEE_BLOCKS];
    size_t count = ks_json_count(rewards);

    KS_CHECK(count >= 1 && count <= FEE_BLOCKS, KS_ERR_IO, "the node's tips: %zu rows", count);
    for (size_t i = 0; i < count; i++) {
        const struct ks_json *row = ks_json_at(rewards, i);
        uint64_t tip = 0;
        size_t at = i;

        KS_CHECK(ks_json_count(row) == 1, KS_ERR_IO, "the node's tips: row %zu", i);
        KS_TRY(ks_rpc_quantity(ks_json_at(row, 0), "tip", AMOUNT_MAX, &tip));
        while (at > 0 && tips[at - 1] > tip) {
            tips[at] = tips[at - 1];
            at--;
        }
        tips[at] = tip;
    }
    *out_tip = tips[count / 2];
out:
    return err;
}

enum ks_err ks_node_fees(struct ks_node *node, struct ks_fees *out_fees)
{
    enum ks_err err = KS_OK;
    struct query query;
    const struct ks_json *bases = NULL;
    const struct ks_json *rewards = NULL;
    struct ks_fees fees = {0};

    begin(&query);
    ks_rpc_put_quantity(&query.writer, FEE_BLOCKS);
    ks_json_put_text(&query.writer, "latest");
    ks_json_put_array(&query.writer);
    ks_json_put_u64(&query.writer, 50); /* percentile of each block's tips */
    ks_json_put_end(&query.writer);
    KS_TRY(ask(node, &query, "eth_feeHistory"));
    KS_TRY(ks_json_get(query.result, "baseFeePerGas", KS_JSON_ARRAY, &bases));
    KS_TRY(ks_json_get(query.result, "reward", KS_JSON_ARRAY, &rewards));
    KS_CHECK(ks_json_count(bases) >= 1, KS_ERR_IO, "the node knows no base fee");
    KS_TRY(ks_rpc_quantity(ks_json_at(bases, ks_json_count(bases) - 1), "base fee", AMOUNT_MAX,
                           &fees.base_wei));
    KS_TRY(median_tip(rewards, &fees.tip_wei));
    *out_fees = fees;
out:
    done(&query);
    return err == KS_ERR_FORMAT ? ks_fail_prefix(KS_ERR_IO, "the node's fees") : err;
}

enum ks_err ks_node_estimate(struct ks_node *node, const struct ks_tx *tx, uint64_t *out_gas)
{
    enum ks_err err = KS_OK;
    struct query query;

    begin(&query);
    ks_json_put_object(&query.writer);
    ks_json_put_key(&query.writer, "data");
    ks_rpc_put_bytes(&query.writer, ks_bytes_of(tx->data, tx->data_len));
    ks_json_put_key(&query.writer, "from");
    ks_rpc_put_bytes(&query.writer, KS_BYTES(tx->from));
    if (!tx->creates) {
        ks_json_put_key(&query.writer, "to");
        ks_rpc_put_bytes(&query.writer, KS_BYTES(tx->to));
    }
    ks_json_put_end(&query.writer);
    KS_TRY(ask(node, &query, "eth_estimateGas"));
    KS_TRY(ks_rpc_quantity(query.result, "estimate of gas", GAS_MAX, out_gas));
out:
    done(&query);
    return err;
}

enum ks_err ks_node_code_hash(struct ks_node *node, const uint8_t address[KS_ADDRESS_LEN],
                              uint8_t out_hash[KS_KECCAK256_LEN])
{
    enum ks_err err = KS_OK;
    struct query query;
    struct ks_buf code;

    ks_buf_init(&code, CODE_MAX);
    begin(&query);
    ks_rpc_put_bytes(&query.writer, ks_bytes_of(address, KS_ADDRESS_LEN));
    ks_json_put_text(&query.writer, "latest");
    KS_TRY(ask(node, &query, "eth_getCode"));
    KS_TRY(ks_rpc_bytes(query.result, "code", &code));
    KS_CHECK(code.len > 0, KS_ERR_NOT_FOUND, "there is no contract at this address");
    ks_keccak256(ks_buf_view(&code), out_hash);
out:
    done(&query);
    ks_buf_done(&code);
    return err;
}

enum ks_err ks_node_anchored(struct ks_node *node, const uint8_t contract[KS_ADDRESS_LEN],
                             const uint8_t submitter[KS_ADDRESS_LEN], uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct query query;
    uint8_t call[KS_CALL_LEN];

    ks_call_anchors(submitter, call);
    begin(&query);
    ks_json_put_object(&query.writer);
    ks_json_put_key(&query.writer, "data");
    ks_rpc_put_bytes(&query.writer, KS_BYTES(call));
    ks_json_put_key(&query.writer, "to");
    ks_rpc_put_bytes(&query.writer, ks_bytes_of(contract, KS_ADDRESS_LEN));
    ks_json_put_end(&query.writer);
    ks_json_put_text(&query.writer, "latest");
    KS_TRY(ask(node, &query, "eth_call"));
    KS_TRY(ks_rpc_fixed(query.result, "anchored digest", out_digest, 32));
out:
    done(&query);
    return err;
}

/* --- transactions ------------------------------------------------------------------------- */

enum ks_err ks_node_send(struct ks_node *node, struct ks_bytes encoded)
{
    enum ks_err err = KS_OK;
    struct query query;
    uint8_t hash[KS_KECCAK256_LEN];
    uint8_t want[KS_KECCAK256_LEN];

    begin(&query);
    ks_rpc_put_bytes(&query.writer, encoded);
    KS_TRY(ask(node, &query, "eth_sendRawTransaction"));
    KS_TRY(ks_rpc_fixed(query.result, "transaction hash", hash, sizeof hash));
    ks_keccak256(encoded, want);
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash), KS_BYTES(want)), KS_ERR_IO,
             "the node has taken another transaction");
out:
    done(&query);
    return err;
}

enum ks_err ks_node_knows(struct ks_node *node, const uint8_t hash[KS_KECCAK256_LEN],
                          bool *out_known)
{
    enum ks_err err = KS_OK;
    struct query query;

    begin(&query);
    ks_rpc_put_bytes(&query.writer, ks_bytes_of(hash, KS_KECCAK256_LEN));
    KS_TRY(ask(node, &query, "eth_getTransactionByHash"));
    *out_known = ks_json_type(query.result) != KS_JSON_NULL;
out:
    done(&query);
    return err;
}

static enum ks_err read_receipt(const struct ks_json *result,
                                const uint8_t hash[KS_KECCAK256_LEN],
                                struct ks_receipt *out_receipt)
{
    enum ks_err err = KS_OK;
    struct ks_receipt receipt = {0};
    uint8_t got[KS_KECCAK256_LEN];
    uint64_t status = 0;

    KS_TRY(ks_rpc_fixed(ks_json_find(result, "transactionHash"), "receipt's transaction", got,
                        sizeof got));
    KS_CHECK(ks_bytes_equal(KS_BYTES(got), ks_bytes_of(hash, sizeof got)), KS_ERR_IO,
             "the node's receipt is of another transaction");
    KS_TRY(ks_rpc_quantity(ks_json_find(result, "status"), "receipt's status", 1, &status));
    KS_TRY(ks_rpc_quantity(ks_json_find(result, "blockNumber"), "receipt's block", AMOUNT_MAX,
                           &receipt.block_number));
    KS_TRY(ks_rpc_fixed(ks_json_find(result, "blockHash"), "receipt's block hash",
                        receipt.block_hash, sizeof receipt.block_hash));
    KS_TRY(ks_rpc_quantity(ks_json_find(result, "gasUsed"), "receipt's gas", GAS_MAX,
                           &receipt.gas_used));
    KS_TRY(ks_rpc_quantity(ks_json_find(result, "effectiveGasPrice"), "receipt's price",
                           AMOUNT_MAX, &receipt.price_wei));
    receipt.succeeded = status == 1;
    *out_receipt = receipt;
out:
    return err;
}

enum ks_err ks_node_receipt(struct ks_node *node, const uint8_t hash[KS_KECCAK256_LEN],
                            bool *out_found, struct ks_receipt *out_receipt)
{
    enum ks_err err = KS_OK;
    struct query query;
    bool found = false;

    begin(&query);
    ks_rpc_put_bytes(&query.writer, ks_bytes_of(hash, KS_KECCAK256_LEN));
    KS_TRY(ask(node, &query, "eth_getTransactionReceipt"));
    found = ks_json_type(query.result) != KS_JSON_NULL;
    if (found) {
        KS_TRY(read_receipt(query.result, hash, out_receipt));
    }
    *out_found = found;
out:
    done(&query);
    return err;
}

/* --- headers ------------------------------------------------------------------------------ */

/* Members of a block by the order of the header's fields. From baseFeePerGas on they come with
 * forks: the first that is absent is the end. */
static const struct {
    const char *name;
    size_t len; /* bytes; 0: an integer; SIZE_MAX: any */
} members[] = {
    {"parentHash", 32},
    {"sha3Uncles", 32},
    {"miner", 20},
    {"stateRoot", 32},
    {"transactionsRoot", 32},
    {"receiptsRoot", 32},
    {"logsBloom", 256},
    {"difficulty", 0},
    {"number", 0},
    {"gasLimit", 0},
    {"gasUsed", 0},
    {"timestamp", 0},
    {"extraData", SIZE_MAX},
    {"mixHash", 32},
    {"nonce", 8},
    {"baseFeePerGas", 0},
    {"withdrawalsRoot", 32},
    {"blobGasUsed", 0},
    {"excessBlobGas", 0},
    {"parentBeaconBlockRoot", 32},
    {"requestsHash", 32},
};
#define MEMBERS (sizeof members / sizeof members[0])

static enum ks_err put_member(const struct ks_json *value, size_t index, struct ks_buf *items)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    uint64_t number = 0;

    ks_buf_init(&bytes, KS_HEADER_LEN_MAX);
    if (members[index].len == 0) {
        KS_TRY(ks_rpc_quantity(value, members[index].name, UINT64_MAX, &number));
        ks_rlp_put_u64(items, number);
    } else {
        KS_TRY(ks_rpc_bytes(value, members[index].name, &bytes));
        KS_CHECK(members[index].len == SIZE_MAX || bytes.len == members[index].len, KS_ERR_IO,
                 "the node's %s: %zu bytes", members[index].name, bytes.len);
        ks_rlp_put_string(items, ks_buf_view(&bytes));
    }
out:
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err build_header(const struct ks_json *block, struct ks_buf *out_rlp)
{
    enum ks_err err = KS_OK;
    struct ks_buf items;

    ks_buf_init(&items, KS_HEADER_LEN_MAX);
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct ks_json *value = ks_json_find(block, members[i].name);

        if (i >= KS_HEADER_FIELDS_MIN &&
            (value == NULL || ks_json_type(value) == KS_JSON_NULL)) {
            break;
        }
        KS_TRY(put_member(value, i, &items));
    }
    ks_rlp_put_list(out_rlp, ks_buf_view(&items));
    KS_TRY(ks_buf_check(&items));
    KS_TRY(ks_buf_check(out_rlp));
out:
    ks_buf_done(&items);
    return err;
}

enum ks_err ks_node_header(struct ks_node *node, const char *at, struct ks_buf *out_rlp,
                           struct ks_header *out_header)
{
    enum ks_err err = KS_OK;
    struct query query;
    struct ks_buf rlp;
    struct ks_header header;
    uint8_t hash[KS_KECCAK256_LEN];

    ks_buf_init(&rlp, KS_HEADER_LEN_MAX);
    begin(&query);
    ks_json_put_text(&query.writer, at);
    ks_json_put_bool(&query.writer, false); /* no transactions but their hashes */
    KS_TRY(ask(node, &query, "eth_getBlockByNumber"));
    KS_CHECK(ks_json_type(query.result) == KS_JSON_OBJECT, KS_ERR_NOT_FOUND,
             "the node has no block %s", at);
    KS_TRY(ks_rpc_fixed(ks_json_find(query.result, "hash"), "block hash", hash, sizeof hash));
    KS_TRY(build_header(query.result, &rlp));
    KS_TRY(ks_header_parse(ks_buf_view(&rlp), &header));
    KS_CHECK(ks_bytes_equal(KS_BYTES(header.hash), KS_BYTES(hash)), KS_ERR_VERIFY,
             "block %llu: the node's fields do not hash to its hash",
             (unsigned long long)header.number);
    ks_buf_put(out_rlp, ks_buf_view(&rlp));
    KS_TRY(ks_buf_check(out_rlp));
    *out_header = header;
out:
    done(&query);
    ks_buf_done(&rlp);
    return err;
}

enum ks_err ks_node_header_of(struct ks_node *node, uint64_t number, struct ks_buf *out_rlp,
                              struct ks_header *out_header)
{
    enum ks_err err = KS_OK;
    char text[QUANTITY_TEXT];
    struct ks_header header;

    (void)snprintf(text, sizeof text, "0x%llx", (unsigned long long)number);
    KS_TRY(ks_node_header(node, text, out_rlp, &header));
    KS_CHECK(header.number == number, KS_ERR_IO, "the node gives block %llu for %llu",
             (unsigned long long)header.number, (unsigned long long)number);
    *out_header = header;
out:
    return err;
}

/* --- proofs ------------------------------------------------------------------------------- */

/* Of the views only lengths until all bytes are there. */
static enum ks_err read_nodes(const struct ks_json *list, const char *what,
                              struct ks_buf *bytes, struct ks_mpt_proof *proof)
{
    enum ks_err err = KS_OK;

    KS_CHECK(list != NULL && ks_json_type(list) == KS_JSON_ARRAY, KS_ERR_IO,
             "the node's %s: missing", what);
    proof->count = ks_json_count(list);
    KS_CHECK(proof->count <= KS_MPT_NODES_MAX, KS_ERR_LIMIT, "the node's %s: over %d nodes",
             what, KS_MPT_NODES_MAX);
    for (size_t i = 0; i < proof->count; i++) {
        size_t before = bytes->len;

        KS_TRY(ks_rpc_bytes(ks_json_at(list, i), what, bytes));
        proof->nodes[i].len = bytes->len - before;
    }
out:
    return err;
}

enum ks_err ks_node_proof(struct ks_node *node, const uint8_t contract[KS_ADDRESS_LEN],
                          const uint8_t slot[32], uint64_t number, struct ks_buf *bytes,
                          struct ks_mpt_proof *out_account, struct ks_mpt_proof *out_storage)
{
    enum ks_err err = KS_OK;
    struct query query;
    const struct ks_json *slots = NULL;

    begin(&query);
    ks_rpc_put_bytes(&query.writer, ks_bytes_of(contract, KS_ADDRESS_LEN));
    ks_json_put_array(&query.writer);
    ks_rpc_put_bytes(&query.writer, ks_bytes_of(slot, 32));
    ks_json_put_end(&query.writer);
    ks_rpc_put_quantity(&query.writer, number);
    KS_TRY(ask(node, &query, "eth_getProof"));
    KS_TRY(read_nodes(ks_json_find(query.result, "accountProof"), "account proof", bytes,
                      out_account));
    slots = ks_json_find(query.result, "storageProof");
    KS_CHECK(slots != NULL && ks_json_count(slots) == 1, KS_ERR_IO,
             "the node's storage proof: not of one slot");
    KS_TRY(read_nodes(ks_json_find(ks_json_at(slots, 0), "proof"), "storage proof", bytes,
                      out_storage));
    (void)ks_mpt_place(out_storage, ks_mpt_place(out_account, bytes->data));
out:
    done(&query);
    return err;
}
