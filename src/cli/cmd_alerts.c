/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* trace alerts: which executions a detector has called anomalies, and why: of a site's store,
 * of a running site by its operator, or of a device's own file. */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "cli/alerts.h"
#include "cli/flags.h"
#include "client/operator.h"
#include "detect/detection.h"
#include "store/store.h"

#define JSON_MAX  ((size_t)1 << 28)
#define LIMIT_MAX 10000

const struct ks_flag ks_trace_alerts_flags[] = {
    {"device", KS_FLAG_TEXT, "DIR", "the device whose alerts are wanted: its directory", ".",
     false},
    {"state", KS_FLAG_TEXT, "DIR", "instead the site whose state lies there", NULL, false},
    {"operator", KS_FLAG_TEXT, "DIR",
     "instead the site at --url, asked by the operator of this directory", NULL, false},
    {"url", KS_FLAG_TEXT, "URL", "that site, https://host:port", NULL, false},
    {"of", KS_FLAG_TEXT, "ID", "of a site's alerts, those of this device", NULL, false},
    {"limit", KS_FLAG_NUMBER, "N", "the newest N, at most 10000", "20", false},
    {"reasons", KS_FLAG_NUMBER, "N", "how many features to name", "3", false},
    {NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false},
};

/* What is printed. */
struct list {
    struct ks_cli *cli;
    struct ks_buf text;
    struct ks_json_writer writer;
    uint64_t reasons;
    uint64_t left; /* alerts still wanted */
    uint64_t last; /* number of the one before */
};

static enum ks_err put_json(struct list *list, const struct ks_detection *detection)
{
    enum ks_err err = KS_OK;
    struct ks_buf document;

    ks_buf_init(&document, KS_DETECTION_BYTES_MAX);
    ks_detection_write(detection, &document);
    KS_TRY(ks_buf_check(&document));
    ks_json_put_canonical(&list->writer, ks_buf_view(&document));
out:
    ks_buf_done(&document);
    return err;
}

/* Time, job, device and score, with tabs between them; the reasons. */
static void put_text(struct list *list, const struct ks_detection *detection)
{
    const struct ks_detection_subject *subject = &detection->subject;
    char time[KS_TIME_TEXT_LEN + 1];

    ks_time_text(subject->started_us, time);
    ks_buf_put_format(&list->text, "%s\t%s\t%s\tscore %.4f\t", time,
                      subject->job[0] == '\0' ? "-" : subject->job, subject->device,
                      detection->score);
    ks_detection_put_reasons(detection, list->reasons, &list->text);
    ks_buf_put_text(&list->text, "\n");
}

static enum ks_err take(void *context, uint64_t number, const struct ks_detection *detection)
{
    enum ks_err err = KS_OK;
    struct list *list = context;

    if (list->left == 0) {
        return KS_OK;
    }
    list->left--;
    list->last = number;
    if (list->cli->json) {
        KS_TRY(put_json(list, detection));
    } else {
        put_text(list, detection);
    }
    KS_TRY(ks_buf_check(&list->text));
out:
    return err;
}

/* --- where alerts come from --------------------------------------------------------------- */

static enum ks_err take_document(void *context, uint64_t number, struct ks_bytes document)
{
    enum ks_err err = KS_OK;
    struct ks_detection *detection = ks_calloc(1, sizeof *detection);

    KS_CHECK(detection != NULL, KS_ERR_NOMEM, "detection");
    KS_TRY(ks_detection_read(document, detection));
    KS_TRY(take(context, number, detection));
out:
    ks_free(detection);
    return err;
}

static enum ks_err list_of_state(struct list *list, const char *state)
{
    enum ks_err err = KS_OK;
    struct ks_store_reader *reader = NULL;
    char directory[KS_PATH_MAX];
    const struct ks_store_options options = {.version = 1, .directory = directory};

    KS_TRY(ks_path_join(state, "store", directory));
    KS_TRY(ks_store_reader_new(&options, &reader));
    KS_TRY(ks_store_alerts(reader, ks_cli_text(list->cli, "of"), 0, list->left, take_document,
                           list));
out:
    ks_store_reader_free(reader);
    return err;
}

static enum ks_err list_of_site(struct list *list)
{
    enum ks_err err = KS_OK;
    const struct ks_operator_spec spec = {.directory = ks_cli_text(list->cli, "operator"),
                                          .url = ks_cli_text(list->cli, "url")};
    const char *device = ks_cli_text(list->cli, "of");
    struct ks_operator *op = NULL;
    struct ks_buf page;
    uint64_t before = 0;
    uint64_t next = 0;

    ks_buf_init(&page, KS_ALERT_PAGE_BYTES_MAX);
    KS_CHECK(spec.url != NULL, KS_ERR_USAGE, "--url: missing");
    KS_CHECK(device == NULL || ks_text_is_name(ks_bytes_text(device), KS_TRACE_DEVICE_MAX),
             KS_ERR_USAGE, "--of: expected a device's id");
    KS_TRY(ks_operator_open(&spec, &op));
    do {
        char target[128 + KS_TRACE_DEVICE_MAX];

        (void)snprintf(target, sizeof target, "/v1/alerts?before=%llu&limit=%d%s%s",
                       (unsigned long long)before, KS_ALERT_PAGE_ROWS_MAX,
                       device == NULL ? "" : "&device=", device == NULL ? "" : device);
        ks_buf_clear(&page);
        KS_TRY(ks_operator_get(op, target, &page));
        KS_TRY(ks_fail_prefix(ks_alert_page_read(ks_buf_view(&page), take, list, &next),
                              "the site's answer"));
        KS_CHECK(next == 0 || before == 0 || next < before, KS_ERR_FORMAT,
                 "the site's pages go round");
        before = next;
    } while (next > 0 && list->left > 0);
out:
    ks_operator_close(op);
    ks_buf_done(&page);
    return err;
}

/* The lines of DIRECTORY/NAME, the last one first; it need not be there. */
static enum ks_err list_of_file(struct list *list, const char *directory, const char *name)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    char path[KS_PATH_MAX];
    size_t end = 0;

    ks_buf_init(&text, 2 * KS_ALERT_FILE_BYTES_MAX);
    KS_TRY(ks_path_join(directory, name, path));
    err = ks_file_read(path, 2 * KS_ALERT_FILE_BYTES_MAX, &text);
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    end = text.len;
    while (end > 0 && list->left > 0) {
        enum ks_err taken = KS_OK;
        size_t begin = end - 1;

        while (begin > 0 && text.data[begin - 1] != '\n') {
            begin--;
        }
        taken = take_document(list, 0, ks_bytes_of(text.data + begin, end - begin - 1));
        if (taken != KS_ERR_FORMAT) {
            KS_TRY(taken);
        } else { /* a crash has cut it */
            ks_cli_progress(list->cli, "%s: a line of %zu bytes is left out: %s", path,
                            end - begin, ks_err_detail());
        }
        end = begin;
    }
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err list_of_device(struct list *list, const char *directory)
{
    enum ks_err err = KS_OK;

    KS_TRY(list_of_file(list, directory, KS_ALERT_FILE));
    KS_TRY(list_of_file(list, directory, KS_ALERT_FILE_OLD));
out:
    return err;
}

enum ks_err ks_command_trace_alerts(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *state = ks_cli_text(cli, "state");
    struct list list = {.cli = cli, .writer = ks_json_writer_of(&list.text)};

    ks_buf_init(&list.text, JSON_MAX);
    KS_TRY(ks_cli_number(cli, "limit", LIMIT_MAX, &list.left));
    KS_TRY(ks_cli_number(cli, "reasons", KS_FOREST_FEATURES_MAX, &list.reasons));
    KS_CHECK(state == NULL || ks_cli_text(cli, "operator") == NULL, KS_ERR_USAGE,
             "--state, --operator: one of them");
    if (cli->json) {
        ks_json_put_object(&list.writer);
        ks_json_put_key(&list.writer, "alerts");
        ks_json_put_array(&list.writer);
    }
    if (state != NULL) {
        KS_TRY(list_of_state(&list, state));
    } else if (ks_cli_text(cli, "operator") != NULL) {
        KS_TRY(list_of_site(&list));
    } else {
        KS_TRY(list_of_device(&list, ks_cli_text(cli, "device")));
    }
    if (cli->json) {
        ks_json_put_end(&list.writer);
        ks_json_member_text(&list.writer, "schema", "ketseal.alerts/1");
        ks_json_put_end(&list.writer);
        KS_TRY(ks_cli_print_json(&list.text));
    } else {
        KS_TRY(ks_buf_check(&list.text));
        ks_cli_print_bytes(ks_buf_view(&list.text));
    }
out:
    ks_buf_done(&list.text);
    return err;
}
