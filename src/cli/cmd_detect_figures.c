/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* detect figures: how scores spread, where in the data the strange rows lie, and what a
 * duration is by category. */

#include <math.h>
#include <stdio.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/detect.h"
#include "cli/figure.h"

#define JSON_MAX         ((size_t)1 << 20)
#define DRAWN_MAX        6000 /* marks of one cloud in the scatter: more would hide each other */
#define COLUMN_MAX       (KS_FOREST_NAME_MAX + 4)
#define LOGARITHMIC_FROM 20 /* times between least and greatest value */

enum { NORMAL, ANOMALOUS, CLOUDS };

static const char *const names[] = {"anomaly_score_histogram", "score_scatter_3d",
                                    "rtt_boxplot_by_qubits"};

/* What a column is as an axis: its values times FACTOR are in UNIT. */
struct axis {
    size_t column;
    double factor;
    const char *unit;
    enum ks_figure_scale scale;
    char label[COLUMN_MAX];
    char name[COLUMN_MAX];
};

struct cloud {
    double *scores; /* of all its rows */
    size_t count;
    double *x; /* of those rows that have both values; SCORE_OF is theirs */
    double *y;
    double *score_of;
    size_t placed;
};

struct figures {
    struct ks_detect detect;
    const char *directory;
    bool draw;
    bool labelled;
    struct axis x;
    struct axis y;
    struct cloud clouds[CLOUDS];
    char model[64]; /* what the subtitles say of it */
};

static void figures_done(struct figures *figures)
{
    for (size_t c = 0; c < CLOUDS; c++) {
        ks_free(figures->clouds[c].scores);
        ks_free(figures->clouds[c].x);
        ks_free(figures->clouds[c].y);
        ks_free(figures->clouds[c].score_of);
    }
    ks_detect_done(&figures->detect);
}

/* --- axes --------------------------------------------------------------------------------- */

/* Units that columns have as suffixes, and what they are drawn in. */
static const struct {
    const char *suffix;
    const char *unit;
    double factor;
    const char *drawn; /* the suffix of the figure's column */
} units[] = {
    {"_us", "s", 1e-6, "_s"},     {"_ms", "s", 1e-3, "_s"},     {"_s", "s", 1, "_s"},
    {"_bytes", "B", 1, "_bytes"}, {"_bits", "bit", 1, "_bits"},
};

static enum ks_err find_axis(const struct figures *figures, const char *flag,
                             struct axis *out_axis)
{
    enum ks_err err = KS_OK;
    const char *name = ks_cli_text(figures->detect.cli, flag);
    struct ks_bytes stem = ks_bytes_text(name);
    const char *drawn = "";

    *out_axis = (struct axis){.factor = 1, .unit = ""};
    KS_TRY(ks_fail_prefix(ks_table_find(figures->detect.data.table, stem, &out_axis->column),
                          "--%s", flag));
    KS_CHECK(ks_text_is_name(stem, KS_FOREST_NAME_MAX), KS_ERR_USAGE,
             "--%s: '%s' is no name of letters, digits, '-' and '_'", flag, name);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        const struct ks_bytes suffix = ks_bytes_text(units[i].suffix);

        if (stem.len > suffix.len &&
            ks_bytes_equal(ks_bytes_of(stem.data + stem.len - suffix.len, suffix.len),
                           suffix)) {
            stem.len -= suffix.len;
            out_axis->unit = units[i].unit;
            out_axis->factor = units[i].factor;
            drawn = units[i].drawn;
            break;
        }
    }
    (void)snprintf(out_axis->name, sizeof out_axis->name, "%.*s%s", (int)stem.len, name, drawn);
    (void)snprintf(out_axis->label, sizeof out_axis->label, "%.*s", (int)stem.len, name);
    for (char *c = out_axis->label; *c != '\0'; c++) {
        *c = *c == '_' ? ' ' : *c;
    }
    if (out_axis->label[0] >= 'a' && out_axis->label[0] <= 'z') {
        out_axis->label[0] = (char)(out_axis->label[0] - 'a' + 'A');
    }
out:
    return err;
}

/* Logarithmic where the values are far apart and all above 0. */
static void choose_scale(const struct figures *figures, bool vertical, struct axis *axis)
{
    double low = INFINITY;
    double high = -INFINITY;

    for (size_t c = 0; c < CLOUDS; c++) {
        const struct cloud *cloud = &figures->clouds[c];
        const double *values = vertical ? cloud->y : cloud->x;

        for (size_t i = 0; i < cloud->placed; i++) {
            low = fmin(low, values[i]);
            high = fmax(high, values[i]);
        }
    }
    if (axis->unit[0] != '\0' && low > 0 && high / low >= LOGARITHMIC_FROM) {
        axis->scale = KS_FIGURE_LOG10;
    }
}

/* --- rows --------------------------------------------------------------------------------- */

static enum ks_err take_rows(struct figures *figures)
{
    enum ks_err err = KS_OK;
    const struct ks_dataset *data = &figures->detect.data;

    figures->labelled = data->labels != NULL;
    for (size_t c = 0; c < CLOUDS; c++) {
        struct cloud *cloud = &figures->clouds[c];

        cloud->scores = ks_calloc(data->rows.count, sizeof *cloud->scores);
        cloud->x = ks_calloc(data->rows.count, sizeof *cloud->x);
        cloud->y = ks_calloc(data->rows.count, sizeof *cloud->y);
        cloud->score_of = ks_calloc(data->rows.count, sizeof *cloud->score_of);
        KS_CHECK(cloud->scores != NULL && cloud->x != NULL && cloud->y != NULL &&
                     cloud->score_of != NULL,
                 KS_ERR_NOMEM, "%zu rows", data->rows.count);
    }
    for (size_t row = 0; row < data->rows.count; row++) {
        const bool strange =
            figures->labelled ? data->labels[row] : ks_detect_is_anomaly(&figures->detect, row);
        struct cloud *cloud = &figures->clouds[strange ? ANOMALOUS : NORMAL];
        const double score = ks_detect_score(&figures->detect, row);
        double x = 0;
        double y = 0;

        KS_TRY(ks_table_number(data->table, row, figures->x.column, &x));
        KS_TRY(ks_table_number(data->table, row, figures->y.column, &y));
        cloud->scores[cloud->count++] = score;
        if (!isnan(x) && !isnan(y)) {
            cloud->x[cloud->placed] = x * figures->x.factor;
            cloud->y[cloud->placed] = y * figures->y.factor;
            cloud->score_of[cloud->placed++] = score;
        }
    }
    KS_CHECK(figures->clouds[NORMAL].placed + figures->clouds[ANOMALOUS].placed > 0,
             KS_ERR_FORMAT, "%s: no row has both %s and %s", figures->detect.cli->operands[0],
             ks_cli_text(figures->detect.cli, "x"), ks_cli_text(figures->detect.cli, "y"));
    choose_scale(figures, false, &figures->x);
    choose_scale(figures, true, &figures->y);
out:
    return err;
}

/* --- figures ------------------------------------------------------------------------------ */

static struct ks_figure_axis drawn_axis(const struct axis *axis)
{
    return (struct ks_figure_axis){axis->label, axis->unit, axis->name, axis->scale};
}

static enum ks_err write_plot(const struct figures *figures, const struct ks_plot *plot)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_plot_write_table(plot, figures->directory));
    if (figures->draw) {
        KS_TRY(ks_plot_draw(plot, figures->directory));
    }
out:
    return err;
}

/* The clouds with their names, "normal (4,500 rows)" but for the comma. */
static void name_clouds(const struct figures *figures, struct ks_plot_cloud *clouds,
                        char labels[CLOUDS][64])
{
    static const char *const kinds[2][CLOUDS] = {{"called normal", "called anomalous"},
                                                 {"normal", "anomalous"}};

    for (size_t c = 0; c < CLOUDS; c++) {
        (void)snprintf(labels[c], sizeof labels[c], "%s (%zu rows)",
                       kinds[figures->labelled ? 1 : 0][c], clouds[c].count);
        clouds[c].name = c == NORMAL ? "normal" : "anomalous";
        clouds[c].label = labels[c];
    }
}

static enum ks_err write_histogram(const struct figures *figures)
{
    const struct ks_forest *forest = figures->detect.forest;
    const uint32_t threshold = ks_forest_threshold(forest);
    struct ks_plot_cloud clouds[CLOUDS] = {0};
    char labels[CLOUDS][64];
    char line[64];
    char subtitle[192];

    for (size_t c = 0; c < CLOUDS; c++) {
        clouds[c].x = figures->clouds[c].scores;
        clouds[c].count = figures->clouds[c].count;
    }
    name_clouds(figures, clouds, labels);
    (void)snprintf(line, sizeof line, "threshold %.3f",
                   threshold > 0 ? ks_forest_score(forest, threshold) : 0);
    (void)snprintf(subtitle, sizeof subtitle, "Share of the rows of each kind by score; %s",
                   figures->model);
    const struct ks_plot plot = {
        .shape = KS_PLOT_HISTOGRAM,
        .name = names[0],
        .title = "Anomaly scores",
        .subtitle = subtitle,
        .kind = "label",
        .x = {"Anomaly score", "", "score", KS_FIGURE_LINEAR},
        .y = {"Share of rows", "%", "share_percent", KS_FIGURE_LINEAR},
        .clouds = clouds,
        .count = CLOUDS,
        .line_label = threshold > 0 ? line : NULL,
        .line = threshold > 0 ? ks_forest_score(forest, threshold) : 0,
    };
    return write_plot(figures, &plot);
}

/* Every STEPth row of a cloud, where it has more than are drawn. */
static size_t thin(const struct cloud *cloud, struct ks_plot_cloud *out, double *copy)
{
    const size_t step = (cloud->placed + DRAWN_MAX - 1) / DRAWN_MAX;
    double *const columns[] = {copy, copy + DRAWN_MAX, copy + 2 * DRAWN_MAX};
    const double *const sources[] = {cloud->x, cloud->y, cloud->score_of};

    for (size_t row = 0; row < cloud->placed; row += step) {
        for (size_t i = 0; i < 3; i++) {
            columns[i][out->count] = sources[i][row];
        }
        out->count++;
    }
    out->x = columns[0];
    out->y = columns[1];
    out->z = columns[2];
    return step;
}

static enum ks_err write_scatter(const struct figures *figures)
{
    enum ks_err err = KS_OK;
    double *copies = ks_calloc((size_t)3 * CLOUDS * DRAWN_MAX, sizeof *copies);
    struct ks_plot_cloud clouds[CLOUDS] = {0};
    size_t steps[CLOUDS];
    char labels[CLOUDS][64];
    char subtitle[192];
    char thinned[96] = "";

    KS_CHECK(copies != NULL, KS_ERR_NOMEM, "the points of a figure");
    for (size_t c = 0; c < CLOUDS; c++) {
        steps[c] = thin(&figures->clouds[c], &clouds[c], copies + c * 3 * DRAWN_MAX);
    }
    name_clouds(figures, clouds, labels);
    if (steps[NORMAL] > 1 || steps[ANOMALOUS] > 1) {
        (void)snprintf(
            thinned, sizeof thinned, "; drawn: 1 in %zu normal, 1 in %zu anomalous rows",
            steps[NORMAL] > 1 ? steps[NORMAL] : 1, steps[ANOMALOUS] > 1 ? steps[ANOMALOUS] : 1);
    }
    (void)snprintf(subtitle, sizeof subtitle, "%s%s", figures->model, thinned);
    const struct ks_plot plot = {
        .shape = KS_PLOT_SCATTER,
        .name = names[1],
        .title = "Anomaly scores in the data",
        .subtitle = subtitle,
        .kind = "label",
        .x = drawn_axis(&figures->x),
        .y = drawn_axis(&figures->y),
        .z = {"Anomaly score", "", "score", KS_FIGURE_LINEAR},
        .clouds = clouds,
        .count = CLOUDS,
    };
    KS_TRY(write_plot(figures, &plot));
out:
    ks_free(copies);
    return err;
}

static enum ks_err write_boxes(const struct figures *figures)
{
    struct ks_plot_cloud clouds[CLOUDS] = {0};
    char labels[CLOUDS][64];
    char title[2 * COLUMN_MAX + 8];

    for (size_t c = 0; c < CLOUDS; c++) {
        clouds[c].x = figures->clouds[c].x;
        clouds[c].y = figures->clouds[c].y;
        clouds[c].count = figures->clouds[c].placed;
    }
    name_clouds(figures, clouds, labels);
    (void)snprintf(title, sizeof title, "%s by %s", figures->y.label,
                   ks_cli_text(figures->detect.cli, "x"));
    const struct ks_plot plot = {
        .shape = KS_PLOT_BOXES,
        .name = names[2],
        .title = title,
        .subtitle = "Quartiles; whiskers within 1.5 times the box; above, the rows of each box",
        .kind = "label",
        .x = drawn_axis(&figures->x),
        .y = drawn_axis(&figures->y),
        .clouds = clouds,
        .count = CLOUDS,
    };
    return write_plot(figures, &plot);
}

/* --- the command -------------------------------------------------------------------------- */

static enum ks_err print_result(const struct figures *figures)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, JSON_MAX);
    if (figures->detect.cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_u64(&writer, "anomalies", figures->clouds[ANOMALOUS].count);
        ks_json_put_key(&writer, "figures");
        ks_json_put_array(&writer);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            ks_json_put_text(&writer, names[i]);
        }
        ks_json_put_end(&writer);
        ks_json_member_hex(&writer, "model", KS_BYTES(figures->detect.hash));
        ks_json_member_u64(&writer, "rows", figures->detect.data.rows.count);
        ks_json_member_text(&writer, "schema", "ketseal.detect-figures/1");
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_cli_print("%s\nin %s:", figures->model, figures->directory);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            ks_cli_print(" %s", names[i]);
        }
        ks_cli_print(" (csv%s)\n", figures->draw ? ", pdf, svg, png" : "");
    }
out:
    ks_buf_done(&out);
    return err;
}

static enum ks_err run(struct figures *figures)
{
    enum ks_err err = KS_OK;
    char hash[2 * KS_FOREST_HASH_LEN + 1];

    if (figures->draw) {
        KS_TRY(ks_fail_prefix(ks_figure_check(), "--no-figure writes the tables alone"));
    }
    KS_TRY(ks_detect_open(&figures->detect));
    KS_TRY(find_axis(figures, "x", &figures->x));
    KS_TRY(find_axis(figures, "y", &figures->y));
    KS_TRY(take_rows(figures));
    ks_hex_encode(KS_BYTES(figures->detect.hash), hash);
    (void)snprintf(figures->model, sizeof figures->model, "model %.16s, %u trees", hash,
                   ks_forest_params(figures->detect.forest)->trees);
    KS_TRY(ks_dir_make(figures->directory, 0755));
    ks_cli_progress(figures->detect.cli, "%zu rows, %zu of them %s",
                    figures->detect.data.rows.count, figures->clouds[ANOMALOUS].count,
                    figures->labelled ? "anomalous" : "called anomalous");
    KS_TRY(write_boxes(figures)); /* first, since it alone has a limit that data may be over */
    KS_TRY(write_histogram(figures));
    KS_TRY(write_scatter(figures));
    KS_TRY(print_result(figures));
out:
    return err;
}

enum ks_err ks_command_detect_figures(struct ks_cli *cli)
{
    struct figures figures = {
        .detect = {.cli = cli, .model = ks_cli_text(cli, "model")},
        .directory = ks_cli_text(cli, "out"),
        .draw = !ks_cli_switch(cli, "no-figure"),
    };
    const enum ks_err err = run(&figures);

    figures_done(&figures);
    return err;
}
