/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/fl_lost.h"

#include <stdio.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/bundle.h"
#include "record/fl_updates.h"

#define STATUS_MAX (8 * 1024 * 1024)
#define TARGET_MAX 160
#define ROUNDS_MAX 32 /* that are looked at, from the last one */

/* The job of DEVICE in LIST; empty: none. */
static enum ks_err find_job(const struct ks_buf *list, const char *device,
                            char out_job[KS_UUID_TEXT_LEN + 1])
{
    enum ks_err err = KS_OK;
    struct ks_fl_updates updates = {.count = 0};

    out_job[0] = '\0';
    KS_TRY(ks_fl_updates_read(ks_buf_view(list), &updates));
    for (size_t i = 0; i < updates.count; i++) {
        const struct ks_fl_counted *counted = &updates.counted[i];

        if (ks_bytes_is(counted->device, device)) {
            (void)snprintf(out_job, KS_UUID_TEXT_LEN + 1, "%.*s", (int)counted->job.len,
                           (const char *)counted->job.data);
        }
    }
out:
    ks_fl_updates_done(&updates);
    return ks_fail_prefix(err, "the site's answer");
}

/* The bundle of our update to ROUND goes to PATH, if there is one. A site that was ended when
 * the update counted, but before its record was made, has none: the round's end is not undone
 * for that, and other rounds are open. */
static enum ks_err fetch(const struct ks_cli *cli, struct ks_client *client,
                         const char *session, uint64_t round, const char *path)
{
    enum ks_err err = KS_OK;
    char target[TARGET_MAX];
    char job[KS_UUID_TEXT_LEN + 1];
    struct ks_buf list;
    struct ks_buf bundle;

    ks_buf_init(&list, KS_FL_UPDATES_BYTES_MAX);
    ks_buf_init(&bundle, KS_BUNDLE_BYTES_MAX);
    (void)snprintf(target, sizeof target, "/v1/fl/sessions/%s/rounds/%llu/updates", session,
                   (unsigned long long)round);
    err = ks_client_get(client, target, &list);
    if (err == KS_ERR_NOT_FOUND) { /* the round's record is being made */
        err = KS_OK;
        goto out;
    }
    KS_TRY(err);
    KS_TRY(find_job(&list, ks_client_device(client), job));
    if (job[0] != '\0') {
        err = ks_client_bundle(client, job, &bundle);
        if (err == KS_ERR_UNAVAILABLE) {
            ks_cli_progress(cli, "round %llu: our update counts, and has no record: %s",
                            (unsigned long long)round, ks_err_detail());
            err = KS_OK;
            goto out;
        }
        KS_TRY(err);
        KS_TRY(ks_cli_bundle_check(cli, &bundle));
        KS_TRY(ks_cli_output(path, NULL, ks_buf_view(&bundle)));
        ks_cli_progress(cli, "round %llu: its bundle was not here, and is kept in %s",
                        (unsigned long long)round, path);
    }
out:
    ks_buf_done(&list);
    ks_buf_done(&bundle);
    return ks_fail_prefix(err, "round %llu", (unsigned long long)round);
}

/* ROUND as the status has it: its number; 0 while it is open. */
static enum ks_err ended(const struct ks_json *round, uint64_t *out_number)
{
    enum ks_err err = KS_OK;

    *out_number = 0;
    if (ks_json_find(round, "finished_at") != NULL) {
        KS_TRY(ks_json_get_u64(round, "round", KS_FL_ROUNDS_MAX, out_number));
    }
out:
    return err;
}

enum ks_err ks_cli_fl_lost(const struct ks_cli *cli, struct ks_client *client,
                           const char *session)
{
    static const struct ks_json_limits limits = {.len_max = STATUS_MAX,
                                                 .nodes_max = 1024 * 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *rounds = NULL;
    char text[TARGET_MAX];
    char path[KS_PATH_MAX];
    struct ks_buf answer;
    size_t count = 0;

    ks_buf_init(&answer, STATUS_MAX);
    (void)snprintf(text, sizeof text, "/v1/fl/sessions/%s", session);
    KS_TRY(ks_client_get(client, text, &answer));
    KS_TRY(ks_json_parse(ks_buf_view(&answer), &limits, &doc));
    KS_TRY(ks_json_get(ks_json_root(doc), "rounds", KS_JSON_ARRAY, &rounds));
    count = ks_json_count(rounds);
    for (size_t i = count < ROUNDS_MAX ? 0 : count - ROUNDS_MAX; i < count; i++) {
        uint64_t number = 0;

        KS_TRY(ended(ks_json_at(rounds, i), &number));
        (void)snprintf(text, sizeof text, "%s-%llu.json", session, (unsigned long long)number);
        KS_TRY(ks_path_join(ks_cli_text(cli, "out"), text, path));
        if (number != 0 && access(path, F_OK) != 0) {
            KS_TRY(fetch(cli, client, session, number, path));
        }
    }
out:
    ks_json_doc_free(doc);
    ks_buf_done(&answer);
    return err;
}
