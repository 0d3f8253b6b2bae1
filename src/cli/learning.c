/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/learning.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define STATUS_MAX (8 * 1024 * 1024)
#define LINE_MAX   256

enum ks_err ks_learning_operator(const struct ks_cli *cli, struct ks_operator **out_operator)
{
    const struct ks_operator_spec spec = {.directory = ks_cli_text(cli, "operator"),
                                          .url = ks_cli_text(cli, "url")};

    return ks_operator_open(&spec, out_operator);
}

enum ks_err ks_learning_session(const char *text, uint8_t out_session[KS_SESSION_LEN])
{
    return ks_hex_decode(ks_bytes_text(text), out_session, KS_SESSION_LEN) == KS_OK
               ? KS_OK
               : ks_fail(KS_ERR_USAGE, "'%s' is no session: 32 hexadecimal digits", text);
}

enum ks_err ks_learning_open(const struct ks_cli *cli, struct ks_operator **out_operator)
{
    enum ks_err err = KS_OK;
    uint8_t session[KS_SESSION_LEN];

    KS_TRY(ks_learning_session(cli->operands[0], session));
    KS_TRY(ks_learning_operator(cli, out_operator));
out:
    return err;
}

/* The last round as one line: "round 3 TRAINING, 2 joined, 1 updates". */
static enum ks_err put_round(const struct ks_json *round, char line[LINE_MAX])
{
    enum ks_err err = KS_OK;
    struct ks_bytes phase = {0};
    const struct ks_json *loss = ks_json_find(round, "loss");
    uint64_t number = 0;
    uint64_t count = 0;
    uint64_t joined = 0;
    double value = 0;

    KS_TRY(ks_json_get_string(round, "phase", &phase));
    KS_TRY(ks_json_get_u64(round, "round", KS_FL_ROUNDS_MAX, &number));
    KS_TRY(ks_json_get_u64(round, "count", KS_FL_DEVICES_MAX, &count));
    if (loss != NULL) {
        KS_TRY(ks_json_double(loss, &value));
        (void)snprintf(line, LINE_MAX, "round %llu %.*s, %llu updates, loss %.6g",
                       (unsigned long long)number, (int)phase.len, (const char *)phase.data,
                       (unsigned long long)count, value);
    } else {
        KS_TRY(ks_json_get_u64(round, "joined", KS_FL_DEVICES_MAX, &joined));
        (void)snprintf(line, LINE_MAX, "round %llu %.*s, %llu joined, %llu updates",
                       (unsigned long long)number, (int)phase.len, (const char *)phase.data,
                       (unsigned long long)joined, (unsigned long long)count);
    }
out:
    return err;
}

static enum ks_err look(struct ks_operator *op, const char *target, char line[LINE_MAX],
                        bool *out_over)
{
    static const struct ks_json_limits limits = {.len_max = STATUS_MAX,
                                                 .nodes_max = 1024 * 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *rounds = NULL;
    struct ks_bytes state = {0};
    struct ks_buf answer;

    ks_buf_init(&answer, STATUS_MAX);
    KS_TRY(ks_operator_get(op, target, &answer));
    KS_TRY(ks_json_parse(ks_buf_view(&answer), &limits, &doc));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "state", &state));
    KS_TRY(ks_json_get(ks_json_root(doc), "rounds", KS_JSON_ARRAY, &rounds));
    *out_over = !ks_bytes_is(state, "CREATED") && !ks_bytes_is(state, "RUNNING");
    if (ks_json_count(rounds) > 0) {
        KS_TRY(put_round(ks_json_at(rounds, ks_json_count(rounds) - 1), line));
    } else {
        (void)snprintf(line, LINE_MAX, "%.*s, no round yet", (int)state.len,
                       (const char *)state.data);
    }
out:
    ks_json_doc_free(doc);
    ks_buf_done(&answer);
    return ks_fail_prefix(err, "watching");
}

enum ks_err ks_learning_watch(const struct ks_cli *cli, struct ks_operator *op)
{
    enum ks_err err = KS_OK;
    const struct timespec pause = {.tv_sec = 1};
    char target[128];
    char line[LINE_MAX] = "";
    char before[LINE_MAX] = "";
    bool over = false;

    (void)snprintf(target, sizeof target, "/v1/fl/sessions/%s", cli->operands[0]);
    do {
        KS_TRY(look(op, target, line, &over));
        if (strcmp(line, before) != 0) {
            ks_cli_progress(cli, "%s", line);
            ks_copy(before, line, sizeof before);
        }
        if (!over) {
            (void)nanosleep(&pause,
                            NULL); /* a signal shortens one pause, which harms nothing */
        }
    } while (!over);
out:
    return err;
}
