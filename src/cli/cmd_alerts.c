/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* trace alerts: which executions a detector has called anomalies, which contributions stood out
 * in their rounds, and why: of a site's store, of a running site by its operator, or of a
 * device's own file. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "cli/alerts.h"
#include "cli/flags.h"
#include "client/operator.h"
#include "detect/detection.h"
#include "record/suspect.h"
#include "store/store.h"

#define JSON_MAX   ((size_t)1 << 28)
#define LIMIT_MAX  10000
#define LINES_STEP 256

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

/* An alert as it is printed. */
struct line {
    uint64_t at_us;
    size_t place; /* in which it came: of those of one time the first one first */
    uint8_t *text;
    size_t len;
};

/* What is printed: the newest WANTED of the lines. */
struct list {
    struct ks_cli *cli;
    uint64_t reasons;
    uint64_t wanted;
    uint64_t left; /* of the source that is read */
    struct line *lines;
    size_t count;
    size_t room;
};

static void list_done(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        ks_free(list->lines[i].text);
    }
    ks_free(list->lines);
}

/* One source more: the newest of all are among the newest of each. */
static void begin_source(struct list *list)
{
    list->left = list->wanted;
}

static enum ks_err add_line(struct list *list, uint64_t at_us, const struct ks_buf *text)
{
    enum ks_err err = KS_OK;
    struct line *more = NULL;
    struct line line = {.at_us = at_us, .place = list->count, .len = text->len};

    KS_TRY(ks_buf_check(text));
    if (list->count == list->room) {
        more = ks_realloc(list->lines, list->room + LINES_STEP, sizeof *more);
        KS_CHECK(more != NULL, KS_ERR_NOMEM, "alerts");
        list->lines = more;
        list->room += LINES_STEP;
    }
    KS_TRY(ks_bytes_dup(ks_buf_view(text), &line.text));
    list->lines[list->count++] = line;
    list->left--;
out:
    return err;
}

/* Time, job, device and score, with tabs between them; the reasons. */
static void put_text(const struct list *list, const struct ks_detection *detection,
                     struct ks_buf *out)
{
    const struct ks_detection_subject *subject = &detection->subject;
    char time[KS_TIME_TEXT_LEN + 1];

    ks_time_text(subject->started_us, time);
    ks_buf_put_format(out, "%s\t%s\t%s\tscore %.4f\t", time,
                      subject->job[0] == '\0' ? "-" : subject->job, subject->device,
                      detection->score);
    ks_detection_put_reasons(detection, list->reasons, out);
    ks_buf_put_text(out, "\n");
}

static enum ks_err take(void *context, uint64_t number, const struct ks_detection *detection)
{
    enum ks_err err = KS_OK;
    struct list *list = context;
    struct ks_buf text;

    (void)number;
    ks_buf_init(&text, 2 * (size_t)KS_DETECTION_BYTES_MAX);
    if (list->left == 0) {
        return KS_OK;
    }
    if (list->cli->json) {
        ks_detection_write(detection, &text);
    } else {
        put_text(list, detection, &text);
    }
    KS_TRY(add_line(list, detection->subject.started_us, &text));
out:
    ks_buf_done(&text);
    return err;
}

/* --- contributions ------------------------------------------------------------------------ */

static void put_suspect_json(const struct ks_suspect *suspect, uint64_t position,
                             const char *time, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "at", time);
    ks_json_member_string(&writer, "device", suspect->device);
    ks_json_member_u64(&writer, "index", position);
    ks_json_put_key(&writer, "norm");
    ks_json_put_double(&writer, suspect->norm);
    ks_json_member_string(&writer, "reason", suspect->reason);
    ks_json_member_hex(&writer, "record", KS_BYTES(suspect->record));
    ks_json_member_u64(&writer, "round", suspect->round);
    ks_json_member_text(&writer, "schema", "ketseal.fl-alert/1");
    ks_json_put_key(&writer, "score");
    ks_json_put_double(&writer, suspect->score);
    ks_json_member_hex(&writer, "session", KS_BYTES(suspect->session));
    ks_json_put_end(&writer);
}

static void put_suspect_text(const struct ks_suspect *suspect, const char *time,
                             struct ks_buf *out)
{
    char session[2 * KS_SESSION_LEN + 1];

    ks_hex_encode(KS_BYTES(suspect->session), session);
    ks_buf_put_format(out, "%s\t-\t%.*s\tscore %.4f\t%.*s, norm %g, round %llu of %s\n", time,
                      (int)suspect->device.len, (const char *)suspect->device.data,
                      suspect->score, (int)suspect->reason.len,
                      (const char *)suspect->reason.data, suspect->norm,
                      (unsigned long long)suspect->round, session);
}

static enum ks_err take_suspect(void *context, uint64_t position, uint64_t at_us,
                                struct ks_bytes entry)
{
    enum ks_err err = KS_OK;
    struct list *list = context;
    struct ks_json_doc *doc = NULL;
    struct ks_suspect suspect;
    char time[KS_TIME_TEXT_LEN + 1];
    struct ks_buf text;

    ks_buf_init(&text, (size_t)2 * KS_ENTRY_BYTES_MAX);
    if (list->left == 0) {
        return KS_OK;
    }
    KS_TRY(ks_entry_suspect_read(entry, &doc, &suspect));
    ks_time_text(at_us, time);
    if (list->cli->json) {
        put_suspect_json(&suspect, position, time, &text);
    } else {
        put_suspect_text(&suspect, time, &text);
    }
    KS_TRY(add_line(list, at_us, &text));
out:
    ks_json_doc_free(doc);
    ks_buf_done(&text);
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
    begin_source(list);
    KS_TRY(ks_store_suspects(reader, ks_cli_text(list->cli, "of"), 0, list->left, take_suspect,
                             list));
out:
    ks_store_reader_free(reader);
    return err;
}

/* The pages of PATH, alerts of one kind; READ takes what one has. */
typedef enum ks_err (*read_page)(struct list *list, struct ks_bytes page, uint64_t *out_next);

static enum ks_err list_of_pages(struct list *list, struct ks_operator *op, const char *path,
                                 read_page read)
{
    enum ks_err err = KS_OK;
    const char *device = ks_cli_text(list->cli, "of");
    struct ks_buf page;
    uint64_t before = 0;
    uint64_t next = 0;

    ks_buf_init(&page, KS_ALERT_PAGE_BYTES_MAX);
    begin_source(list);
    do {
        char target[128 + KS_TRACE_DEVICE_MAX];

        (void)snprintf(target, sizeof target, "%s?before=%llu&limit=%d%s%s", path,
                       (unsigned long long)before, KS_ALERT_PAGE_ROWS_MAX,
                       device == NULL ? "" : "&device=", device == NULL ? "" : device);
        ks_buf_clear(&page);
        KS_TRY(ks_operator_get(op, target, &page));
        KS_TRY(ks_fail_prefix(read(list, ks_buf_view(&page), &next), "the site's answer"));
        KS_CHECK(next == 0 || before == 0 || next < before, KS_ERR_FORMAT,
                 "the site's pages go round");
        before = next;
    } while (next > 0 && list->left > 0);
out:
    ks_buf_done(&page);
    return err;
}

static enum ks_err read_detections(struct list *list, struct ks_bytes page, uint64_t *out_next)
{
    return ks_alert_page_read(page, take, list, out_next);
}

static enum ks_err read_suspects(struct list *list, struct ks_bytes page, uint64_t *out_next)
{
    return ks_suspect_page_read(page, take_suspect, list, out_next);
}

static enum ks_err list_of_site(struct list *list)
{
    enum ks_err err = KS_OK;
    const struct ks_operator_spec spec = {.directory = ks_cli_text(list->cli, "operator"),
                                          .url = ks_cli_text(list->cli, "url")};
    const char *device = ks_cli_text(list->cli, "of");
    struct ks_operator *op = NULL;

    KS_CHECK(spec.url != NULL, KS_ERR_USAGE, "--url: missing");
    KS_CHECK(device == NULL || ks_text_is_name(ks_bytes_text(device), KS_TRACE_DEVICE_MAX),
             KS_ERR_USAGE, "--of: expected a device's id");
    KS_TRY(ks_operator_open(&spec, &op));
    KS_TRY(list_of_pages(list, op, "/v1/alerts", read_detections));
    KS_TRY(list_of_pages(list, op, "/v1/fl/alerts", read_suspects));
out:
    ks_operator_close(op);
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

/* --- printing ----------------------------------------------------------------------------- */

static int by_time(const void *left, const void *right)
{
    const struct line *a = left;
    const struct line *b = right;

    return a->at_us != b->at_us ? (a->at_us < b->at_us) - (a->at_us > b->at_us)
                                : (a->place > b->place) - (a->place < b->place);
}

static enum ks_err print_lines(const struct list *list)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);
    const size_t count = list->count < list->wanted ? list->count : (size_t)list->wanted;

    ks_buf_init(&out, JSON_MAX);
    if (list->cli->json) {
        ks_json_put_object(&writer);
        ks_json_put_key(&writer, "alerts");
        ks_json_put_array(&writer);
    }
    for (size_t i = 0; i < count; i++) {
        const struct ks_bytes text = ks_bytes_of(list->lines[i].text, list->lines[i].len);

        if (list->cli->json) {
            ks_json_put_canonical(&writer, text);
        } else {
            ks_buf_put(&out, text);
        }
    }
    if (list->cli->json) {
        ks_json_put_end(&writer);
        ks_json_member_text(&writer, "schema", "ketseal.alerts/1");
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        KS_TRY(ks_buf_check(&out));
        ks_cli_print_bytes(ks_buf_view(&out));
    }
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_trace_alerts(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *state = ks_cli_text(cli, "state");
    struct list list = {.cli = cli};

    KS_TRY(ks_cli_number(cli, "limit", LIMIT_MAX, &list.wanted));
    KS_TRY(ks_cli_number(cli, "reasons", KS_FOREST_FEATURES_MAX, &list.reasons));
    KS_CHECK(state == NULL || ks_cli_text(cli, "operator") == NULL, KS_ERR_USAGE,
             "--state, --operator: one of them");
    begin_source(&list);
    if (state != NULL) {
        KS_TRY(list_of_state(&list, state));
    } else if (ks_cli_text(cli, "operator") != NULL) {
        KS_TRY(list_of_site(&list));
    } else {
        KS_TRY(list_of_device(&list, ks_cli_text(cli, "device")));
    }
    if (list.count > 0) {
        qsort(list.lines, list.count, sizeof *list.lines, by_time);
    }
    KS_TRY(print_lines(&list));
out:
    list_done(&list);
    return err;
}
