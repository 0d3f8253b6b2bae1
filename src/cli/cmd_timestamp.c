/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* timestamp request, check: time stamps of RFC 3161 over checkpoints. `bundle complete`
 * attaches them. */

#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/verdict.h"
#include "record/policy.h"
#include "record/record.h"

/* SHA-256 of the body of the checkpoint in the file PATH: a bundle, or a note alone. */
static enum ks_err read_digest(const char *path, uint8_t out_digest[KS_SHA256_LEN])
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
out:
    ks_bundle_free(bundle);
    ks_buf_done(&bytes);
    return err;
}

enum ks_err ks_command_timestamp_request(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_timestamp_request request = {.policy = ks_cli_text(cli, "policy-oid")};
    struct ks_buf der;

    ks_buf_init(&der, KS_TIMESTAMP_REQUEST_MAX);
    KS_TRY(read_digest(cli->operands[0], request.digest));
    KS_TRY(ks_random(request.nonce, sizeof request.nonce));
    KS_TRY(ks_timestamp_request_write(&request, &der));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), cli->operands[0], ks_buf_view(&der)));
    ks_cli_progress(
        cli, "send it to an authority as application/timestamp-query and keep the answer");
out:
    ks_buf_done(&der);
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
    struct ks_buf token;
    uint8_t digest[KS_SHA256_LEN];

    ks_buf_init(&token, KS_TIMESTAMP_TOKEN_MAX);
    KS_TRY(ks_verdict_policy(path, &policy));
    KS_CHECK(policy->stamps.trust != NULL, KS_ERR_USAGE,
             "%s names no time stamp authorities (ketseal policy make --timestamp-ca)", path);
    KS_TRY(read_digest(cli->operands[0], digest));
    KS_TRY(read_token(cli, &token));
    KS_TRY(ks_timestamp_verify(ks_buf_view(&token), digest, policy->stamps.trust, &stamp));
    KS_TRY(print_stamp(cli, &stamp));
out:
    ks_policy_free(policy);
    ks_buf_done(&token);
    return err;
}
