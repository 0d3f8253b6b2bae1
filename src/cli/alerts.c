/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/alerts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "cli/model.h"
#include "client/trace_file.h"

#define REASONS_MAX 3

enum ks_err ks_watch_open(const struct ks_cli *cli, enum ks_trace_workload workload,
                          struct ks_watch *watch)
{
    enum ks_err err = KS_OK;
    const char *given = ks_cli_text(cli, "detector");
    char path[KS_PATH_MAX];
    struct ks_forest *forest = NULL;

    *watch = (struct ks_watch){.cli = cli};
    KS_TRY(ks_path_join(ks_cli_text(cli, "device"),
                        workload == KS_TRACE_UPDATE ? KS_FL_DETECTOR_FILE : KS_DETECTOR_FILE,
                        path));
    if (given == NULL && access(path, F_OK) != 0) {
        goto out;
    }
    given = given == NULL ? path : given;
    KS_TRY(ks_cli_model_read(given, &forest));
    KS_TRY(ks_fail_prefix(ks_detector_take(forest, &watch->detector), "%s", given));
    KS_CHECK(watch->detector.workload == workload, KS_ERR_CONFLICT,
             "%s: the model judges rows of '%s', not of '%s'", given,
             ks_trace_workload_name(watch->detector.workload),
             ks_trace_workload_name(workload));
out:
    return err;
}

void ks_watch_done(struct ks_watch *watch)
{
    ks_detector_done(&watch->detector);
}

/* Appends LINE in one write: others may append, too. What was cut by a crash, without its end,
 * is closed first. */
static enum ks_err append(const char *path, struct ks_bytes line)
{
    enum ks_err err = KS_OK;
    struct stat status;
    uint8_t last = '\n';
    ssize_t written = 0;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    KS_CHECK(fd >= 0 && fstat(fd, &status) == 0, KS_ERR_IO, "open '%s': %s", path,
             strerror(errno));
    if (status.st_size > 0 && pread(fd, &last, 1, status.st_size - 1) == 1 && last != '\n') {
        KS_TRY(ks_fd_write(fd, KS_LITERAL("\n"), path));
    }
    written = write(fd, line.data, line.len);
    KS_CHECK(written >= 0 && (size_t)written == line.len, KS_ERR_IO, "write '%s': %s", path,
             written < 0 ? strerror(errno) : "no room");
out:
    ks_fd_close(&fd);
    return err;
}

static enum ks_err keep_alert(const struct ks_watch *watch)
{
    enum ks_err err = KS_OK;
    const char *directory = ks_cli_text(watch->cli, "device");
    char path[KS_PATH_MAX];
    char old[KS_PATH_MAX];
    struct stat status;
    struct ks_buf line;

    ks_buf_init(&line, KS_DETECTION_BYTES_MAX + 1);
    KS_TRY(ks_path_join(directory, KS_ALERT_FILE, path));
    KS_TRY(ks_path_join(directory, KS_ALERT_FILE_OLD, old));
    ks_detection_write(&watch->detection, &line);
    ks_buf_put_text(&line, "\n");
    KS_TRY(ks_buf_check(&line));
    if (stat(path, &status) == 0 && status.st_size >= (off_t)KS_ALERT_FILE_BYTES_MAX) {
        KS_CHECK(rename(path, old) == 0, KS_ERR_IO, "rename '%s': %s", path, strerror(errno));
    }
    KS_TRY(append(path, ks_buf_view(&line)));
out:
    ks_buf_done(&line);
    return err;
}

/* An alert is told with --quiet, too: it is no progress. */
static void tell(const struct ks_watch *watch)
{
    const struct ks_detection *detection = &watch->detection;
    struct ks_buf reasons;

    ks_buf_init(&reasons, KS_DETECTION_BYTES_MAX);
    ks_detection_put_reasons(detection, REASONS_MAX, &reasons);
    (void)fprintf(stderr, "ketseal: alert: score %.4f, threshold %.4f: %.*s\n",
                  detection->score, detection->threshold, (int)reasons.len,
                  (const char *)reasons.data);
    ks_buf_done(&reasons);
}

/* What cannot be kept is no reason for a run to fail, nor, of a row, to say so each time. */
static void take(void *context, const struct ks_trace *trace)
{
    struct ks_watch *watch = context;

    (void)!ks_trace_file_append(ks_cli_text(watch->cli, "device"), trace);
    watch->alerted = false;
    if (!ks_detector_knows(&watch->detector, trace)) {
        return;
    }
    ks_detector_judge(&watch->detector, trace, &watch->detection);
    watch->alerted = watch->detection.is_anomaly;
    if (watch->alerted && !watch->cli->json) {
        tell(watch);
    }
    if (watch->alerted && keep_alert(watch) != KS_OK) {
        ks_cli_progress(watch->cli, "the alert is not kept: %s", ks_err_detail());
    }
}

enum ks_err ks_watch_client(struct ks_watch *watch, struct ks_client *client)
{
    const struct ks_trace_sink sink = {.version = 1, .take = take, .context = watch};

    return ks_client_trace_to(client, &sink);
}
