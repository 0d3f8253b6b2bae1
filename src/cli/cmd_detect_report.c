/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* detect report: what a model says of a data set, as one page that needs nothing besides. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/detect.h"
#include "cli/html.h"

#define PAGE_MAX      ((size_t)64 << 20)
#define TOP_MAX       1000 /* rows that are shown with their reasons */
#define REASONS_SHOWN 3
#define CURVE_MAX     402 /* points of a curve: as many as a picture shows */
#define BINS          40
#define BLOCKS_MAX    60 /* of the rows in their order */
#define PARTS         4
#define POINTS_MAX    (4 * CURVE_MAX)
#define JOB_COLUMN    "job"

/* The points of one line of a chart. */
struct points {
    size_t count;
    double x[POINTS_MAX];
    double y[POINTS_MAX];
};

struct report {
    struct ks_detect detect;
    struct ks_detect_evaluation *evaluation; /* NULL without labels */
    struct ks_buf page;
    size_t *order;  /* rows, the strangest first */
    double *sorted; /* room for all scores */
    struct points *points[2];
};

static void report_done(struct report *report)
{
    ks_detect_done(&report->detect);
    ks_buf_done(&report->page);
    ks_free(report->evaluation);
    ks_free(report->order);
    ks_free(report->sorted);
    ks_free(report->points[0]);
    ks_free(report->points[1]);
}

static void add_point(struct points *points, double x, double y)
{
    if (points->count < POINTS_MAX) {
        points->x[points->count] = x;
        points->y[points->count++] = y;
    }
}

/* --- the frame ---------------------------------------------------------------------------- */

static const char head[] =
    "<!DOCTYPE html>\n"
    "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
    "<meta charset=\"utf-8\"/>\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
    "<title>Anomaly report</title>\n<style>\n"
    "body{font:15px/1.45 system-ui,'DejaVu Sans',sans-serif;color:#111;background:#fff;"
    "max-width:62rem;margin:2rem auto;padding:0 1rem}\n"
    "h1{font-size:1.6rem;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}\n"
    "p.note{color:#555;font-size:.9rem;margin:.3rem 0 .6rem}\n"
    "table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}\n"
    "th,td{text-align:left;padding:.25rem .7rem .25rem 0;border-bottom:1px solid #ddd;"
    "vertical-align:top}th{font-weight:600}td.n,th.n{text-align:right}\n"
    "code{font-family:'DejaVu Sans Mono',monospace;font-size:.88em;overflow-wrap:anywhere}\n"
    ".wide{overflow-x:auto}\n"
    ".charts{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;flex:1 1 22rem;"
    "max-width:34rem}figcaption{font-size:.9rem;color:#555}\n"
    "svg{width:100%;height:auto;font:12px system-ui,'DejaVu Sans',sans-serif}svg text{"
    "fill:#333}\n"
    "svg polyline{fill:none;stroke-width:2}svg .grid{stroke:#e4e4e4}svg .axis{fill:none;"
    "stroke:#555}\n"
    "svg .one{stroke:#0072b2}svg .two{stroke:#d55e00;stroke-dasharray:6 3}"
    "svg .mark{stroke:#111;stroke-dasharray:2 3}\n"
    "svg .area{stroke:none;fill-opacity:.18}svg .one.area{fill:#0072b2}svg .two.area{"
    "fill:#d55e00}\n"
    "b.one{color:#0072b2}b.two{color:#d55e00}\n"
    "@media print{body{margin:0;max-width:none;font-size:10pt}h2,figure,tr{break-inside:avoid}"
    "h2{break-after:avoid}}\n"
    "</style>\n</head>\n<body>\n";

static void put_row_name(struct ks_buf *page, const char *name)
{
    ks_buf_put_format(page, "<tr><th scope=\"row\">%s</th><td>", name);
}

static void put_row_end(struct ks_buf *page)
{
    ks_buf_put_text(page, "</td></tr>\n");
}

static void put_count(struct ks_buf *page, const char *id, size_t count)
{
    ks_html_put_number(page, id, (double)count, 0);
}

static void put_head(struct report *report)
{
    const struct ks_detect *detect = &report->detect;
    const struct ks_forest_params *params = ks_forest_params(detect->forest);
    const uint32_t threshold = ks_forest_threshold(detect->forest);
    struct ks_buf *page = &report->page;

    ks_buf_put_text(page, head);
    ks_buf_put_text(page,
                    "<h1>Anomaly report</h1>\n<p class=\"note\">An isolation forest over ");
    ks_html_put_text(page, detect->cli->operands[0]);
    ks_buf_put_text(page, "</p>\n<table>\n");
    put_row_name(page, "Rows");
    put_count(page, "rows", detect->data.rows.count);
    put_row_end(page);
    put_row_name(page, "Features");
    put_count(page, "features", detect->data.rows.features);
    ks_buf_put_text(page, ": ");
    for (size_t i = 0; i < detect->data.rows.features; i++) {
        ks_buf_put_text(page, i > 0 ? ", <code>" : "<code>");
        ks_html_put(page, detect->data.names[i]);
        ks_buf_put_text(page, "</code>");
    }
    put_row_end(page);
    put_row_name(page, "Model");
    ks_buf_put_text(page, "<code id=\"model\">");
    ks_buf_put_hex(page, KS_BYTES(detect->hash));
    ks_buf_put_text(page, "</code>, ");
    ks_buf_put_text(page, detect->model != NULL ? "read from " : "grown from these rows");
    ks_html_put_text(page, detect->model != NULL ? detect->model : "");
    put_row_end(page);
    put_row_name(page, "Trees");
    put_count(page, "trees", params->trees);
    ks_buf_put_text(page, ", each of ");
    put_count(page, "sample", params->sample);
    ks_buf_put_text(page, " rows; seed ");
    ks_buf_put_format(page, "%llu", (unsigned long long)params->seed);
    put_row_end(page);
    put_row_name(page, "Threshold");
    ks_html_put_number(page, "threshold",
                       threshold > 0 ? ks_forest_score(detect->forest, threshold) : (double)NAN,
                       4);
    put_row_end(page);
    put_row_name(page, "Called anomalies");
    put_count(page, "called", ks_detect_anomalies(detect));
    put_row_end(page);
    ks_buf_put_text(page, "</table>\n");
}

/* --- scores ------------------------------------------------------------------------------- */

static bool is_strange(const struct ks_detect *detect, size_t row)
{
    return detect->data.labels != NULL ? detect->data.labels[row]
                                       : ks_detect_is_anomaly(detect, row);
}

/* Steps of the share of the rows of one kind by score. */
static void make_steps(const struct report *report, bool strange, double low, double high,
                       struct points *points)
{
    const struct ks_detect *detect = &report->detect;
    size_t counts[BINS] = {0};
    size_t total = 0;

    for (size_t row = 0; row < detect->data.rows.count; row++) {
        if (is_strange(detect, row) == strange) {
            const double share = (ks_detect_score(detect, row) - low) / (high - low);
            const size_t bin = (size_t)(share * BINS);

            counts[bin < BINS ? bin : BINS - 1]++;
            total++;
        }
    }
    points->count = 0;
    for (size_t i = 0; i < BINS && total > 0; i++) {
        const double y = 100 * (double)counts[i] / (double)total;

        add_point(points, low + (double)i * (high - low) / BINS, y);
        add_point(points, low + (double)(i + 1) * (high - low) / BINS, y);
    }
}

static double most_of(const struct points *points)
{
    double most = 0;

    for (size_t i = 0; i < points->count; i++) {
        most = fmax(most, points->y[i]);
    }
    return most;
}

/* A vertical or horizontal line at the threshold. */
static void put_threshold(const struct report *report, const struct ks_chart *chart,
                          bool vertical)
{
    const uint32_t threshold = ks_forest_threshold(report->detect.forest);

    if (threshold > 0) {
        const double at = ks_forest_score(report->detect.forest, threshold);
        const double along[] = {vertical ? chart->y.low : chart->x.low,
                                vertical ? chart->y.high : chart->x.high};
        const double fixed[] = {at, at};

        ks_chart_line(chart, "mark", vertical ? fixed : along, vertical ? along : fixed, 2);
    }
}

static void put_scores(struct report *report)
{
    const struct ks_detect *detect = &report->detect;
    const size_t last = detect->data.rows.count - 1;
    struct ks_chart chart = {
        .out = &report->page,
        .title = "Share of the rows of each kind by score",
        .x = {.label = "Score"},
        .y = {.label = "Share of the rows of that kind in %"},
    };
    static const double zeros[POINTS_MAX] = {0};
    static const char *const styles[] = {"one", "two"};

    ks_chart_fit(&chart.x, ks_detect_score(detect, report->order[last]),
                 ks_detect_score(detect, report->order[0]));
    for (size_t i = 0; i < 2; i++) {
        make_steps(report, i == 1, chart.x.low, chart.x.high, report->points[i]);
    }
    ks_chart_fit(&chart.y, 0, fmax(most_of(report->points[0]), most_of(report->points[1])));
    ks_buf_put_text(&report->page, "<h2>Scores</h2>\n<div class=\"charts\"><figure>\n");
    ks_chart_begin(&chart);
    for (size_t i = 0; i < 2; i++) {
        const struct points *points = report->points[i];

        if (points->count > 0) {
            ks_chart_band(&chart, styles[i], points->x, zeros, points->y, points->count);
            ks_chart_line(&chart, styles[i], points->x, points->y, points->count);
        }
    }
    put_threshold(report, &chart, true);
    ks_chart_end(&chart);
    ks_buf_put_format(&report->page,
                      "<figcaption><b class=\"one\">— %s</b>, <b class=\"two\">- - %s</b>; "
                      "dotted: the threshold. A score lies between 0 and 1; a high one is "
                      "strange.</figcaption></figure></div>\n",
                      detect->data.labels != NULL ? "normal rows" : "called normal",
                      detect->data.labels != NULL ? "anomalies" : "called anomalous");
}

/* --- evaluation --------------------------------------------------------------------------- */

static void put_measure(struct ks_buf *page, const char *id, const char *name, double value,
                        const struct ks_interval *interval)
{
    ks_buf_put_format(page, "<tr><th scope=\"row\">%s</th><td class=\"n\">", name);
    ks_html_put_number(page, id, value, 4);
    ks_buf_put_text(page, "</td><td class=\"n\">");
    if (interval != NULL) {
        char ends[2][64];

        (void)snprintf(ends[0], sizeof ends[0], "%s_low", id);
        (void)snprintf(ends[1], sizeof ends[1], "%s_high", id);
        ks_html_put_number(page, ends[0], interval->low, 4);
        ks_buf_put_text(page, " to ");
        ks_html_put_number(page, ends[1], interval->high, 4);
    }
    put_row_end(page);
}

static void put_measures(struct ks_buf *page, const struct ks_detect_evaluation *evaluation)
{
    const struct ks_evaluation *all = &evaluation->all;
    const struct ks_evaluation_bounds *bounds = &evaluation->bounds;

    ks_buf_put_text(page, "<table>\n<tr><th></th><th class=\"n\">value</th><th class=\"n\">"
                          "95 % by the bootstrap</th></tr>\n");
    put_measure(page, "roc_auc", "Area under the ROC curve", all->roc_auc, &bounds->roc_auc);
    put_measure(page, "pr_auc", "Average precision", all->pr_auc, &bounds->pr_auc);
    put_measure(page, "f1", "F1 at the threshold", all->f1, &bounds->f1);
    put_measure(page, "recall", "Recall at the threshold", all->recall, &bounds->recall);
    put_measure(page, "precision", "Precision at the threshold", all->precision, NULL);
    ks_buf_put_text(page,
                    "</table>\n<h2>Confusion at the threshold</h2>\n<table>\n<tr><th></th>"
                    "<th class=\"n\">called anomaly</th><th class=\"n\">called normal"
                    "</th></tr>\n<tr><th scope=\"row\">anomaly</th><td class=\"n\">");
    put_count(page, "true_positives", all->true_positives);
    ks_buf_put_text(page, "</td><td class=\"n\">");
    put_count(page, "false_negatives", all->false_negatives);
    ks_buf_put_text(page, "</td></tr>\n<tr><th scope=\"row\">normal</th><td class=\"n\">");
    put_count(page, "false_positives", all->false_positives);
    ks_buf_put_text(page, "</td><td class=\"n\">");
    put_count(page, "true_negatives", all->true_negatives);
    ks_buf_put_text(page, "</td></tr>\n</table>\n");
}

/* Both curves from the same counts, without points that a picture cannot show apart. */
static void make_curves(const struct report *report, const struct ks_curve_point *curve,
                        size_t count)
{
    const struct ks_evaluation *all = &report->evaluation->all;
    struct points *roc = report->points[0];
    struct points *precision = report->points[1];
    double last_x = 0;
    double last_y = 0;

    roc->count = precision->count = 0;
    add_point(roc, 0, 0);
    for (size_t i = 0; i < count; i++) {
        const double x = (double)curve[i].false_positives / (double)all->normals;
        const double y = (double)curve[i].true_positives / (double)all->anomalies;
        const size_t called = curve[i].true_positives + curve[i].false_positives;

        if (i == 0 || i == count - 1 || x - last_x >= 1.0 / CURVE_MAX ||
            y - last_y >= 1.0 / CURVE_MAX) {
            add_point(roc, x, y);
            add_point(precision, y, (double)curve[i].true_positives / (double)called);
            last_x = x;
            last_y = y;
        }
    }
}

static void put_curve(struct report *report, const struct ks_chart *chart,
                      const struct points *points, const char *caption)
{
    ks_buf_put_text(&report->page, "<figure>\n");
    ks_chart_begin(chart);
    ks_chart_line(chart, "one", points->x, points->y, points->count);
    ks_chart_end(chart);
    ks_buf_put_format(&report->page, "<figcaption>%s</figcaption></figure>\n", caption);
}

static enum ks_err put_curves(struct report *report)
{
    enum ks_err err = KS_OK;
    const struct ks_detect *detect = &report->detect;
    const struct ks_labelled rows = {detect->paths, detect->data.labels,
                                     detect->data.rows.count};
    struct ks_curve_point *curve = NULL;
    size_t count = 0;
    const struct ks_chart roc = {
        .out = &report->page,
        .title = "ROC curve",
        .x = {"False positive rate", 0, 1},
        .y = {"True positive rate", 0, 1},
    };
    const struct ks_chart precision = {
        .out = &report->page,
        .title = "Precision against recall",
        .x = {"Recall", 0, 1},
        .y = {"Precision", 0, 1},
    };

    KS_TRY(ks_evaluate_curve(&rows, &curve, &count));
    make_curves(report, curve, count);
    ks_buf_put_text(&report->page, "<div class=\"charts\">\n");
    put_curve(report, &roc, report->points[0],
              "ROC: how many anomalies are found at the cost of how many false alarms.");
    put_curve(report, &precision, report->points[1],
              "Precision against recall: how much of what is called an anomaly is one.");
    ks_buf_put_text(&report->page, "</div>\n");
out:
    ks_free(curve);
    return err;
}

static void put_kind_number(struct ks_buf *page, size_t number, const char *name, double value,
                            unsigned digits)
{
    char id[64];

    (void)snprintf(id, sizeof id, "kind_%zu_%s", number, name);
    ks_html_put_number(page, id, value, digits);
}

static void put_kinds(struct report *report)
{
    struct ks_buf *page = &report->page;

    ks_buf_put_text(
        page, "<h2>By kind of anomaly</h2>\n<p class=\"note\">Each kind against all normal "
              "rows; recall is the share found at the threshold; intervals of 95 % by the "
              "bootstrap.</p>\n<div class=\"wide\"><table>\n<tr><th>kind</th>"
              "<th class=\"n\">rows</th><th class=\"n\">recall</th><th class=\"n\">95 %</th>"
              "<th class=\"n\">ROC-AUC</th><th class=\"n\">95 %</th></tr>\n");
    for (size_t i = 0; i < report->evaluation->kind_count; i++) {
        const struct ks_detect_kind *kind = &report->evaluation->kinds[i];

        ks_buf_put_format(page, "<tr><th scope=\"row\" id=\"kind_%zu\">", i);
        ks_html_put(page, kind->name);
        ks_buf_put_text(page, "</th><td class=\"n\">");
        put_kind_number(page, i, "anomalies", (double)kind->evaluation.anomalies, 0);
        ks_buf_put_text(page, "</td><td class=\"n\">");
        put_kind_number(page, i, "recall", kind->evaluation.recall, 3);
        ks_buf_put_text(page, "</td><td class=\"n\">");
        put_kind_number(page, i, "recall_low", kind->bounds.recall.low, 3);
        ks_buf_put_text(page, " to ");
        put_kind_number(page, i, "recall_high", kind->bounds.recall.high, 3);
        ks_buf_put_text(page, "</td><td class=\"n\">");
        put_kind_number(page, i, "roc_auc", kind->evaluation.roc_auc, 4);
        ks_buf_put_text(page, "</td><td class=\"n\">");
        put_kind_number(page, i, "roc_auc_low", kind->bounds.roc_auc.low, 4);
        ks_buf_put_text(page, " to ");
        put_kind_number(page, i, "roc_auc_high", kind->bounds.roc_auc.high, 4);
        put_row_end(page);
    }
    ks_buf_put_text(page, "</table></div>\n");
}

static enum ks_err put_evaluation(struct report *report)
{
    enum ks_err err = KS_OK;

    ks_buf_put_format(&report->page,
                      "<h2>Against the labels</h2>\n<p class=\"note\">%zu rows are labelled as "
                      "anomalies, %zu as normal.%s</p>\n",
                      report->evaluation->all.anomalies, report->evaluation->all.normals,
                      report->detect.model == NULL
                          ? " The model was grown from the same rows, without the labels."
                          : "");
    KS_TRY(put_curves(report));
    put_measures(&report->page, report->evaluation);
    if (report->evaluation->kind_count > 0) {
        put_kinds(report);
    }
out:
    return err;
}

/* --- the strangest rows ------------------------------------------------------------------- */

static void put_reasons(struct report *report, size_t row)
{
    const struct ks_detect *detect = &report->detect;
    const size_t features = detect->data.rows.features;
    struct ks_buf *page = &report->page;
    struct ks_detect_reasons reasons;

    ks_detect_explain(detect, row, &reasons);
    for (size_t i = 0; i < REASONS_SHOWN && i < features; i++) {
        const size_t feature = reasons.order[i];
        const double value = detect->data.values[row * features + feature];

        ks_buf_put_text(page, i > 0 ? "<br/><code>" : "<code>");
        ks_html_put(page, detect->data.names[feature]);
        if (isnan(value)) {
            ks_buf_put_text(page, "</code> is missing");
        } else {
            ks_buf_put_format(page, "</code> = %g", value);
        }
        ks_buf_put_format(page, ": %+.4f, z %+.1f", reasons.reasons[feature].contribution,
                          reasons.reasons[feature].robust_z);
    }
}

static void put_strange_row(struct report *report, size_t row, const size_t *job)
{
    const struct ks_detect *detect = &report->detect;
    struct ks_buf *page = &report->page;

    ks_buf_put_format(page, "<tr><td class=\"n\">%zu</td><td class=\"n\">", row + 1);
    ks_html_put_number(page, NULL, ks_detect_score(detect, row), 4);
    ks_buf_put_format(page, "</td><td>%s</td>",
                      ks_detect_is_anomaly(detect, row) ? "anomaly" : "normal");
    if (detect->data.labels != NULL) {
        ks_buf_put_format(page, "<td>%s", detect->data.labels[row] ? "anomaly" : "normal");
        if (detect->data.has_kind && detect->data.labels[row]) {
            ks_buf_put_text(page, ", ");
            ks_html_put(page, ks_table_cell(detect->data.table, row, detect->data.kind));
        }
        ks_buf_put_text(page, "</td>");
    }
    if (job != NULL) {
        ks_buf_put_text(page, "<td><code>");
        ks_html_put(page, ks_table_cell(detect->data.table, row, *job));
        ks_buf_put_text(page, "</code></td>");
    }
    ks_buf_put_text(page, "<td>");
    put_reasons(report, row);
    put_row_end(page);
}

static enum ks_err put_strangest(struct report *report)
{
    enum ks_err err = KS_OK;
    const struct ks_detect *detect = &report->detect;
    struct ks_buf *page = &report->page;
    size_t column = 0;
    const size_t *job =
        ks_table_find(detect->data.table, KS_LITERAL(JOB_COLUMN), &column) == KS_OK ? &column
                                                                                    : NULL;
    uint64_t top = 0;

    KS_TRY(ks_cli_number(detect->cli, "top", TOP_MAX, &top));
    ks_buf_put_format(
        page,
        "<h2>The strangest rows</h2>\n<p class=\"note\">A reason is a feature with "
        "what it adds to the score, and z: how far the value lies from the training "
        "rows’ median, in units of their spread. Row numbers begin at 1 below the "
        "line of names.</p>\n<div class=\"wide\"><table id=\"strangest\">\n<tr>"
        "<th class=\"n\">row</th><th class=\"n\">score</th><th>called</th>%s%s"
        "<th>first reasons</th></tr>\n",
        detect->data.labels != NULL ? "<th>label</th>" : "", job != NULL ? "<th>job</th>" : "");
    for (size_t i = 0; i < top && i < detect->data.rows.count; i++) {
        put_strange_row(report, report->order[i], job);
    }
    ks_buf_put_text(page, "</table></div>\n");
out:
    return err;
}

/* --- scores over time --------------------------------------------------------------------- */

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Of the rows FIRST to END: the scores in order, and how many are called anomalies. */
static size_t sort_scores(const struct report *report, size_t first, size_t end)
{
    size_t called = 0;

    for (size_t row = first; row < end; row++) {
        report->sorted[row - first] = ks_detect_score(&report->detect, row);
        called += ks_detect_is_anomaly(&report->detect, row);
    }
    qsort(report->sorted, end - first, sizeof *report->sorted, by_value);
    return called;
}

static double quantile(const struct report *report, size_t count, double share)
{
    return report->sorted[(size_t)((double)(count - 1) * share)];
}

static void put_drift_chart(struct report *report)
{
    const size_t rows = report->detect.data.rows.count;
    const size_t blocks = rows < BLOCKS_MAX ? rows : BLOCKS_MAX;
    double middle[BLOCKS_MAX];
    double x[BLOCKS_MAX];
    double low[BLOCKS_MAX];
    double high[BLOCKS_MAX];
    struct ks_chart chart = {
        .out = &report->page,
        .title = "Scores in the order of the rows",
        .x = {"Row", 0, (double)rows},
        .y = {.label = "Score"},
    };
    double least = 1;
    double most = 0;

    for (size_t i = 0; i < blocks; i++) {
        const size_t first = i * rows / blocks;
        const size_t end = (i + 1) * rows / blocks;

        (void)sort_scores(report, first, end);
        x[i] = ((double)first + (double)end) / 2;
        low[i] = quantile(report, end - first, 0.05);
        middle[i] = quantile(report, end - first, 0.5);
        high[i] = quantile(report, end - first, 0.95);
        least = fmin(least, low[i]);
        most = fmax(most, high[i]);
    }
    ks_chart_fit(&chart.y, least, most);
    ks_chart_begin(&chart);
    ks_chart_band(&chart, "one", x, low, high, blocks);
    ks_chart_line(&chart, "one", x, middle, blocks);
    put_threshold(report, &chart, false);
    ks_chart_end(&chart);
    ks_buf_put_format(&report->page,
                      "<figcaption>Median and the middle 90 %% of %zu blocks of rows in the "
                      "file’s order; dotted: the threshold.</figcaption></figure></div>\n",
                      blocks);
}

static void put_drift(struct report *report)
{
    const size_t rows = report->detect.data.rows.count;
    struct ks_buf *page = &report->page;

    ks_buf_put_text(page,
                    "<h2>Scores over time</h2>\n<p class=\"note\">A median that moves says "
                    "that the rows are no longer those that the model was trained on.</p>\n"
                    "<div class=\"charts\"><figure>\n");
    put_drift_chart(report);
    ks_buf_put_text(page, "<table>\n<tr><th>rows</th><th class=\"n\">median score</th>"
                          "<th class=\"n\">95th percentile</th><th class=\"n\">called anomalies"
                          "</th></tr>\n");
    for (size_t part = 0; part < PARTS; part++) {
        const size_t first = part * rows / PARTS;
        const size_t end = (part + 1) * rows / PARTS;

        if (end > first) {
            const size_t called = sort_scores(report, first, end);

            ks_buf_put_format(page, "<tr><th scope=\"row\">%zu to %zu</th><td class=\"n\">",
                              first + 1, end);
            ks_html_put_number(page, NULL, quantile(report, end - first, 0.5), 4);
            ks_buf_put_text(page, "</td><td class=\"n\">");
            ks_html_put_number(page, NULL, quantile(report, end - first, 0.95), 4);
            ks_buf_put_format(page, "</td><td class=\"n\">%zu (%.2f %%)", called,
                              100 * (double)called / (double)(end - first));
            put_row_end(page);
        }
    }
    ks_buf_put_text(page, "</table>\n");
}

/* --- the command -------------------------------------------------------------------------- */

static enum ks_err make_room(struct report *report)
{
    enum ks_err err = KS_OK;
    const size_t rows = report->detect.data.rows.count;

    report->order = ks_calloc(rows, sizeof *report->order);
    report->sorted = ks_calloc(rows, sizeof *report->sorted);
    report->points[0] = ks_calloc(1, sizeof *report->points[0]);
    report->points[1] = ks_calloc(1, sizeof *report->points[1]);
    KS_CHECK(report->order != NULL && report->sorted != NULL && report->points[0] != NULL &&
                 report->points[1] != NULL,
             KS_ERR_NOMEM, "%zu rows", rows);
    if (report->detect.data.labels != NULL) {
        report->evaluation = ks_calloc(1, sizeof *report->evaluation);
        KS_CHECK(report->evaluation != NULL, KS_ERR_NOMEM, "evaluation");
        KS_TRY(ks_detect_evaluate(&report->detect, report->evaluation));
    }
out:
    return err;
}

static enum ks_err write_report(struct report *report)
{
    enum ks_err err = KS_OK;
    const struct ks_cli *cli = report->detect.cli;

    KS_CHECK(!cli->json, KS_ERR_USAGE, "--json: a report is a page; leave it out");
    KS_TRY(ks_detect_open(&report->detect));
    KS_TRY(make_room(report));
    KS_TRY(ks_detect_rank(&report->detect, report->order));
    put_head(report);
    put_scores(report);
    if (report->evaluation != NULL) {
        KS_TRY(put_evaluation(report));
    }
    KS_TRY(put_strangest(report));
    put_drift(report);
    ks_buf_put_text(&report->page, "</body>\n</html>\n");
    KS_TRY(ks_buf_check(&report->page));
    KS_TRY(
        ks_cli_output(ks_cli_text(cli, "out"), cli->operands[0], ks_buf_view(&report->page)));
out:
    return err;
}

enum ks_err ks_command_detect_report(struct ks_cli *cli)
{
    struct report report = {.detect = {.cli = cli, .model = ks_cli_text(cli, "model")}};

    ks_buf_init(&report.page, PAGE_MAX);
    const enum ks_err err = write_report(&report);

    report_done(&report);
    return err;
}
