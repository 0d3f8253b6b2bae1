/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* timestamp request, check, publish: time stamps of RFC 3161 over checkpoints. `bundle
 * complete` attaches them. */

#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/verdict.h"
#include "client/operator.h"
#include "net/web_client.h"
#include "record/policy.h"
#include "record/record.h"

/* The checkpoint in the file PATH, a bundle or a note alone, and SHA-256 of its body. */
static enum ks_err read_checkpoint(const char *path, struct ks_buf *out_note,
                                   uint8_t out_digest[KS_SHA256_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    struct ks_bundle *bundle = NULL;
    struct ks_inclusion inclusion = {0};

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_BUNDLE_BYTES_MAX, &bytes));
    inclusion.checkpoint = ks_buf_view(&bytes);
    if (bytes.len > 0 && bytes.data[0] == '{') {
        KS_TRY(ks_fail_prefix(ks_bundle_parse(ks_buf_view(&bytes), &bundle), "%s", path));
        inclusion.checkpoint = bundle->inclusion.checkpoint;
    }
    KS_TRY(ks_fail_prefix(ks_inclusion_digest(&inclusion, out_digest), "%s", path));
    ks_buf_put(out_note, inclusion.checkpoint);
    KS_TRY(ks_buf_check(out_note));
out:
    ks_bundle_free(bundle);
    ks_buf_done(&bytes);
    return err;
}

/* Asks the authority at URL; appends the token of its answer, which is to REQUEST. Its
 * signature is checked when it is attached: by then a policy says whom to believe. */
static enum ks_err ask(const struct ks_cli *cli, const char *url, struct ks_bytes request,
                       struct ks_buf *out_token)
{
    enum ks_err err = KS_OK;
    const struct ks_web_client_spec spec = {.url = url,
                                            .ca_file = ks_cli_text(cli, "url-ca"),
                                            .content_type = "application/timestamp-query",
                                            .signed_answers = true,
                                            .response_max = KS_TIMESTAMP_RESPONSE_MAX};
    struct ks_web_client *client = NULL;
    struct ks_buf answer;
    int status = 0;

    ks_buf_init(&answer, KS_TIMESTAMP_RESPONSE_MAX);
    KS_TRY(ks_web_client_new(&spec, &client));
    KS_TRY(ks_web_client_post(client, request, &status, &answer));
    KS_CHECK(status == 200, KS_ERR_IO, "%s: HTTP status %d", ks_web_client_host(client),
             status);
    KS_TRY(ks_fail_prefix(ks_timestamp_answer_read(ks_buf_view(&answer), request, out_token),
                          "%s", ks_web_client_host(client)));
out:
    ks_web_client_free(client);
    ks_buf_done(&answer);
    return err;
}

enum ks_err ks_command_timestamp_request(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *url = ks_cli_text(cli, "url");
    struct ks_timestamp_request request = {.policy = ks_cli_text(cli, "policy-oid")};
    struct ks_buf note;
    struct ks_buf der;
    struct ks_buf token;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    ks_buf_init(&der, KS_TIMESTAMP_REQUEST_MAX);
    ks_buf_init(&token, KS_TIMESTAMP_TOKEN_MAX);
    KS_TRY(read_checkpoint(cli->operands[0], &note, request.digest));
    KS_TRY(ks_random(request.nonce, sizeof request.nonce));
    KS_TRY(ks_timestamp_request_write(&request, &der));
    if (url != NULL) {
        KS_TRY(ask(cli, url, ks_buf_view(&der), &token));
    }
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), cli->operands[0],
                         ks_buf_view(url != NULL ? &token : &der)));
    ks_cli_progress(cli, "%s",
                    url != NULL ? "attach it with `ketseal bundle complete`, which verifies it"
                                : "send it to an authority as application/timestamp-query and "
                                  "keep the answer");
out:
    ks_buf_done(&note);
    ks_buf_done(&der);
    ks_buf_done(&token);
    return err;
}

static enum ks_err print_stamp(const struct ks_cli *cli, const struct ks_timestamp *stamp)
{
    enum ks_err err = KS_OK;
    char time[KS_TIME_TEXT_LEN + 1];
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 4096);
    ks_time_text(stamp->time_us, time);
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_u64(&writer, "accuracy_us", stamp->accuracy_us);
        ks_json_member_hex(&writer, "digest", KS_BYTES(stamp->digest));
        ks_json_member_text(&writer, "policy", stamp->policy);
        ks_json_member_text(&writer, "schema", "ketseal.timestamp-check/1");
        ks_json_member_hex(&writer, "serial", ks_bytes_of(stamp->serial, stamp->serial_len));
        ks_json_member_text(&writer, "signer", stamp->signer);
        ks_json_member_text(&writer, "time", time);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_cli_print("stamped at %s by '%s' under policy %s\n", time, stamp->signer,
                     stamp->policy);
    }
out:
    ks_buf_done(&out);
    return err;
}

/* The token of --answer, which is to --request where that is given. */
static enum ks_err read_token(const struct ks_cli *cli, struct ks_buf *out_token)
{
    enum ks_err err = KS_OK;
    const char *request_path = ks_cli_text(cli, "request");
    struct ks_buf answer;
    struct ks_buf request;

    ks_buf_init(&answer, KS_TIMESTAMP_RESPONSE_MAX);
    ks_buf_init(&request, KS_TIMESTAMP_REQUEST_MAX);
    KS_TRY(ks_file_read(ks_cli_text(cli, "answer"), KS_TIMESTAMP_RESPONSE_MAX, &answer));
    if (request_path != NULL) {
        KS_TRY(ks_file_read(request_path, KS_TIMESTAMP_REQUEST_MAX, &request));
    }
    KS_TRY(ks_timestamp_answer_read(ks_buf_view(&answer), ks_buf_view(&request), out_token));
out:
    ks_buf_done(&answer);
    ks_buf_done(&request);
    return err;
}

enum ks_err ks_command_timestamp_check(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "policy");
    struct ks_policy *policy = NULL;
    struct ks_timestamp stamp;
    struct ks_buf note;
    struct ks_buf token;
    uint8_t digest[KS_SHA256_LEN];

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    ks_buf_init(&token, KS_TIMESTAMP_TOKEN_MAX);
    KS_TRY(ks_verdict_policy(path, &policy));
    KS_CHECK(policy->stamps.trust != NULL, KS_ERR_USAGE,
             "%s names no time stamp authorities (ketseal policy make --timestamp-ca)", path);
    KS_TRY(read_checkpoint(cli->operands[0], &note, digest));
    KS_TRY(read_token(cli, &token));
    KS_TRY(ks_timestamp_verify(ks_buf_view(&token), digest, policy->stamps.trust, &stamp));
    KS_TRY(print_stamp(cli, &stamp));
out:
    ks_policy_free(policy);
    ks_buf_done(&note);
    ks_buf_done(&token);
    return err;
}

/* The site keeps it for every record below that checkpoint. It believes no authority; whoever
 * fetches a bundle does, or not. */
enum ks_err ks_command_timestamp_publish(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const struct ks_operator_spec spec = {.directory = ks_cli_text(cli, "operator"),
                                          .url = ks_cli_text(cli, "url")};
    struct ks_operator *op = NULL;
    struct ks_attachment attachment = {0};
    struct ks_timestamp stamp;
    struct ks_buf note;
    struct ks_buf token;
    struct ks_buf answer;
    uint8_t digest[KS_SHA256_LEN];

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    ks_buf_init(&token, KS_TIMESTAMP_TOKEN_MAX);
    ks_buf_init(&answer, KS_ATTACHMENT_BYTES_MAX);
    KS_TRY(read_checkpoint(cli->operands[0], &note, digest));
    KS_TRY(read_token(cli, &token));
    KS_TRY(ks_timestamp_read(ks_buf_view(&token), &stamp));
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), KS_BYTES(stamp.digest)), KS_ERR_VERIFY,
             "the time stamp is of another checkpoint than %s", cli->operands[0]);
    attachment.checkpoint = ks_buf_view(&note);
    attachment.timestamp = ks_buf_view(&token);
    KS_TRY(ks_operator_open(&spec, &op));
    KS_TRY(ks_operator_attach(op, &attachment, &answer));
    if (cli->json) {
        KS_TRY(ks_cli_print_json(&answer));
    } else {
        ks_cli_print("the site has the time stamp: bundles come with it (job fetch --wait "
                     "timestamped)\n");
    }
out:
    ks_operator_close(op);
    ks_buf_done(&note);
    ks_buf_done(&token);
    ks_buf_done(&answer);
    return err;
}
