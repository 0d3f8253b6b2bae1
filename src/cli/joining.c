/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/joining.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/learning.h"
#include "client/fl.h"

#define SESSIONS_MAX ((size_t)1024 * 1024) /* bytes of the site's list */
#define POLL_S       1

void ks_joining_done(struct ks_joining *joining)
{
    ks_free(joining->data);
    *joining = (struct ks_joining){0};
}

static bool is_folder(const char *path)
{
    struct stat found;

    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* The operands behind the first SKIPPED, or what --data says, as operands of their own: what a
 * file of settings says gives way to operands. */
static enum ks_err take_data(const struct ks_cli *cli, unsigned skipped, struct ks_cli *data)
{
    enum ks_err err = KS_OK;
    const char *const *given = NULL;
    const bool gives_way = cli->operand_count > skipped && ks_cli_from_file(cli, "data");
    const unsigned count = gives_way ? 0 : ks_cli_many(cli, "data", &given);

    KS_CHECK(count == 0 || cli->operand_count == skipped, KS_ERR_USAGE,
             "'%s': --data says already what to train on", cli->operands[skipped]);
    KS_CHECK(count > 0 || cli->operand_count > skipped, KS_ERR_USAGE,
             "missing operand: SESSION DATA…, or --data");
    data->operand_count = count > 0 ? count : cli->operand_count - skipped;
    for (unsigned i = 0; i < data->operand_count; i++) {
        data->operands[i] = count > 0 ? given[i] : cli->operands[i + skipped];
    }
out:
    return err;
}

enum ks_err ks_joining_read(struct ks_cli *cli, struct ks_joining *out_joining)
{
    enum ks_err err = KS_OK;
    struct ks_joining joining = {.session = ks_cli_text(cli, "session"),
                                 .device_id = ks_cli_text(cli, "device-id")};
    uint8_t session[KS_SESSION_LEN];
    const bool first =
        cli->operand_count > 0 &&
        (joining.session == NULL || (ks_cli_from_file(cli, "session") &&
                                     ks_learning_session(cli->operands[0], session) == KS_OK));

    joining.session = first ? cli->operands[0] : joining.session;
    KS_TRY(joining.session == NULL ? KS_OK : ks_learning_session(joining.session, session));
    KS_CHECK(joining.device_id == NULL ||
                 ks_text_is_name(ks_bytes_text(joining.device_id), KS_DEVICE_ID_MAX),
             KS_ERR_USAGE, "--device-id: '%s' is no name of letters, digits, '-' and '_'",
             joining.device_id);
    joining.data = ks_calloc(1, sizeof *joining.data);
    KS_CHECK(joining.data != NULL, KS_ERR_NOMEM, "operands");
    *joining.data = *cli;
    KS_TRY(take_data(cli, first ? 1 : 0, joining.data));
    if (joining.device_id != NULL && is_folder(joining.device_id)) {
        ks_cli_suggest(cli, "device", joining.device_id);
    }
    *out_joining = joining;
    joining = (struct ks_joining){0}; /* transferred */
out:
    ks_joining_done(&joining);
    return err;
}

enum ks_err ks_joining_check(const struct ks_joining *joining, const struct ks_client *client)
{
    return joining->device_id == NULL ||
                   strcmp(joining->device_id, ks_client_device(client)) == 0
               ? KS_OK
               : ks_fail(KS_ERR_USAGE, "--device-id: the certificate is of '%s', not of '%s'",
                         ks_client_device(client), joining->device_id);
}

/* Counts the sessions of ANSWER that have not ended; the last of them goes to SESSION, all to
 * NAMES. */
static enum ks_err find_open(struct ks_bytes answer, char session[2 * KS_SESSION_LEN + 1],
                             struct ks_buf *names, size_t *out_count)
{
    static const struct ks_json_limits limits = {.len_max = SESSIONS_MAX, .nodes_max = 4096};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *sessions = NULL;
    struct ks_bytes state = {0};
    uint8_t id[KS_SESSION_LEN];
    size_t count = 0;

    KS_TRY(ks_json_parse(answer, &limits, &doc));
    KS_TRY(ks_json_get(ks_json_root(doc), "sessions", KS_JSON_ARRAY, &sessions));
    for (size_t i = 0; i < ks_json_count(sessions); i++) {
        KS_TRY(ks_json_get_string(ks_json_at(sessions, i), "state", &state));
        KS_TRY(ks_json_get_hex(ks_json_at(sessions, i), "session", id, sizeof id));
        if (ks_bytes_is(state, "CREATED") || ks_bytes_is(state, "RUNNING")) {
            ks_hex_encode(KS_BYTES(id), session);
            ks_buf_put_text(names, count == 0 ? "" : ", ");
            ks_buf_put_text(names, session);
            count++;
        }
    }
    KS_TRY(ks_buf_check(names));
    *out_count = count;
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's sessions");
}

enum ks_err ks_joining_session(const struct ks_joining *joining, struct ks_client *client,
                               uint64_t seconds, char out_session[2 * KS_SESSION_LEN + 1])
{
    enum ks_err err = KS_OK;
    const struct timespec pause = {.tv_sec = POLL_S};
    const uint64_t since_us = ks_clock_monotonic_us();
    char session[2 * KS_SESSION_LEN + 1] = "";
    struct ks_buf answer;
    struct ks_buf names;
    size_t count = 0;

    ks_buf_init(&answer, SESSIONS_MAX);
    ks_buf_init(&names, 65536);
    if (joining->session != NULL) {
        (void)snprintf(out_session, sizeof session, "%s", joining->session);
        return KS_OK;
    }
    while (count == 0) {
        ks_buf_clear(&answer);
        KS_TRY(ks_client_get(client, "/v1/fl/sessions", &answer));
        KS_TRY(find_open(ks_buf_view(&answer), session, &names, &count));
        KS_CHECK(count <= 1, KS_ERR_USAGE, "--session: there are several: %.*s", (int)names.len,
                 (const char *)names.data);
        if (count == 0) {
            KS_CHECK((ks_clock_monotonic_us() - since_us) / 1000000 < seconds,
                     KS_ERR_UNAVAILABLE, "no session for %llu s", (unsigned long long)seconds);
            (void)nanosleep(&pause,
                            NULL); /* a signal shortens one pause, which harms nothing */
        }
    }
    (void)snprintf(out_session, sizeof session, "%s", session);
out:
    ks_buf_done(&answer);
    ks_buf_done(&names);
    return err;
}
