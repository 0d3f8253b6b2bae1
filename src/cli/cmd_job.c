/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* job submit, status, wait, fetch, cancel, list: jobs that outlive the command that asked for
 * them. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/bundle.h"
#include "cli/request.h"
#include "client/jobs.h"
#include "record/record.h"

#define LIST_BYTES_MAX   (4 * 1024 * 1024)
#define LIST_LIMIT_MAX   200
#define WAIT_SECONDS_MAX (7 * 86400)

/* --- the site's documents
 * ---------------------------------------------------------------------------- */

static void print_state(const struct ks_job_status *state)
{
    ks_cli_print("%s %s %s%s%s\n", state->id, state->created_at,
                 ks_job_phase_name(state->phase), state->detail[0] == '\0' ? "" : ": ",
                 state->detail);
}

static enum ks_err print_canonical(const struct ks_json *value, size_t len_max)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;

    ks_buf_init(&out, len_max);
    ks_json_canonical(value, &out);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

/* BODY as the result of the command. */
static enum ks_err show_state(const struct ks_cli *cli, const struct ks_buf *body)
{
    static const struct ks_json_limits limits = {.len_max = KS_JOB_STATE_BYTES_MAX,
                                                 .nodes_max = 256};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_job_status state;

    KS_TRY(ks_json_parse(ks_buf_view(body), &limits, &doc));
    KS_TRY(ks_job_status_take(ks_json_root(doc), &state));
    if (cli->json) {
        KS_TRY(print_canonical(ks_json_root(doc), KS_JOB_STATE_BYTES_MAX));
    } else {
        print_state(&state);
    }
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's answer");
}

/* --- submit, status, cancel
 * -------------------------------------------------------------------------- */

enum ks_err ks_command_job_submit(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    struct ks_cli_request request = {0};
    struct ks_buf body;

    ks_buf_init(&body, KS_JOB_STATE_BYTES_MAX);
    KS_TRY(ks_cli_request(cli, &request));
    KS_TRY(ks_cli_client(cli, &client));
    ks_cli_progress(cli, "%s: submitting", ks_cli_job_name(cli));
    KS_TRY(ks_client_submit(client, &request.job, &body));
    ks_cli_key_notice(cli, client);
    KS_TRY(show_state(cli, &body));
out:
    ks_client_close(client);
    ks_cli_request_done(&request);
    ks_buf_done(&body);
    return err;
}

enum ks_err ks_command_job_status(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    struct ks_buf body;
    char target[KS_JOB_TARGET_MAX];

    ks_buf_init(&body, KS_JOB_STATE_BYTES_MAX);
    KS_TRY(ks_job_target(cli->operands[0], "", target));
    KS_TRY(ks_cli_client(cli, &client));
    KS_TRY(ks_client_get(client, target, &body));
    KS_TRY(show_state(cli, &body));
out:
    ks_client_close(client);
    ks_buf_done(&body);
    return err;
}

enum ks_err ks_command_job_cancel(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);
    char target[KS_JOB_TARGET_MAX];

    ks_buf_init(&out, 4096);
    KS_TRY(ks_job_target(cli->operands[0], "", target)); /* before a key is spent on it */
    KS_TRY(ks_cli_client(cli, &client));
    KS_TRY(ks_client_cancel(client, cli->operands[0]));
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "id", cli->operands[0]);
        ks_json_member_text(&writer, "schema", "ketseal.cancel/1");
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_cli_print("%s cancelling\n", cli->operands[0]);
    }
out:
    ks_client_close(client);
    ks_buf_done(&out);
    return err;
}

/* --- wait, fetch
 * ------------------------------------------------------------------------------------- */

/* The bundle, under a checkpoint that is STATE (NULL: any; the site waits for SECONDS),
 * verified and kept. */
static enum ks_err fetch(const struct ks_cli *cli, struct ks_client *client, const char *state,
                         uint64_t seconds)
{
    enum ks_err err = KS_OK;
    const char *id = cli->operands[0];
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    if (state == NULL) {
        KS_TRY(ks_client_bundle(client, id, &bytes));
    } else {
        KS_TRY(ks_client_bundle_in(
            client, id, state, (uint32_t)(seconds < KS_SITE_WAIT_S ? seconds : KS_SITE_WAIT_S),
            &bytes));
    }
    KS_TRY(ks_cli_bundle_keep(cli, &bytes, NULL, NULL));
out:
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err wait_end(const struct ks_cli *cli, struct ks_client *client,
                            uint64_t seconds)
{
    enum ks_err err = KS_OK;
    struct ks_job_status state;
    struct ks_wait_spec wait = {.version = 1, .id = cli->operands[0]};

    wait.timeout_ms = seconds > 0 ? 1000 : 0;
    KS_TRY(ks_client_wait(client, &wait, &state));
    if (state.phase == KS_JOB_PHASE_ACCEPTED && seconds > 1) {
        ks_cli_progress(cli, "job %s: waiting", cli->operands[0]);
        wait.timeout_ms = (seconds - 1) * 1000;
        KS_TRY(ks_client_wait(client, &wait, &state));
    }
    KS_CHECK(state.phase != KS_JOB_PHASE_ACCEPTED, KS_ERR_UNAVAILABLE,
             "job %s has not ended within %llu s", cli->operands[0],
             (unsigned long long)seconds);
out:
    return err;
}

enum ks_err ks_command_job_wait(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    char target[KS_JOB_TARGET_MAX];
    uint64_t seconds = 0;

    KS_TRY(ks_job_target(cli->operands[0], "", target));
    KS_TRY(ks_cli_number(cli, "timeout", WAIT_SECONDS_MAX, &seconds));
    KS_TRY(ks_cli_bundle_room(cli));
    KS_TRY(ks_cli_client(cli, &client));
    KS_TRY(wait_end(cli, client, seconds));
    KS_TRY(fetch(cli, client, NULL, 0));
out:
    ks_client_close(client);
    return err;
}

/* The site holds each request until the bundle is there, but no longer than KS_SITE_WAIT_S,
 * and then says "not yet": asked again until SECONDS are over. */
static enum ks_err fetch_witnessed(const struct ks_cli *cli, struct ks_client *client,
                                   const char *state, uint64_t seconds)
{
    enum ks_err err = KS_OK;
    static const struct timespec between = {.tv_nsec = 50000000};
    const uint64_t begin_us = ks_clock_monotonic_us();
    uint64_t waited_s = 0;

    KS_TRY(wait_end(cli, client, seconds));
    ks_cli_progress(cli, "job %s: waiting until it is %s", cli->operands[0], state);
    do {
        err = fetch(cli, client, state, seconds - waited_s);
        if (err != KS_ERR_NOT_FOUND) {
            goto out;
        }
        waited_s = (ks_clock_monotonic_us() - begin_us) / 1000000;
        ks_cli_progress(cli, "job %s: not %s yet, after %llu s", cli->operands[0], state,
                        (unsigned long long)waited_s);
        (void)nanosleep(&between, NULL);
    } while (waited_s < seconds);
    err = ks_fail(KS_ERR_UNAVAILABLE, "job %s is not %s within %llu s", cli->operands[0], state,
                  (unsigned long long)seconds);
out:
    return err;
}

enum ks_err ks_command_job_fetch(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *state = ks_cli_text(cli, "wait");
    struct ks_client *client = NULL;
    uint64_t seconds = 0;
    char target[KS_JOB_TARGET_MAX];

    KS_TRY(ks_job_target(cli->operands[0], "", target));
    KS_TRY(ks_cli_number(cli, "timeout", WAIT_SECONDS_MAX, &seconds));
    KS_CHECK(state == NULL || strcmp(state, "cosigned") == 0 ||
                 strcmp(state, "anchored") == 0 || strcmp(state, "timestamped") == 0,
             KS_ERR_USAGE, "--wait: cosigned, anchored or timestamped");
    KS_TRY(ks_cli_bundle_room(cli));
    KS_TRY(ks_cli_client(cli, &client));
    if (state == NULL) {
        KS_TRY(fetch(cli, client, NULL, 0));
    } else {
        KS_TRY(fetch_witnessed(cli, client, state, seconds));
    }
out:
    ks_client_close(client);
    return err;
}

/* --- list
 * --------------------------------------------------------------------------------------------
 */

static enum ks_err print_list(const struct ks_cli *cli, const struct ks_json *root)
{
    enum ks_err err = KS_OK;
    const struct ks_json *jobs = NULL;
    struct ks_bytes next = {0};

    KS_TRY(ks_json_get(root, "jobs", KS_JSON_ARRAY, &jobs));
    for (size_t i = 0; i < ks_json_count(jobs); i++) {
        struct ks_job_status state;

        KS_TRY(ks_job_status_take(ks_json_at(jobs, i), &state));
        if (!cli->json) {
            print_state(&state);
        }
    }
    if (ks_json_find(root, "next") != NULL) {
        KS_TRY(ks_json_get_string(root, "next", &next));
        KS_CHECK(ks_text_is_uuid(next), KS_ERR_FORMAT, "'next': no UUID");
        ks_cli_progress(cli, "more with --after=%.*s", (int)next.len, (const char *)next.data);
    }
    if (cli->json) {
        KS_TRY(print_canonical(root, LIST_BYTES_MAX));
    }
out:
    return err;
}

enum ks_err ks_command_job_list(struct ks_cli *cli)
{
    static const struct ks_json_limits limits = {.len_max = LIST_BYTES_MAX, .nodes_max = 16384};
    enum ks_err err = KS_OK;
    const char *after = ks_cli_text(cli, "after");
    struct ks_client *client = NULL;
    struct ks_json_doc *doc = NULL;
    struct ks_bytes schema = {0};
    struct ks_buf body;
    char target[KS_JOB_TARGET_MAX];
    uint64_t limit = 0;

    ks_buf_init(&body, LIST_BYTES_MAX);
    KS_TRY(ks_cli_number(cli, "limit", LIST_LIMIT_MAX, &limit));
    KS_CHECK(limit >= 1, KS_ERR_USAGE, "--limit: at least 1");
    KS_CHECK(after == NULL || ks_text_is_uuid(ks_bytes_text(after)), KS_ERR_USAGE,
             "--after: '%s' is no job id", after);
    (void)snprintf(target, sizeof target, "/v1/jobs?limit=%llu%s%s", (unsigned long long)limit,
                   after == NULL ? "" : "&after=", after == NULL ? "" : after);
    KS_TRY(ks_cli_client(cli, &client));
    KS_TRY(ks_client_get(client, target, &body));
    KS_TRY(ks_json_parse(ks_buf_view(&body), &limits, &doc));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, "ketseal.job-list/1"), KS_ERR_FORMAT,
             "the site's answer: 'schema': expected ketseal.job-list/1");
    KS_TRY(ks_fail_prefix(print_list(cli, ks_json_root(doc)), "the site's answer"));
out:
    ks_client_close(client);
    ks_json_doc_free(doc);
    ks_buf_done(&body);
    return err;
}
