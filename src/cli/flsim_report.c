/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/flsim_report.h"

#include <stdlib.h>

#include "base/sys.h"
#include "base/table.h"
#include "base/text.h"
#include "cli/figure.h"

#define TABLE_MAX ((size_t)1 << 30)
#define LOSSES    ((size_t)1 << 20) /* of one figure */

/* One update's loss, for the figure. */
struct loss {
    uint64_t round;
    double value;
    size_t client; /* of those that were seen first */
};

struct reporting {
    struct ks_buf rounds;
    struct ks_buf clients;
    struct loss *losses;
    size_t losses_count;
    size_t losses_room;
    struct ks_figure_point *worth; /* accuracy, or the loss on what is tested */
    size_t worth_count;
    bool classes;
    struct ks_figure_point *invited;
    struct ks_figure_point *counted;
    struct ks_figure_point *left;
    size_t rounds_count;
    size_t rounds_room;
    char names[KS_FLSIM_SERIES_CLIENTS + 1][KS_FL_CLIENT_NAME_MAX + 1];
    size_t names_count; /* over KS_FLSIM_SERIES_CLIENTS: more than are told apart */
};

static void reporting_done(struct reporting *reporting)
{
    ks_buf_done(&reporting->rounds);
    ks_buf_done(&reporting->clients);
    ks_free(reporting->losses);
    ks_free(reporting->worth);
    ks_free(reporting->invited);
    ks_free(reporting->counted);
    ks_free(reporting->left);
}

/* --- tables ------------------------------------------------------------------------------- */

static void put_double(struct ks_buf *out, double value)
{
    char text[KS_DOUBLE_TEXT_MAX];

    (void)ks_double_text(value, text);
    ks_buf_put_text(out, text);
}

static void put_numbers(struct ks_buf *out, const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ks_buf_put_format(out, ",%llu", (unsigned long long)numbers[i]);
    }
}

static size_t client_of(struct reporting *reporting, struct ks_bytes name)
{
    for (size_t i = 0; i < reporting->names_count && i <= KS_FLSIM_SERIES_CLIENTS; i++) {
        if (ks_bytes_is(name, reporting->names[i])) {
            return i;
        }
    }
    if (reporting->names_count <= KS_FLSIM_SERIES_CLIENTS &&
        name.len <= KS_FL_CLIENT_NAME_MAX) {
        ks_copy(reporting->names[reporting->names_count], name.data, name.len);
        return reporting->names_count++;
    }
    return KS_FLSIM_SERIES_CLIENTS;
}

static enum ks_err keep_loss(struct reporting *reporting, uint64_t round, double loss,
                             size_t client)
{
    if (reporting->losses_count == LOSSES) {
        return KS_OK; /* the figure shows the first ones; the table has all */
    }
    if (reporting->losses_count == reporting->losses_room) {
        const size_t room = reporting->losses_room == 0 ? 1024 : 2 * reporting->losses_room;
        struct loss *grown = ks_realloc(reporting->losses, room, sizeof *grown);

        if (grown == NULL) {
            return ks_fail(KS_ERR_NOMEM, "%zu losses", room);
        }
        reporting->losses = grown;
        reporting->losses_room = room;
    }
    reporting->losses[reporting->losses_count++] = (struct loss){round, loss, client};
    return KS_OK;
}

static enum ks_err take_update(void *context, const struct ks_flsim_update_record *record)
{
    struct reporting *reporting = context;
    struct ks_buf *out = &reporting->clients;
    const uint64_t numbers[] = {record->version, record->samples, record->steps,
                                record->length};

    ks_buf_put_format(out, "%llu,", (unsigned long long)record->round);
    ks_table_put_cell(out, true, record->client);
    put_numbers(out, numbers, sizeof numbers / sizeof numbers[0]);
    ks_buf_put_text(out, ",");
    put_double(out, record->loss);
    ks_buf_put_text(out, ",");
    put_double(out, record->norm);
    ks_buf_put_text(out, ",");
    put_double(out, record->suspicion);
    ks_table_put_cell(out, false, record->reason);
    ks_buf_put_text(out, ",");
    put_double(out, record->share);
    ks_buf_put_text(out, record->attacks ? ",1\n" : ",0\n");
    return keep_loss(reporting, record->round, record->loss,
                     client_of(reporting, record->client));
}

static enum ks_err make_room(struct reporting *reporting)
{
    const size_t room = reporting->rounds_room == 0 ? 64 : 2 * reporting->rounds_room;
    struct ks_figure_point **arrays[] = {&reporting->worth, &reporting->invited,
                                         &reporting->counted, &reporting->left};

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        struct ks_figure_point *grown = ks_realloc(*arrays[i], room, sizeof *grown);

        if (grown == NULL) {
            return ks_fail(KS_ERR_NOMEM, "%zu rounds", room);
        }
        *arrays[i] = grown;
    }
    reporting->rounds_room = room;
    return KS_OK;
}

static struct ks_figure_point point(uint64_t round, double value)
{
    return (struct ks_figure_point){(double)round, value, value, value};
}

static enum ks_err take_round(void *context, const struct ks_flsim_round_record *record)
{
    enum ks_err err = KS_OK;
    struct reporting *reporting = context;
    struct ks_buf *out = &reporting->rounds;
    const struct ks_flsim_metric *metric = &record->metric;
    const uint64_t numbers[] = {record->invited, record->count,   record->left,
                                record->refused, record->samples, record->uploaded};

    ks_buf_put_format(out, "%llu", (unsigned long long)record->round);
    ks_table_put_cell(out, false, record->outcome);
    put_numbers(out, numbers, sizeof numbers / sizeof numbers[0]);
    ks_buf_put_text(out, ",");
    put_double(out, record->loss);
    ks_buf_put_text(out, ",");
    if (metric->known) {
        put_double(out, metric->loss);
    }
    ks_buf_put_text(out, ",");
    if (metric->known && metric->classes) {
        put_double(out, metric->accuracy);
    }
    ks_buf_put_text(out, ",");
    put_double(out, (double)(record->finished_us - record->started_us) / 1e6);
    ks_buf_put_text(out, ",");
    ks_buf_put_hex(out, KS_BYTES(record->model));
    ks_buf_put_text(out, "\n");
    if (reporting->rounds_count == reporting->rounds_room) {
        KS_TRY(make_room(reporting));
    }
    if (metric->known) {
        reporting->classes = metric->classes;
        reporting->worth[reporting->worth_count++] =
            point(record->round, metric->classes ? 100 * metric->accuracy : metric->loss);
    }
    reporting->invited[reporting->rounds_count] = point(record->round, (double)record->invited);
    reporting->counted[reporting->rounds_count] = point(record->round, (double)record->count);
    reporting->left[reporting->rounds_count] = point(record->round, (double)record->left);
    reporting->rounds_count++;
out:
    return err;
}

/* --- figures ------------------------------------------------------------------------------ */

static const struct ks_figure_axis by_round = {"Round", "", "round", KS_FIGURE_LINEAR};

static enum ks_err write_figure(const struct ks_flsim_report *report,
                                const struct ks_figure *figure)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_figure_write_table(figure, report->directory));
    KS_TRY(report->draw ? ks_figure_draw(figure, report->directory) : KS_OK);
out:
    return err;
}

static enum ks_err draw_worth(const struct ks_flsim_report *report,
                              const struct reporting *reporting)
{
    const struct ks_figure_series series = {.name = "global",
                                            .label = "global model",
                                            .points = reporting->worth,
                                            .count = reporting->worth_count};
    const struct ks_figure figure = {
        .name = reporting->classes ? "accuracy_by_round" : "loss_by_round",
        .title = reporting->classes ? "Accuracy by round" : "Loss on held-out data by round",
        .subtitle = report->subtitle,
        .kind = "model",
        .x = by_round,
        .y = reporting->classes ? (struct ks_figure_axis){"Accuracy", "%", "accuracy_percent",
                                                          KS_FIGURE_LINEAR}
                                : (struct ks_figure_axis){"Loss", "", "loss", KS_FIGURE_LINEAR},
        .series = &series,
        .count = 1};

    return reporting->worth_count == 0 ? KS_OK : write_figure(report, &figure);
}

static enum ks_err draw_participation(const struct ks_flsim_report *report,
                                      const struct reporting *reporting)
{
    const size_t count = reporting->rounds_count;
    const struct ks_figure_series series[] = {
        {.name = "invited", .label = "invited", .points = reporting->invited, .count = count},
        {.name = "counted", .label = "counted", .points = reporting->counted, .count = count},
        {.name = "left", .label = "left", .points = reporting->left, .count = count}};
    const struct ks_figure figure = {.name = "participation",
                                     .title = "Participation by round",
                                     .subtitle = report->subtitle,
                                     .kind = "clients",
                                     .x = by_round,
                                     .y = {"Clients", "", "clients", KS_FIGURE_LINEAR},
                                     .series = series,
                                     .count = sizeof series / sizeof series[0]};

    return write_figure(report, &figure);
}

static int by_round_and_value(const void *left, const void *right)
{
    const struct loss *a = left;
    const struct loss *b = right;

    return a->round != b->round ? (a->round > b->round) - (a->round < b->round)
                                : (a->value > b->value) - (a->value < b->value);
}

/* Of each round the median loss, with a bar from the tenth to the ninth in ten. */
static size_t spread_losses(struct reporting *reporting, struct ks_figure_point *points)
{
    struct loss *losses = reporting->losses;
    size_t count = 0;

    qsort(losses, reporting->losses_count, sizeof *losses, by_round_and_value);
    for (size_t begin = 0; begin < reporting->losses_count;) {
        size_t end = begin;

        while (end < reporting->losses_count && losses[end].round == losses[begin].round) {
            end++;
        }
        points[count++] = (struct ks_figure_point){
            (double)losses[begin].round, losses[begin + (end - begin) / 2].value,
            losses[begin + (end - begin) / 10].value,
            losses[begin + (end - begin - 1) * 9 / 10].value};
        begin = end;
    }
    return count;
}

/* Few clients have a line each. */
static size_t part_losses(const struct reporting *reporting, struct ks_figure_point *points,
                          struct ks_figure_series *series)
{
    size_t used = 0;

    for (size_t client = 0; client < reporting->names_count; client++) {
        series[client] = (struct ks_figure_series){.name = reporting->names[client],
                                                   .label = reporting->names[client],
                                                   .points = points + used};
        for (size_t i = 0; i < reporting->losses_count; i++) {
            if (reporting->losses[i].client == client) {
                points[used++] = point(reporting->losses[i].round, reporting->losses[i].value);
                series[client].count++;
            }
        }
    }
    return reporting->names_count;
}

static enum ks_err draw_losses(const struct ks_flsim_report *report,
                               struct reporting *reporting)
{
    enum ks_err err = KS_OK;
    struct ks_figure_point *points = ks_calloc(reporting->losses_count + 1, sizeof *points);
    struct ks_figure_series series[KS_FLSIM_SERIES_CLIENTS] = {
        {.name = "clients", .label = "median, 10 to 90 % of clients", .points = points}};
    struct ks_figure figure = {.name = "client_loss",
                               .title = "Loss of clients' training by round",
                               .subtitle = report->subtitle,
                               .kind = "client",
                               .x = by_round,
                               .y = {"Loss", "", "loss", KS_FIGURE_LINEAR},
                               .series = series,
                               .count = 1};

    KS_CHECK(points != NULL, KS_ERR_NOMEM, "%zu losses", reporting->losses_count);
    if (reporting->losses_count > 0) {
        if (reporting->names_count <= KS_FLSIM_SERIES_CLIENTS) {
            figure.count = part_losses(reporting, points, series);
        } else {
            series[0].count = spread_losses(reporting, points);
        }
        KS_TRY(write_figure(report, &figure));
    }
out:
    ks_free(points);
    return err;
}

/* --- both --------------------------------------------------------------------------------- */

static enum ks_err write_table(const char *directory, const char *name, struct ks_buf *table)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_buf_check(table));
    KS_TRY(ks_path_join(directory, name, path));
    KS_TRY(ks_file_write(path, ks_buf_view(table), 0644));
out:
    return err;
}

enum ks_err ks_flsim_report(const struct ks_flsim_report *report,
                            struct ks_flsim_checked *out_checked)
{
    enum ks_err err = KS_OK;
    struct reporting reporting = {.losses = NULL};
    const struct ks_flsim_visitor visitor = {&reporting, take_update, take_round};

    ks_buf_init(&reporting.rounds, TABLE_MAX);
    ks_buf_init(&reporting.clients, TABLE_MAX);
    ks_buf_put_text(&reporting.rounds,
                    "round,outcome,invited,counted,left,refused,samples,uploaded_bytes,"
                    "train_loss,test_loss,accuracy,seconds,model\n");
    ks_buf_put_text(&reporting.clients, "round,client,version,samples,steps,sealed_bytes,loss,"
                                        "norm,suspicion,reason,share,attacks\n");
    KS_TRY(ks_fail_prefix(ks_flsim_records_visit(report->records, &visitor, out_checked),
                          "the session's records"));
    KS_TRY(write_table(report->directory, "rounds.csv", &reporting.rounds));
    KS_TRY(write_table(report->directory, "clients.csv", &reporting.clients));
    if (reporting.rounds_count > 0) {
        KS_TRY(draw_worth(report, &reporting));
        KS_TRY(draw_participation(report, &reporting));
        KS_TRY(draw_losses(report, &reporting));
    }
out:
    reporting_done(&reporting);
    return err;
}

enum ks_err ks_flsim_report_sites(const char *directory, const struct ks_flsim_site *sites,
                                  size_t count)
{
    enum ks_err err = KS_OK;
    struct ks_buf table;

    ks_buf_init(&table, TABLE_MAX);
    ks_buf_put_text(&table, "site,samples,federated,local,local_best,as_now,as_the_mean\n");
    for (size_t i = 0; i < count; i++) {
        const double figures[] = {sites[i].federated, sites[i].local, sites[i].local_best,
                                  sites[i].persistence, sites[i].mean};

        ks_table_put_cell(&table, true, ks_bytes_text(sites[i].name));
        ks_buf_put_format(&table, ",%zu", sites[i].samples);
        for (size_t k = 0; k < sizeof figures / sizeof figures[0]; k++) {
            ks_buf_put_text(&table, ",");
            put_double(&table, figures[k]);
        }
        ks_buf_put_text(&table, "\n");
    }
    KS_TRY(write_table(directory, "sites.csv", &table));
out:
    ks_buf_done(&table);
    return err;
}
