/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl history, fl devices: how a session of federated learning went, and who took part. */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/figure.h"
#include "cli/history.h"
#include "cli/learning.h"
#include "cli/pages.h"
#include "record/fl.h"

#define TARGET_MAX   192
#define OUTPUT_MAX   ((size_t)256 << 20)
#define LIST_MAX     ((size_t)40 << 20) /* bytes of what a site says of one round's updates */
#define PAGE_DEVICES 1000

/* --- each device's loss ------------------------------------------------------------------- */

/* Losses of single devices: loss[i] in round[i]. */
struct losses {
    double *round;
    double *loss;
    size_t count;
    size_t max;
};

static enum ks_err add_loss(struct losses *losses, double round, double loss)
{
    enum ks_err err = KS_OK;
    const size_t max = 2 * losses->max + 1024;
    double *more = NULL;

    if (losses->count == losses->max) {
        more = ks_realloc(losses->round, max, sizeof *more);
        KS_CHECK(more != NULL, KS_ERR_NOMEM, "losses");
        losses->round = more;
        more = ks_realloc(losses->loss, max, sizeof *more);
        KS_CHECK(more != NULL, KS_ERR_NOMEM, "losses");
        losses->loss = more;
        losses->max = max;
    }
    losses->round[losses->count] = round;
    losses->loss[losses->count++] = loss;
out:
    return err;
}

static enum ks_err read_list(struct ks_bytes list, double round, struct losses *losses)
{
    static const struct ks_json_limits limits = {.len_max = LIST_MAX, .nodes_max = 1 << 21};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *updates = NULL;
    const struct ks_json *number = NULL;
    double loss = 0;

    KS_TRY(ks_json_parse(list, &limits, &doc));
    KS_TRY(ks_json_get(ks_json_root(doc), "updates", KS_JSON_ARRAY, &updates));
    for (size_t i = 0; i < ks_json_count(updates); i++) {
        KS_TRY(ks_json_get(ks_json_at(updates, i), "loss", KS_JSON_NUMBER, &number));
        KS_TRY(ks_json_double(number, &loss));
        KS_TRY(add_loss(losses, round, loss));
    }
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the updates of round %.0f", round);
}

/* Of at most KS_PLOT_CATEGORIES_MAX ended rounds, evenly, what their lists say; a round whose
 * list the site has not is left out. */
static enum ks_err fetch_losses(const struct ks_cli *cli, struct ks_operator *op,
                                const struct ks_history *history, struct losses *losses)
{
    enum ks_err err = KS_OK;
    const size_t wanted = history->count < KS_PLOT_CATEGORIES_MAX
                              ? history->count
                              : (size_t)KS_PLOT_CATEGORIES_MAX;
    struct ks_buf list;
    char target[TARGET_MAX];

    ks_buf_init(&list, LIST_MAX);
    for (size_t i = 0; i < wanted; i++) {
        const uint64_t round = history->rows[i * history->count / wanted].round;

        ks_buf_clear(&list);
        (void)snprintf(target, sizeof target, "/v1/fl/sessions/%s/rounds/%llu/updates",
                       cli->operands[0], (unsigned long long)round);
        err = ks_operator_get(op, target, &list);
        KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
        if (list.len > 0) {
            KS_TRY(read_list(ks_buf_view(&list), (double)round, losses));
        }
    }
out:
    ks_buf_done(&list);
    return err;
}

static enum ks_err write_devices(const struct ks_cli *cli, struct ks_operator *op,
                                 const struct ks_history *history)
{
    enum ks_err err = KS_OK;
    const char *directory = ks_cli_text(cli, "out");
    struct losses losses = {NULL};
    struct ks_plot_cloud cloud = {.name = "devices", .label = "devices"};
    char subtitle[160];
    const struct ks_plot plot = {
        .shape = KS_PLOT_BOXES,
        .name = "fl_device_loss",
        .title = "Loss of each device by round",
        .subtitle = subtitle,
        .kind = "series",
        .x = {"Round", "", "round", KS_FIGURE_LINEAR},
        .y = {"Loss of a device", "", "loss", KS_FIGURE_LINEAR},
        .clouds = &cloud,
        .count = 1,
    };

    (void)snprintf(subtitle, sizeof subtitle, "session %s; as devices say", history->session);
    KS_TRY(fetch_losses(cli, op, history, &losses));
    if (losses.count == 0) {
        ks_cli_progress(cli, "the site has no list of updates: no figure of devices");
    } else {
        cloud.x = losses.round;
        cloud.y = losses.loss;
        cloud.count = losses.count;
        KS_TRY(ks_plot_write_table(&plot, directory));
        KS_TRY(ks_cli_switch(cli, "no-figure") ? KS_OK : ks_plot_draw(&plot, directory));
    }
out:
    ks_free(losses.round);
    ks_free(losses.loss);
    return err;
}

/* --- history ------------------------------------------------------------------------------ */

static enum ks_err write_files(const struct ks_cli *cli, struct ks_operator *op,
                               const struct ks_history *history)
{
    enum ks_err err = KS_OK;
    const char *csv = ks_cli_text(cli, "csv");
    const char *directory = ks_cli_text(cli, "out");
    struct ks_buf table;

    ks_buf_init(&table, OUTPUT_MAX);
    if (csv != NULL) {
        ks_history_put_csv(history, &table);
        KS_TRY(ks_buf_check(&table));
        KS_TRY(ks_cli_output(csv, NULL, ks_buf_view(&table)));
    }
    if (directory != NULL) {
        KS_CHECK(history->count > 0, KS_ERR_NOT_FOUND, "no round has ended yet: no figures");
        KS_TRY(ks_dir_make(directory, 0755));
        KS_TRY(ks_history_write_figures(history, directory, !ks_cli_switch(cli, "no-figure")));
        KS_TRY(write_devices(cli, op, history));
    }
out:
    ks_buf_done(&table);
    return err;
}

enum ks_err ks_command_fl_history(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    struct ks_history history = {.rows = NULL};
    const char *csv = ks_cli_text(cli, "csv");
    struct ks_buf text;

    ks_buf_init(&text, OUTPUT_MAX);
    KS_CHECK(!cli->json || csv == NULL || strcmp(csv, "-") != 0, KS_ERR_USAGE,
             "--csv, --json: only one of them to standard output");
    if (ks_cli_text(cli, "out") != NULL && !ks_cli_switch(cli, "no-figure")) {
        KS_TRY(ks_fail_prefix(ks_figure_check(), "--no-figure writes the tables alone"));
    }
    KS_TRY(ks_learning_open(cli, &op));
    KS_TRY(ks_history_fetch(op, cli->operands[0], &history));
    KS_TRY(write_files(cli, op, &history));
    if (cli->json) {
        ks_history_put_json(&history, &text);
        KS_TRY(ks_cli_print_json(&text));
    } else if (csv == NULL || strcmp(csv, "-") != 0) {
        ks_history_put_text(&history, &text);
        KS_TRY(ks_buf_check(&text));
        ks_cli_print_bytes(ks_buf_view(&text));
    }
out:
    ks_operator_close(op);
    ks_history_done(&history);
    ks_buf_done(&text);
    return err;
}

/* --- devices ------------------------------------------------------------------------------ */

static enum ks_err print_device(const struct ks_json *device)
{
    enum ks_err err = KS_OK;
    struct ks_bytes name = {0};
    struct ks_bytes standing = {0};
    const struct ks_json *loss = ks_json_find(device, "loss");
    uint64_t numbers[3] = {0};
    double value = 0;
    char shown[32] = "-";

    KS_TRY(ks_json_get_string(device, "device", &name));
    KS_TRY(ks_json_get_string(device, "standing", &standing));
    KS_TRY(ks_json_get_u64(device, "invited", KS_FL_ROUNDS_MAX, &numbers[0]));
    KS_TRY(ks_json_get_u64(device, "last", KS_FL_ROUNDS_MAX, &numbers[1]));
    KS_TRY(ks_json_get_u64(device, "updates", KS_FL_ROUNDS_MAX, &numbers[2]));
    KS_CHECK(ks_text_is_name(name, KS_DEVICE_ID_MAX) &&
                 ks_text_is_name(standing, KS_HISTORY_WORD_MAX),
             KS_ERR_FORMAT, "a device without a name");
    if (loss != NULL) {
        KS_TRY(ks_json_double(loss, &value));
        (void)snprintf(shown, sizeof shown, "%.6g", value);
    }
    ks_cli_print("%-24.*s %-10.*s %7llu %7llu %7llu %12s\n", (int)name.len,
                 (const char *)name.data, (int)standing.len, (const char *)standing.data,
                 (unsigned long long)numbers[0], (unsigned long long)numbers[1],
                 (unsigned long long)numbers[2], shown);
out:
    return err;
}

enum ks_err ks_command_fl_devices(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    char path[TARGET_MAX];
    char head[96];
    const struct ks_pages pages = {.path = path,
                                   .limit = PAGE_DEVICES,
                                   .most = KS_FL_DEVICES_MAX,
                                   .items = "devices",
                                   .named = true};
    const struct ks_pages_shown shown = {.print = print_device,
                                         .head = head,
                                         .schema = "ketseal.fl-devices/1",
                                         .session = cli->operands[0]};

    KS_TRY(ks_learning_open(cli, &op));
    (void)snprintf(path, sizeof path, "/v1/fl/sessions/%s/devices", cli->operands[0]);
    (void)snprintf(head, sizeof head, "%-24s %-10s %7s %7s %7s %12s", "device", "standing",
                   "invited", "last", "updates", "loss");
    KS_TRY(ks_pages_print(cli, op, &pages, &shown));
out:
    ks_operator_close(op);
    return err;
}
