/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/alerts.h"

#include "base/log.h"
#include "base/sys.h"
#include "crypto/digest.h"
#include "record/suspect.h"
#include "server/site.h"

_Static_assert(KS_STORE_MODEL_LEN == KS_FOREST_HASH_LEN &&
                   KS_STORE_DETECTION_MAX >= KS_DETECTION_BYTES_MAX,
               "the store keeps every detection");

/* --- the detector ------------------------------------------------------------------------- */

static void log_detector(const struct ks_detector *detector,
                         const struct ks_config_detector *config)
{
    struct ks_log_line line;
    char model[2 * KS_FOREST_HASH_LEN + 1];

    ks_log_begin(&line, KS_LOG_INFO, "detector.ready");
    ks_log_text(&line, "workload", ks_trace_workload_name(detector->workload));
    ks_hex_encode(KS_BYTES(detector->hash), model);
    ks_log_text(&line, "model", model);
    ks_log_u64(&line, "features", ks_forest_features(detector->forest));
    ks_log_u64(&line, "suspend_after", config->suspend_after);
    ks_log_u64(&line, "suspend_window_s", config->suspend_window_s);
    ks_log_end(&line);
}

/* The model in the file PATH, into its place in ALERTS. */
static enum ks_err open_detector(const char *path, enum ks_trace_workload workload,
                                 struct ks_alerts *alerts)
{
    enum ks_err err = KS_OK;
    struct ks_detector *detector = &alerts->detectors[workload];
    struct ks_forest *forest = NULL;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_FOREST_BYTES_MAX, &bytes));
    KS_TRY(ks_fail_prefix(ks_forest_read(ks_buf_view(&bytes), &forest), "%s", path));
    KS_TRY(ks_fail_prefix(ks_detector_take(forest, detector), "%s", path));
    KS_CHECK(detector->workload == workload, KS_ERR_CONFLICT,
             "%s: the model judges rows of '%s', and is there for those of '%s'", path,
             ks_trace_workload_name(detector->workload), ks_trace_workload_name(workload));
out:
    ks_buf_done(&bytes);
    return err;
}

enum ks_err ks_alerts_open(const struct ks_config *config, struct ks_alerts *alerts)
{
    enum ks_err err = KS_OK;
    const struct ks_config_detector *detector = &config->detector;
    const char *const paths[KS_TRACE_WORKLOADS] = {
        [KS_TRACE_CIRCUIT] = detector->model,
        [KS_TRACE_UPDATE] = detector->fl_model,
    };

    for (unsigned i = 0; i < KS_TRACE_WORKLOADS; i++) {
        if (paths[i] != NULL) {
            KS_TRY(open_detector(paths[i], (enum ks_trace_workload)i, alerts));
            log_detector(&alerts->detectors[i], detector);
        }
    }
    alerts->suspends = detector->suspend_after > 0;
out:
    return err;
}

void ks_alerts_done(struct ks_alerts *alerts)
{
    for (unsigned i = 0; i < KS_TRACE_WORKLOADS; i++) {
        ks_detector_done(&alerts->detectors[i]);
    }
}

/* --- rows --------------------------------------------------------------------------------- */

static void log_alert(const struct ks_detection *detection)
{
    const struct ks_detection_subject *subject = &detection->subject;
    struct ks_log_line line;
    struct ks_buf reasons;
    char model[2 * KS_FOREST_HASH_LEN + 1];
    char score[KS_DOUBLE_TEXT_MAX];

    ks_buf_init(&reasons, KS_DETECTION_BYTES_MAX);
    ks_log_begin(&line, KS_LOG_WARN, "trace.alert");
    ks_log_text(&line, "job", subject->job);
    ks_log_text(&line, "device", subject->device);
    (void)ks_double_text(detection->score, score);
    ks_log_text(&line, "score", score);
    ks_hex_encode(KS_BYTES(detection->model), model);
    ks_log_text(&line, "model", model);
    ks_detection_put_reasons(detection, KS_ALERT_REASONS_MAX, &reasons);
    ks_buf_put_u8(&reasons, 0);
    if (reasons.err == KS_OK) {
        ks_log_text(&line, "reasons", (const char *)reasons.data);
    }
    ks_log_end(&line);
    ks_buf_done(&reasons);
}

void ks_judged_done(struct ks_judged *judged)
{
    ks_free(judged->document);
    *judged = (struct ks_judged){0};
}

bool ks_alerts_judge(struct ks_alerts *alerts, const struct ks_trace *trace,
                     struct ks_judged *out_judged)
{
    const struct ks_detector *detector = &alerts->detectors[ks_trace_workload_of(trace)];
    struct ks_judged judged = {0};
    struct ks_buf document;

    *out_judged = judged;
    if (!ks_detector_knows(detector, trace)) {
        return false;
    }
    judged.judged = true;
    judged.path = ks_detector_path(detector, trace);
    ks_copy(judged.model, detector->hash, sizeof judged.model);
    if (ks_forest_is_anomaly(detector->forest, judged.path)) {
        ks_buf_init(&document, KS_DETECTION_BYTES_MAX);
        ks_detector_judge(detector, trace, &alerts->detection);
        ks_detection_write(&alerts->detection, &document);
        judged.judged = document.err == KS_OK &&
                        ks_bytes_dup(ks_buf_view(&document), &judged.document) == KS_OK;
        judged.document_len = document.len;
        ks_buf_done(&document);
        log_alert(&alerts->detection);
    }
    *out_judged = judged;
    return judged.document != NULL;
}

enum ks_err ks_judged_put(const struct ks_judged *judged, uint64_t number,
                          struct ks_store *store)
{
    struct ks_store_detection detection = {
        .path = judged->path, .document = ks_bytes_of(judged->document, judged->document_len)};

    if (!judged->judged || number == 0) {
        return KS_OK;
    }
    ks_copy(detection.model, judged->model, sizeof detection.model);
    return ks_store_detection_put(store, number, &detection);
}

/* --- entries of no job -------------------------------------------------------------------- */

void ks_task_answer_entry(struct ks_site_server *server, struct ks_task *task)
{
    if (task->request != NULL) { /* else nobody asked for it: an alert led to it */
        ks_reply_json(task->request, 200, ks_buf_view(&task->record));
        task->request = NULL;
    }
    ks_task_free(server, task);
}

enum ks_err ks_task_suspect_put(struct ks_site_server *server, const struct ks_task *task)
{
    return !task->suspect ? KS_OK
                          : ks_store_suspect_put(server->store, task->job.result_index,
                                                 task->job.device, ks_clock_us());
}

/* An entry that the enclave tells of: into the ledger next, and, of a contribution that stands
 * out, among the alerts. */
static enum ks_err take_entry(struct ks_site_server *server, struct ks_bytes entry)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_suspect suspect;
    struct ks_task *task = ks_task_new(server, NULL);

    KS_CHECK(task != NULL, KS_ERR_UNAVAILABLE, "too many requests are waiting");
    if (ks_entry_suspect_read(entry, &doc, &suspect) == KS_OK) { /* else of a device's state */
        task->suspect = true;
        ks_copy(task->job.device, suspect.device.data, suspect.device.len);
        task->job.device[suspect.device.len] = '\0';
    }
    ks_buf_put(&task->entry, entry);
    task->state = KS_TASK_ENTRY;
    if (task->entry.err != KS_OK) {
        err = ks_buf_check(&task->entry);
        ks_task_free(server, task);
    }
out:
    ks_json_doc_free(doc);
    return err;
}

enum ks_err ks_site_fl_alerts(struct ks_site_server *server, struct ks_reader *answer)
{
    enum ks_err err = KS_OK;
    uint16_t count = 0;

    KS_TRY(ks_read_u16(answer, &count));
    for (uint16_t i = 0; i < count; i++) {
        struct ks_bytes entry = {0};

        KS_TRY(ks_read_lp16(answer, KS_ENTRY_BYTES_MAX, &entry));
        if (take_entry(server, entry) != KS_OK) {
            ks_log_failure("alert.lost", ks_fail(KS_ERR_UNAVAILABLE, "%s", ks_err_detail()));
        }
    }
out:
    return err;
}

/* --- jobs --------------------------------------------------------------------------------- */

void ks_task_alert(struct ks_site_server *server, struct ks_task *task,
                   const struct ks_judged *judged)
{
    const struct ks_detection *detection = &server->traces.alerts.detection;
    const size_t carriers = ks_detection_carriers(detection);
    struct ks_alert alert = {.device = ks_bytes_text(task->job.device),
                             .intent_index = task->job.intent_index,
                             .score = detection->score};

    KS_ASSERT(task->request == NULL);
    ks_copy(alert.model, detection->model, sizeof alert.model);
    ks_sha256(ks_bytes_of(judged->document, judged->document_len), alert.detection);
    while (alert.reason_count < KS_ALERT_REASONS_MAX && alert.reason_count < carriers) {
        alert.reasons[alert.reason_count] =
            ks_bytes_text(detection->reasons[alert.reason_count].feature);
        alert.reason_count++;
    }
    ks_buf_clear(&task->record);
    ks_buf_clear(&task->entry);
    ks_entry_alert_write(&alert, &task->entry);
    task->fetched = true; /* whoever asks for the job gets what is in the store */
    task->state = KS_TASK_ALERT;
    if (task->entry.err != KS_OK) {
        ks_log_failure("alert.lost", ks_buf_check(&task->entry));
        ks_task_free(server, task);
    }
}

/* The enclave's answer: an entry where the device is suspended now. */
static void step_counted(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                         struct ks_reader *answer)
{
    struct ks_bytes entry = {0};
    uint32_t alerts = 0;

    KS_TRY(err);
    KS_TRY(ks_read_u32(answer, &alerts));
    KS_TRY(ks_read_lp16(answer, KS_ENTRY_BYTES_MAX, &entry));
    KS_TRY(ks_read_end(answer));
    ks_buf_clear(&task->entry);
    ks_buf_put(&task->entry, entry);
    KS_TRY(ks_buf_check(&task->entry));
out:
    if (err != KS_OK) {
        ks_log_failure("alert.uncounted", err);
    }
    if (err == KS_OK && entry.len > 0) {
        task->state = KS_TASK_ENTRY;
    } else {
        ks_task_free(server, task);
    }
}

void ks_task_alert_kept(struct ks_site_server *server, struct ks_task *task)
{
    if (server->traces.alerts.suspends) {
        task->state = KS_TASK_ASKED;
        ks_task_ask(server, task, KS_FRAME_ALERT, ks_bytes_text(task->job.id), step_counted);
    } else {
        ks_task_free(server, task);
    }
}
