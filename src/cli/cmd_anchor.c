/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* anchor keygen, pin, deploy, prepare, sign, send, prove, check: a checkpoint's digest to an
 * EVM chain and back as evidence. Only `sign` touches a key, and needs no network; `check`
 * needs neither. */

#include <stdio.h>
#include <string.h>

#include "anchor/contract.h"
#include "anchor/signer.h"
#include "anchor/steps.h"
#include "base/sys.h"
#include "base/text.h"
#include "chain/address.h"
#include "cli/device.h"
#include "client/operator.h"
#include "ledger/checkpoint.h"

#define CONFIRMATIONS_MAX 100000
#define WAIT_S_MAX        86400
#define TIMEOUT_S_MAX     3600
#define GAS_MAX           30000000
#define SIGNER_MS         120000 /* a person may have to press a button */
#define BLOCK_TEXT_MAX    (20 + 1 + 2 + 2 * KS_KECCAK256_LEN)
#define RESULT_MAX        4096

/* --- what several need -------------------------------------------------------------------- */

static enum ks_err read_address(const struct ks_cli *cli, const char *name,
                                uint8_t out_address[KS_ADDRESS_LEN])
{
    const char *text = ks_cli_text(cli, name);

    if (ks_address_parse(ks_bytes_text(text), out_address) != KS_OK) {
        return ks_fail_prefix(KS_ERR_USAGE, "--%s", name);
    }
    return KS_OK;
}

static enum ks_err open_node(const struct ks_cli *cli, uint64_t chain_id,
                             struct ks_node **out_node)
{
    enum ks_err err = KS_OK;
    const char *url = ks_cli_text(cli, "rpc");
    const char *file = ks_cli_text(cli, "rpc-file");
    struct ks_buf text;
    struct ks_rpc_spec spec = {.ca_file = ks_cli_text(cli, "rpc-ca")};
    uint64_t timeout_s = 0;

    ks_buf_init(&text, 4096);
    KS_TRY(ks_cli_number(cli, "rpc-timeout", TIMEOUT_S_MAX, &timeout_s));
    KS_CHECK(timeout_s > 0, KS_ERR_USAGE, "--rpc-timeout: at least 1");
    spec.timeout_ms = (unsigned)(timeout_s * 1000);
    KS_CHECK((url == NULL) != (file == NULL), KS_ERR_USAGE,
             "expected --rpc or --rpc-file, one of them");
    if (file != NULL) { /* one line */
        KS_TRY(ks_file_read(file, text.max - 1, &text));
        if (text.len > 0 && text.data[text.len - 1] == '\n') {
            text.len--;
        }
        ks_buf_put_u8(&text, 0);
        KS_TRY(ks_buf_check(&text));
        url = (const char *)text.data;
        KS_CHECK(strlen(url) == text.len - 1, KS_ERR_FORMAT, "%s: not one line", file);
    }
    spec.url = url;
    KS_TRY(ks_node_open(&spec, chain_id, out_node));
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err load_pin(const struct ks_cli *cli, struct ks_anchor_pin *out_pin)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "pin");
    struct ks_buf text;

    ks_buf_init(&text, KS_ANCHOR_PIN_LEN_MAX);
    KS_TRY(ks_file_read(path, KS_ANCHOR_PIN_LEN_MAX, &text));
    KS_TRY(ks_fail_prefix(ks_anchor_pin_parse(ks_buf_view(&text), out_pin), "%s", path));
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err load_tx(const char *path, struct ks_tx *out_tx)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, KS_TX_LEN_MAX);
    KS_TRY(ks_file_read(path, KS_TX_LEN_MAX, &text));
    KS_TRY(ks_fail_prefix(ks_tx_parse(ks_buf_view(&text), out_tx), "%s", path));
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err output_tx(const struct ks_cli *cli, const char *input,
                             const struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, KS_TX_LEN_MAX);
    ks_tx_write(tx, &text);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), input, ks_buf_view(&text)));
out:
    ks_buf_done(&text);
    return err;
}

/* The digest of a checkpoint's body. Its signatures count where a site is given. */
static enum ks_err digest_of(const struct ks_cli *cli, struct ks_bytes note, const char *name,
                             bool with_site, uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    const char *path = with_site ? ks_cli_text(cli, "site") : NULL;
    struct ks_note parsed = {0};
    struct ks_checkpoint checkpoint;
    struct ks_checkpoint_opened opened;
    struct ks_buf document;
    struct ks_site *site = ks_calloc(1, sizeof *site);

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_note_parse(note, &parsed));
    KS_TRY(ks_checkpoint_parse(parsed.text, &checkpoint));
    if (path != NULL) {
        KS_TRY(ks_file_read(path, KS_SITE_BYTES_MAX, &document));
        KS_TRY(ks_site_read(ks_buf_view(&document), site));
        KS_TRY(ks_site_checkpoint_open(site, note, &opened));
    }
    ks_sha256(parsed.text, out_digest);
    ks_cli_progress(cli, "checkpoint of '%.*s', size %llu", (int)checkpoint.origin.len,
                    (const char *)checkpoint.origin.data, (unsigned long long)checkpoint.size);
out:
    ks_note_done(&parsed);
    ks_buf_done(&document);
    ks_free(site);
    return ks_fail_prefix(err, "%s", name);
}

static enum ks_err digest_of_file(const struct ks_cli *cli, const char *path, bool with_site,
                                  uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_buf note;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    KS_TRY(ks_file_read(path, KS_NOTE_LEN_MAX, &note));
    KS_TRY(digest_of(cli, ks_buf_view(&note), path, with_site, out_digest));
out:
    ks_buf_done(&note);
    return err;
}

static void member_address(struct ks_json_writer *writer, const char *name,
                           const uint8_t address[KS_ADDRESS_LEN])
{
    char text[KS_ADDRESS_TEXT_LEN + 1];

    ks_address_text(address, text);
    ks_json_member_text(writer, name, text);
}

/* --- keygen and pin ----------------------------------------------------------------------- */

enum ks_err ks_command_anchor_keygen(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "out");
    uint8_t address[KS_ADDRESS_LEN];
    char text[KS_ADDRESS_TEXT_LEN + 1];
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, RESULT_MAX);
    KS_CHECK(strcmp(path, "-") != 0, KS_ERR_USAGE,
             "--out: a key is a secret: name a file, it gets mode 0600");
    KS_TRY(ks_signer_keygen(path, address));
    ks_address_text(address, text);
    if (cli->json) {
        ks_json_put_object(&writer);
        member_address(&writer, "address", address);
        ks_json_member_text(&writer, "schema", "ketseal.anchor-key/1");
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_cli_print("%s\n", text);
    }
out:
    ks_buf_done(&out);
    return err;
}

/* "NUMBER:0xHASH". */
static enum ks_err read_block(const char *text, struct ks_anchor_block *out_block)
{
    enum ks_err err = KS_OK;
    const char *colon = strchr(text, ':');
    size_t len = strlen(text);
    size_t digits = colon == NULL ? len : (size_t)(colon - text);

    KS_CHECK(colon != NULL && strncmp(colon, ":0x", 3) == 0, KS_ERR_USAGE,
             "'%s' is not NUMBER:0xHASH", text);
    KS_TRY(ks_text_u64(ks_bytes_of(text, digits), KS_JSON_INTEGER_MAX, &out_block->number));
    KS_TRY(ks_hex_decode(ks_bytes_text(colon + 3), out_block->hash, sizeof out_block->hash));
out:
    return err == KS_OK ? KS_OK : ks_fail_prefix(KS_ERR_USAGE, "--block");
}

static enum ks_err read_code_hash(const struct ks_cli *cli, uint8_t out_hash[KS_KECCAK256_LEN])
{
    const char *text = ks_cli_text(cli, "code-hash");

    if (text == NULL) {
        return ks_hex_decode(ks_bytes_text(ks_contract_code_hash), out_hash, KS_KECCAK256_LEN);
    }
    if (strncmp(text, "0x", 2) != 0 ||
        ks_hex_decode(ks_bytes_text(text + 2), out_hash, KS_KECCAK256_LEN) != KS_OK) {
        return ks_fail(KS_ERR_USAGE, "--code-hash: '%s' is not 0x and 64 digits", text);
    }
    return KS_OK;
}

enum ks_err ks_command_anchor_pin(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *const *blocks = NULL;
    struct ks_anchor_block named[KS_CLI_VALUES_MAX];
    struct ks_anchor_pin pin = {.blocks = named,
                                .block_count = ks_cli_many(cli, "block", &blocks)};
    struct ks_buf out;

    ks_buf_init(&out, KS_ANCHOR_PIN_LEN_MAX);
    KS_TRY(ks_cli_number(cli, "chain", KS_JSON_INTEGER_MAX, &pin.chain_id));
    KS_CHECK(pin.chain_id > 0, KS_ERR_USAGE, "--chain: 0 is none");
    KS_TRY(read_address(cli, "contract", pin.contract));
    KS_TRY(read_address(cli, "from", pin.submitter));
    KS_TRY(read_code_hash(cli, pin.code_hash));
    for (size_t i = 0; i < pin.block_count; i++) {
        KS_TRY(read_block(blocks[i], &named[i]));
        KS_CHECK(i == 0 || named[i - 1].number < named[i].number, KS_ERR_USAGE,
                 "--block: not in ascending order");
    }
    ks_anchor_pin_write(&pin, &out);
    KS_TRY(ks_buf_check(&out));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), NULL, ks_buf_view(&out)));
out:
    ks_buf_done(&out);
    return err;
}

/* --- deploy and prepare ------------------------------------------------------------------- */

static enum ks_err prepare(const struct ks_cli *cli, struct ks_prepare_spec *spec)
{
    enum ks_err err = KS_OK;
    const char *old = ks_cli_text(cli, "replace");
    struct ks_node *node = NULL;
    struct ks_tx *replaces = ks_calloc(1, sizeof *replaces);
    struct ks_tx *tx = ks_calloc(1, sizeof *tx);

    KS_CHECK(tx != NULL && replaces != NULL, KS_ERR_NOMEM, "no memory for a transaction");
    KS_TRY(ks_cli_number(cli, "fee-max", KS_JSON_INTEGER_MAX / 4, &spec->fee_max_wei));
    KS_TRY(ks_cli_number(cli, "tip-max", KS_JSON_INTEGER_MAX / 4, &spec->tip_max_wei));
    KS_TRY(ks_cli_number(cli, "gas", GAS_MAX, &spec->gas));
    if (old != NULL) {
        KS_TRY(load_tx(old, replaces));
        spec->replaces = replaces;
    }
    KS_TRY(open_node(cli, spec->chain_id, &node));
    KS_TRY(ks_step_prepare(node, spec, tx));
    KS_TRY(output_tx(cli, old, tx));
out:
    ks_node_close(node);
    ks_free(replaces);
    ks_free(tx);
    return err;
}

enum ks_err ks_command_anchor_deploy(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_prepare_spec spec = {.creates = true};

    KS_TRY(ks_cli_number(cli, "chain", KS_JSON_INTEGER_MAX, &spec.chain_id));
    KS_TRY(read_address(cli, "from", spec.from));
    KS_TRY(prepare(cli, &spec));
out:
    return err;
}

/* The note that is named, or the site's newest. */
static enum ks_err find_digest(const struct ks_cli *cli, uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_checkpoint_opened opened;
    struct ks_buf note;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    if (cli->operand_count > 0) {
        KS_TRY(digest_of_file(cli, cli->operands[0], true, out_digest));
    } else {
        KS_TRY(ks_cli_site(cli, site));
        KS_TRY(ks_cli_client(cli, &client));
        KS_TRY(ks_client_get(client, "/v1/ledger/checkpoint", &note));
        KS_TRY(ks_fail_prefix(ks_site_checkpoint_open(site, ks_buf_view(&note), &opened),
                              "the site's checkpoint"));
        KS_TRY(digest_of(cli, ks_buf_view(&note), "the site's checkpoint", false, out_digest));
        if (ks_cli_text(cli, "checkpoint-out") != NULL) {
            KS_TRY(ks_cli_output(ks_cli_text(cli, "checkpoint-out"), NULL, ks_buf_view(&note)));
        }
    }
out:
    ks_client_close(client);
    ks_free(site);
    ks_buf_done(&note);
    return err;
}

enum ks_err ks_command_anchor_prepare(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_anchor_pin pin = {0};
    struct ks_prepare_spec spec = {0};

    KS_TRY(load_pin(cli, &pin));
    spec.chain_id = pin.chain_id;
    ks_copy(spec.from, pin.submitter, sizeof spec.from);
    ks_copy(spec.contract, pin.contract, sizeof spec.contract);
    ks_copy(spec.code_hash, pin.code_hash, sizeof spec.code_hash);
    KS_CHECK(cli->operand_count > 0 || ks_cli_text(cli, "checkpoint-out") != NULL, KS_ERR_USAGE,
             "--checkpoint-out: missing: the site's checkpoint has to be kept to prove it");
    KS_TRY(find_digest(cli, spec.digest));
    KS_TRY(prepare(cli, &spec));
out:
    ks_anchor_pin_done(&pin);
    return err;
}

/* --- sign --------------------------------------------------------------------------------- */

/* What a signature will do, for who gives it. */
static void show_tx(const struct ks_cli *cli, const struct ks_tx *tx)
{
    uint8_t digest[32];
    char hex[2 * sizeof digest + 1] = "";
    char from[KS_ADDRESS_TEXT_LEN + 1];
    char to[KS_ADDRESS_TEXT_LEN + 1];
    /* The product of two numbers of 53 bits; a double is near enough for people. */
    double cost = (double)tx->gas * (double)tx->fee_max_wei / 1e18;

    ks_address_text(tx->from, from);
    ks_address_text(tx->to, to);
    ks_cli_progress(cli, "chain %llu, account %s, nonce %llu", (unsigned long long)tx->chain_id,
                    from, (unsigned long long)tx->nonce);
    if (tx->creates) {
        ks_cli_progress(cli, "creates a contract by %zu bytes of code", tx->data_len);
    } else if (ks_tx_digest(tx, digest) == KS_OK) {
        ks_hex_encode(KS_BYTES(digest), hex);
        ks_cli_progress(cli, "anchors %s at %s", hex, to);
    }
    ks_cli_progress(cli, "costs at most %.9f of the chain's coin", cost);
}

/* This program signs what it prepares and nothing else. */
static enum ks_err check_purpose(const struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    uint8_t digest[32];
    char hex[2 * KS_TX_DATA_MAX + 1];

    if (tx->creates) {
        ks_hex_encode(ks_bytes_of(tx->data, tx->data_len), hex);
        KS_CHECK(strcmp(hex, ks_contract_creation_code) == 0, KS_ERR_DENIED,
                 "the transaction creates another contract than the anchoring one");
    } else {
        KS_CHECK(ks_tx_digest(tx, digest) == KS_OK, KS_ERR_DENIED,
                 "the transaction calls something else than anchor(bytes32)");
    }
out:
    return err;
}

enum ks_err ks_command_anchor_sign(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *key = ks_cli_text(cli, "key");
    const char *signer = ks_cli_text(cli, "signer");
    struct ks_tx *tx = ks_calloc(1, sizeof *tx);

    KS_CHECK(tx != NULL, KS_ERR_NOMEM, "no memory for a transaction");
    KS_CHECK((key == NULL) != (signer == NULL), KS_ERR_USAGE,
             "expected --key or --signer, one of them");
    KS_TRY(load_tx(cli->operands[0], tx));
    KS_TRY(ks_fail_prefix(check_purpose(tx), "%s", cli->operands[0]));
    show_tx(cli, tx);
    KS_TRY(key != NULL ? ks_signer_sign_file(key, tx)
                       : ks_signer_sign_command(signer, SIGNER_MS, tx));
    KS_TRY(output_tx(cli, cli->operands[0], tx));
out:
    ks_free(tx);
    return err;
}

/* --- send --------------------------------------------------------------------------------- */

static void put_sent(const struct ks_tx *tx, const struct ks_sent *sent,
                     struct ks_json_writer *writer)
{
    uint8_t contract[KS_ADDRESS_LEN];

    ks_json_put_object(writer);
    if (sent->included) {
        ks_json_member_u64(writer, "block", sent->receipt.block_number);
        ks_json_member_hex(writer, "block_hash", KS_BYTES(sent->receipt.block_hash));
    }
    if (tx->creates) {
        ks_address_created(tx->from, tx->nonce, contract);
        member_address(writer, "contract", contract);
    }
    if (sent->included) {
        ks_json_member_u64(writer, "gas", sent->receipt.gas_used);
    }
    ks_json_member_hex(writer, "hash", KS_BYTES(sent->hash));
    ks_json_member_bool(writer, "included", sent->included);
    if (sent->included) {
        ks_json_member_u64(writer, "price_wei", sent->receipt.price_wei);
    }
    ks_json_member_text(writer, "schema", "ketseal.anchor-sent/1");
    ks_json_put_end(writer);
}

static void print_sent(const struct ks_tx *tx, const struct ks_sent *sent)
{
    char hash[2 * KS_KECCAK256_LEN + 1];
    uint8_t contract[KS_ADDRESS_LEN];
    char text[KS_ADDRESS_TEXT_LEN + 1];

    ks_hex_encode(KS_BYTES(sent->hash), hash);
    if (sent->included) {
        ks_cli_print("transaction 0x%s: in block %llu, %llu gas at %llu wei\n", hash,
                     (unsigned long long)sent->receipt.block_number,
                     (unsigned long long)sent->receipt.gas_used,
                     (unsigned long long)sent->receipt.price_wei);
    } else {
        ks_cli_print("transaction 0x%s: with the node\n", hash);
    }
    if (tx->creates) {
        ks_address_created(tx->from, tx->nonce, contract);
        ks_address_text(contract, text);
        ks_cli_print("contract %s\n", text);
    }
}

enum ks_err ks_command_anchor_send(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_tx *tx = ks_calloc(1, sizeof *tx);
    struct ks_node *node = NULL;
    struct ks_send_spec spec = {0};
    struct ks_sent sent;
    uint64_t wait_s = 0;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, RESULT_MAX);
    KS_CHECK(tx != NULL, KS_ERR_NOMEM, "no memory for a transaction");
    KS_TRY(ks_cli_number(cli, "wait", WAIT_S_MAX, &wait_s));
    KS_TRY(ks_cli_number(cli, "confirmations", CONFIRMATIONS_MAX, &spec.confirmations));
    spec.wait_ms = (unsigned)(wait_s * 1000);
    KS_TRY(load_tx(cli->operands[0], tx));
    KS_TRY(open_node(cli, tx->chain_id, &node));
    KS_TRY(ks_step_send(node, tx, &spec, &sent));
    if (cli->json) {
        put_sent(tx, &sent, &writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        print_sent(tx, &sent);
    }
out:
    ks_node_close(node);
    ks_free(tx);
    ks_buf_done(&out);
    return err;
}

/* --- prove and check ---------------------------------------------------------------------- */

/* A name, or a number in decimal, as nodes take it. */
static enum ks_err read_block_name(const struct ks_cli *cli, char target[BLOCK_TEXT_MAX])
{
    static const char *const names[] = {"finalized", "safe", "latest"};
    const char *text = ks_cli_text(cli, "block");
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            (void)snprintf(target, BLOCK_TEXT_MAX, "%s", text);
            return KS_OK;
        }
    }
    if (ks_text_u64(ks_bytes_text(text), KS_JSON_INTEGER_MAX, &number) != KS_OK) {
        return ks_fail(KS_ERR_USAGE,
                       "--block: '%s' is neither finalized, safe, latest nor a number", text);
    }
    (void)snprintf(target, BLOCK_TEXT_MAX, "0x%llx", (unsigned long long)number);
    return KS_OK;
}

enum ks_err ks_command_anchor_prove(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_anchor_pin pin = {0};
    struct ks_prove_spec spec = {.pin = &pin};
    struct ks_node *node = NULL;
    char block[BLOCK_TEXT_MAX];
    struct ks_buf document;

    ks_buf_init(&document, KS_ANCHOR_LEN_MAX);
    KS_TRY(ks_cli_number(cli, "confirmations", CONFIRMATIONS_MAX, &spec.confirmations));
    if (spec.confirmations == 0) {
        KS_TRY(read_block_name(cli, block));
        spec.block = block;
    }
    KS_TRY(load_pin(cli, &pin));
    KS_TRY(digest_of_file(cli, cli->operands[0], false, spec.digest));
    KS_TRY(open_node(cli, pin.chain_id, &node));
    KS_TRY(ks_step_prove(node, &spec, &document));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), cli->operands[0], ks_buf_view(&document)));
out:
    ks_anchor_pin_done(&pin);
    ks_node_close(node);
    ks_buf_done(&document);
    return err;
}

/* One of the two checks, for a result. */
struct outcome {
    const char *state; /* pass, fail, not-run */
    char reason[KS_ERR_DETAIL_MAX];
};

/* Trouble is no verdict: anything but KS_OK and KS_ERR_VERIFY is the command's failure. */
static enum ks_err settle(enum ks_err err, bool decided, const char *good,
                          struct outcome *outcome)
{
    if (err != KS_OK && err != KS_ERR_VERIFY) {
        return err;
    }
    outcome->state = !decided ? "not-run" : err == KS_OK ? "pass" : "fail";
    (void)snprintf(outcome->reason, sizeof outcome->reason, "%s",
                   err == KS_OK ? good : ks_err_detail());
    return KS_OK;
}

static enum ks_err print_check(const struct ks_cli *cli, const struct ks_anchor *anchor,
                               const struct outcome *proof, const struct outcome *canonical)
{
    enum ks_err err = KS_OK;
    char time[KS_TIME_TEXT_LEN + 1];
    char hash[2 * KS_KECCAK256_LEN + 1];
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, RESULT_MAX);
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "anchor.canonical", canonical->state);
        ks_json_member_text(&writer, "anchor.proof", proof->state);
        ks_json_member_hex(&writer, "block_hash", KS_BYTES(anchor->block_hash));
        ks_json_member_u64(&writer, "block_number", anchor->block_number);
        ks_json_member_u64(&writer, "block_time", anchor->block_time_s);
        ks_json_member_u64(&writer, "chain_id", anchor->chain_id);
        ks_json_member_hex(&writer, "digest", KS_BYTES(anchor->digest));
        ks_json_member_text(&writer, "schema", "ketseal.anchor-check/1");
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_time_text(anchor->block_time_s * 1000000, time);
        ks_hex_encode(KS_BYTES(anchor->block_hash), hash);
        ks_cli_print("anchor.proof      %-8s %s\n", proof->state, proof->reason);
        ks_cli_print("anchor.canonical  %-8s %s\n", canonical->state, canonical->reason);
        ks_cli_print("block %llu of chain %llu, %s, 0x%s\n",
                     (unsigned long long)anchor->block_number,
                     (unsigned long long)anchor->chain_id, time, hash);
    }
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_anchor_check(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *note = ks_cli_text(cli, "checkpoint");
    struct ks_anchor_pin pin = {0};
    struct ks_anchor *anchor = NULL;
    struct outcome proof = {0};
    struct outcome canonical = {0};
    struct ks_buf text;
    uint8_t digest[32];
    bool decided = false;
    enum ks_err checked = KS_OK;

    ks_buf_init(&text, KS_ANCHOR_LEN_MAX);
    KS_TRY(load_pin(cli, &pin));
    KS_TRY(ks_file_read(cli->operands[0], KS_ANCHOR_LEN_MAX, &text));
    KS_TRY(
        ks_fail_prefix(ks_anchor_parse(ks_buf_view(&text), &anchor), "%s", cli->operands[0]));
    KS_TRY(digest_of_file(cli, note, false, digest));
    checked = ks_anchor_check_proof(anchor, &pin, digest);
    KS_TRY(
        settle(checked, true, "the checkpoint's digest stands in this block's state", &proof));
    checked = ks_anchor_check_canonical(anchor, &pin, &decided);
    KS_TRY(
        settle(checked, decided,
               decided ? "the pin names this block" : "the pin names no block of this number",
               &canonical));
    KS_TRY(print_check(cli, anchor, &proof, &canonical));
    if (strcmp(proof.state, "pass") != 0 || strcmp(canonical.state, "fail") == 0 ||
        (ks_cli_switch(cli, "canonical") && !decided)) {
        cli->answered = true;
        err = ks_fail(KS_ERR_VERIFY, "the anchor is not what it should be");
    }
out:
    ks_anchor_pin_done(&pin);
    ks_anchor_free(anchor);
    ks_buf_done(&text);
    return err;
}

/* --- publish ------------------------------------------------------------------------------ */

/* The site asks for no proof, so it is given none that is false. */
static enum ks_err check_published(const struct ks_cli *cli, struct ks_bytes note,
                                   struct ks_bytes evidence)
{
    enum ks_err err = KS_OK;
    struct ks_anchor_pin pin = {0};
    struct ks_anchor *anchor = NULL;
    uint8_t digest[32];

    KS_TRY(load_pin(cli, &pin));
    KS_TRY(digest_of(cli, note, cli->operands[0], false, digest));
    KS_TRY(ks_fail_prefix(ks_anchor_parse(evidence, &anchor), "%s", cli->operands[1]));
    KS_TRY(ks_anchor_check_proof(anchor, &pin, digest));
out:
    ks_anchor_pin_done(&pin);
    ks_anchor_free(anchor);
    return err;
}

enum ks_err ks_command_anchor_publish(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const struct ks_operator_spec spec = {.directory = ks_cli_text(cli, "operator"),
                                          .url = ks_cli_text(cli, "url")};
    struct ks_attachment attachment = {0};
    struct ks_operator *op = NULL;
    struct ks_buf note;
    struct ks_buf evidence;
    struct ks_buf answer;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    ks_buf_init(&evidence, KS_ANCHOR_LEN_MAX);
    ks_buf_init(&answer, RESULT_MAX);
    KS_TRY(ks_file_read(cli->operands[0], KS_NOTE_LEN_MAX, &note));
    KS_TRY(ks_file_read(cli->operands[1], KS_ANCHOR_LEN_MAX, &evidence));
    attachment.checkpoint = ks_buf_view(&note);
    attachment.anchor = ks_buf_view(&evidence);
    KS_TRY(check_published(cli, attachment.checkpoint, attachment.anchor));
    KS_TRY(ks_operator_open(&spec, &op));
    KS_TRY(ks_operator_attach(op, &attachment, &answer));
    if (cli->json) {
        KS_TRY(ks_cli_print_json(&answer));
    } else {
        ks_cli_print("the site serves this anchor with its bundles\n");
    }
out:
    ks_operator_close(op);
    ks_buf_done(&note);
    ks_buf_done(&evidence);
    ks_buf_done(&answer);
    return err;
}
