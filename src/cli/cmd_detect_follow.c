/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* detect follow: judges the rows of a CSV stream as they come, and trains anew as it goes
 * (detect/drift.h). Each row has its line of output before the next one is read; the state,
 * where one is kept, covers the rows whose lines are out, and no others. */

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/dataset.h"
#include "cli/flags.h"
#include "cli/model.h"
#include "cli/stop.h"
#include "detect/drift.h"

#define LINE_MAX_BYTES ((size_t)1 << 20) /* of a record of the stream */
#define READ_BYTES     65536
#define OUT_BYTES      ((size_t)1 << 18)

const struct ks_flag ks_detect_follow_flags[] = {
    {"model", KS_FLAG_TEXT, "FILE", "the first model; not needed where the state is there",
     NULL, false},
    {"window", KS_FLAG_NUMBER, "N", "last rows that a new model is grown from, 64 to 16384",
     "2048", false},
    {"every", KS_FLAG_NUMBER, "N", "rows between two trainings; 0: on drift alone", "0", false},
    {"batch", KS_FLAG_NUMBER, "N", "rows of a test for drift, from 64; 0: no test", "256",
     false},
    {"significance", KS_FLAG_TEXT, "P", "probability of drift found where there is none",
     "0.001", false},
    {"delay", KS_FLAG_NUMBER, "N", "rows that the old model still judges when one is due", "0",
     false},
    {"trees", KS_FLAG_NUMBER, "N", "trees of a new model", "100", false},
    {"sample", KS_FLAG_NUMBER, "N", "rows that each tree grows from, 2 to 256", "256", false},
    {"seed", KS_FLAG_NUMBER, "N", "seed that those of new models follow from", "1", false},
    {"contamination", KS_FLAG_TEXT, "SHARE",
     "share of its rows that a new model calls anomalies, 0 to 0.5", "0.01", false},
    {"state", KS_FLAG_TEXT, "FILE", "kept here; where it is there it says all of the above",
     NULL, false},
    {"models", KS_FLAG_TEXT, "FOLDER", "each new model is kept here, by its hash", NULL, false},
    {"ignore", KS_FLAG_MANY, "COLUMN", "a column that is no feature; may be repeated", NULL,
     false},
    {"kind", KS_FLAG_TEXT, "COLUMN", "names what kind of anomaly a row is", NULL, false},
    {"label", KS_FLAG_TEXT, "COLUMN", "1 for an anomaly, 0 for none; never a feature", NULL,
     false},
    {NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false},
};

struct follow {
    struct ks_cli *cli;
    struct ks_drift *drift;
    int fd;
    int stop;
    struct ks_buf in;
    size_t searched; /* bytes of IN behind which the end of its first record lies */
    bool quoted;     /* a cell is open at SEARCHED */
    bool ended;      /* there is nothing more to read */
    struct ks_buf header;
    struct ks_drift_step step;
};

static void follow_done(struct follow *follow)
{
    ks_drift_free(follow->drift);
    ks_fd_close(&follow->fd);
    ks_fd_close(&follow->stop);
    ks_buf_done(&follow->in);
    ks_buf_done(&follow->header);
}

/* --- the stream --------------------------------------------------------------------------- */

/* Whether a whole record stands at the start of IN; SEARCHED is then its length. Lines end
 * outside of quotes alone (RFC 4180 §2); what quotes mean inside is the table's to say. */
static bool find_record(struct follow *follow)
{
    while (follow->searched < follow->in.len) {
        const uint8_t byte = follow->in.data[follow->searched++];

        if (byte == '"') {
            follow->quoted = !follow->quoted;
        }
        if (byte == '\n' && !follow->quoted) {
            return true;
        }
    }
    return follow->ended && follow->in.len > 0;
}

/* Reads more, or sees the end; *OUT_STOPPED: it was told to stop. */
static enum ks_err read_more(struct follow *follow, bool *out_stopped)
{
    enum ks_err err = KS_OK;
    struct pollfd fds[] = {{.fd = follow->fd, .events = POLLIN},
                           {.fd = follow->stop, .events = POLLIN}};
    uint8_t *room = NULL;
    ssize_t got = 0;

    KS_CHECK(follow->in.len < LINE_MAX_BYTES, KS_ERR_LIMIT, "%s: a line over %zu bytes",
             follow->cli->operands[0], LINE_MAX_BYTES);
    KS_CHECK(poll(fds, 2, -1) >= 0 || errno == EINTR, KS_ERR_IO, "poll: %s", strerror(errno));
    *out_stopped = fds[1].revents != 0;
    if (*out_stopped || fds[0].revents == 0) {
        return KS_OK;
    }
    room = ks_buf_reserve(&follow->in, READ_BYTES);
    KS_TRY(ks_buf_check(&follow->in));
    got = read(follow->fd, room, READ_BYTES);
    KS_CHECK(got >= 0 || errno == EINTR, KS_ERR_IO, "read '%s': %s", follow->cli->operands[0],
             strerror(errno));
    follow->ended = got == 0;
    ks_buf_grew(&follow->in, got > 0 ? (size_t)got : 0);
out:
    return err;
}

/* --- lines of output ---------------------------------------------------------------------- */

static void put_number(struct ks_buf *out, double value)
{
    char text[KS_DOUBLE_TEXT_MAX];

    ks_buf_put(out, ks_bytes_of(text, ks_double_text(value, text)));
}

static void put_csv(const struct follow *follow, struct ks_buf *out)
{
    const struct ks_detection *detection = &follow->step.detection;

    ks_buf_put_format(out, "%llu,", (unsigned long long)ks_drift_rows(follow->drift));
    put_number(out, detection->score);
    ks_buf_put_format(out, ",%u,%d,", detection->path, detection->is_anomaly ? 1 : 0);
    ks_buf_put_hex(out, KS_BYTES(detection->model));
    ks_buf_put_text(out, ",");
    if (detection->is_anomaly) {
        ks_table_put_cell(out, true, ks_bytes_text(detection->reasons[0].feature));
        ks_buf_put_text(out, ",");
        put_number(out, detection->reasons[0].robust_z);
    } else {
        ks_buf_put_text(out, ",");
    }
    ks_buf_put_text(out, "\n");
}

static enum ks_err put_json(const struct follow *follow, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct ks_drift_step *step = &follow->step;
    struct ks_json_writer writer = ks_json_writer_of(out);
    struct ks_buf detection;

    ks_buf_init(&detection, KS_DETECTION_BYTES_MAX);
    ks_detection_write(&step->detection, &detection);
    KS_TRY(ks_buf_check(&detection));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "detection");
    ks_json_put_canonical(&writer, ks_buf_view(&detection));
    ks_json_put_key(&writer, "distance");
    if (step->tested) {
        ks_json_put_double(&writer, step->distance);
    } else {
        ks_json_put_null(&writer);
    }
    ks_json_member_bool(&writer, "drifted", step->drifted);
    ks_json_member_bool(&writer, "due", step->due);
    ks_json_member_bool(&writer, "handed_over", step->handed_over);
    ks_json_member_u64(&writer, "row", ks_drift_rows(follow->drift));
    ks_json_member_text(&writer, "schema", "ketseal.detect-follow/1");
    ks_json_member_bool(&writer, "untrainable", step->untrainable);
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
out:
    ks_buf_done(&detection);
    return err;
}

/* What happened besides, for who watches. */
static void tell(const struct follow *follow)
{
    const struct ks_drift_step *step = &follow->step;
    const unsigned long long row = ks_drift_rows(follow->drift);
    char hash[2 * KS_FOREST_HASH_LEN + 1];

    if (step->handed_over) {
        ks_hex_encode(KS_BYTES(step->detection.model), hash);
        ks_cli_progress(follow->cli, "row %llu: the first of model %s", row, hash);
    }
    if (step->untrainable) {
        ks_cli_progress(follow->cli,
                        "row %llu: nothing varied in the rows before: the old "
                        "model stays",
                        row);
    }
    if (step->drifted) {
        ks_cli_progress(follow->cli, "row %llu: drift, distance %.3f", row, step->distance);
    }
    if (step->due) {
        ks_cli_progress(follow->cli, "row %llu: a new model is due", row);
    }
}

static enum ks_err print_row(const struct follow *follow)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;

    ks_buf_init(&out, OUT_BYTES);
    if (follow->cli->json) {
        KS_TRY(put_json(follow, &out));
    } else {
        put_csv(follow, &out);
    }
    KS_TRY(ks_buf_check(&out));
    ks_cli_print_bytes(ks_buf_view(&out));
    tell(follow);
out:
    ks_buf_done(&out);
    return err;
}

/* --- state -------------------------------------------------------------------------------- */

static enum ks_err keep_state(const struct follow *follow)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(follow->cli, "state");
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_DRIFT_BYTES_MAX);
    if (path != NULL) {
        KS_TRY(ks_drift_write(follow->drift, &bytes));
        /* First the lines, then the state that says that they are out. */
        KS_CHECK(fflush(stdout) == 0, KS_ERR_IO, "standard output: %s", strerror(errno));
        KS_TRY(ks_file_write(path, ks_buf_view(&bytes), 0600));
    }
out:
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err read_params(const struct ks_cli *cli, struct ks_drift_params *params)
{
    enum ks_err err = KS_OK;
    uint64_t trees = 0;
    uint64_t sample = 0;
    uint64_t rows[4] = {0};
    static const char *const names[] = {"window", "every", "batch", "delay"};

    KS_TRY(ks_cli_number(cli, "trees", KS_FOREST_TREES_MAX, &trees));
    KS_TRY(ks_cli_number(cli, "sample", KS_FOREST_SAMPLE_MAX, &sample));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &params->forest.seed));
    KS_TRY(ks_fail_prefix(
        ks_cli_read_real(ks_cli_text(cli, "contamination"), &params->contamination),
        "--contamination"));
    KS_TRY(ks_fail_prefix(
        ks_cli_read_real(ks_cli_text(cli, "significance"), &params->significance),
        "--significance"));
    for (size_t i = 0; i < 4; i++) {
        KS_TRY(ks_cli_number(cli, names[i], UINT32_MAX, &rows[i]));
    }
    params->forest.trees = (unsigned)trees;
    params->forest.sample = (unsigned)sample;
    params->window = rows[0];
    params->every = rows[1];
    params->batch = rows[2];
    params->delay = rows[3];
out:
    return err;
}

/* The state that is there, or a new one that begins with the model. */
static enum ks_err open_drift(struct follow *follow)
{
    enum ks_err err = KS_OK;
    const char *state = ks_cli_text(follow->cli, "state");
    const char *model = ks_cli_text(follow->cli, "model");
    struct ks_drift_params params = {0};
    struct ks_forest *forest = NULL;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_DRIFT_BYTES_MAX);
    if (state != NULL && access(state, F_OK) == 0) {
        KS_TRY(ks_file_read(state, KS_DRIFT_BYTES_MAX, &bytes));
        KS_TRY(ks_fail_prefix(ks_drift_read(ks_buf_view(&bytes), &follow->drift), "%s", state));
        ks_cli_progress(follow->cli, "goes on behind row %llu",
                        (unsigned long long)ks_drift_rows(follow->drift));
        goto out;
    }
    KS_CHECK(model != NULL, KS_ERR_USAGE, "--model: a stream begins with a model");
    KS_TRY(read_params(follow->cli, &params));
    KS_TRY(ks_cli_model_read(model, &forest));
    KS_TRY(ks_drift_new(&params, forest, &follow->drift));
out:
    ks_buf_done(&bytes);
    return err;
}

/* --- rows --------------------------------------------------------------------------------- */

/* The record of LEN bytes at the start of IN, behind the line of names. */
static enum ks_err judge(struct follow *follow, size_t len)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_table *table = NULL;
    struct ks_dataset dataset = {0};
    const char *models = ks_cli_text(follow->cli, "models");
    bool other = false;
    char name[128];

    ks_buf_init(&text, 2 * (LINE_MAX_BYTES + READ_BYTES));
    (void)snprintf(name, sizeof name, "%.80s, row %llu", follow->cli->operands[0],
                   (unsigned long long)ks_drift_rows(follow->drift) + 1);
    ks_buf_put(&text, ks_buf_view(&follow->header));
    ks_buf_put(&text, ks_bytes_of(follow->in.data, len));
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_table_read(ks_buf_view(&text), name, &table));
    KS_TRY(ks_dataset_is_other(table, ks_drift_model(follow->drift), &other));
    if (other) { /* it judges rows of one workload */
        ks_table_free(table);
        goto out;
    }
    KS_TRY(ks_dataset_of(follow->cli, table, ks_drift_model(follow->drift), &dataset));
    KS_CHECK(dataset.rows.count == 1, KS_ERR_FORMAT, "%s: no row", name);
    KS_TRY(ks_drift_row(follow->drift, dataset.values, &follow->step));
    KS_TRY(print_row(follow));
    if (follow->step.handed_over) {
        KS_TRY(models == NULL ? KS_OK
                              : ks_cli_model_keep(models, ks_drift_model(follow->drift)));
        KS_TRY(keep_state(follow));
    }
out:
    ks_buf_done(&text);
    ks_dataset_done(&dataset);
    return err;
}

static enum ks_err take_record(struct follow *follow)
{
    enum ks_err err = KS_OK;
    const size_t len = follow->searched;

    if (follow->header.len == 0) {
        ks_buf_put(&follow->header, ks_bytes_of(follow->in.data, len));
        if (follow->header.len > 0 && follow->header.data[len - 1] != '\n') {
            ks_buf_put_text(&follow->header, "\n");
        }
        KS_TRY(ks_buf_check(&follow->header));
        if (!follow->cli->json) {
            ks_cli_print("row,score,path,anomaly,model,reason,robust_z\n");
        }
    } else {
        KS_TRY(judge(follow, len));
    }
    ks_buf_consume(&follow->in, len);
    follow->searched = 0;
    follow->quoted = false;
out:
    return err;
}

static enum ks_err follow_stream(struct follow *follow)
{
    enum ks_err err = KS_OK;
    bool stopped = false;

    while (!stopped && (!follow->ended || follow->in.len > 0)) {
        while (find_record(follow)) {
            KS_TRY(take_record(follow));
        }
        (void)fflush(stdout); /* whoever watches reads a pipe */
        if (!follow->ended) {
            KS_TRY(read_more(follow, &stopped));
        }
    }
    KS_CHECK(follow->header.len > 0 || stopped, KS_ERR_FORMAT, "%s: no line of names",
             follow->cli->operands[0]);
out:
    return err;
}

enum ks_err ks_command_detect_follow(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *path = cli->operands[0];
    struct follow *follow = ks_calloc(1, sizeof *follow);

    KS_CHECK(follow != NULL, KS_ERR_NOMEM, "follow");
    *follow = (struct follow){.cli = cli, .fd = -1, .stop = -1};
    ks_buf_init(&follow->in, LINE_MAX_BYTES + READ_BYTES);
    ks_buf_init(&follow->header, LINE_MAX_BYTES + READ_BYTES);
    KS_TRY(open_drift(follow));
    follow->fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                        : open(path, O_RDONLY | O_CLOEXEC);
    KS_CHECK(follow->fd >= 0, errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "open '%s': %s",
             path, strerror(errno));
    KS_TRY(ks_cli_catch_stop(&follow->stop));
    err = follow_stream(follow);
    if (err == KS_OK) {
        err = keep_state(follow);
    } else if (follow->header.len > 0 && err != KS_ERR_IO) {
        /* The rows before the bad one were judged: it is the next one's turn when it is mended.
         */
        (void)keep_state(follow); /* the first failure is the one that is told */
    }
out:
    if (follow != NULL) {
        follow_done(follow);
    }
    ks_free(follow);
    return err;
}
