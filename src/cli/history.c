/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/history.h"

#include <stdio.h>
#include <string.h>

#include "cli/curve.h"
#include "cli/figure.h"
#include "record/fl.h"

#define PAGE_MAX   (4 * 1024 * 1024)
#define PAGE_ITEMS 1000
#define ROWS_STEP  1024
#define TARGET_MAX 160

static const struct ks_json_limits limits = {.len_max = PAGE_MAX, .nodes_max = 65536};

/* --- pages -------------------------------------------------------------------------------- */

static enum ks_err get_word(const struct ks_json *object, const char *name,
                            char target[KS_HISTORY_WORD_MAX])
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(object, name, &text));
    KS_CHECK(text.len < KS_HISTORY_WORD_MAX, KS_ERR_FORMAT, "'%s' is too long", name);
    for (size_t i = 0; i < text.len; i++) { /* it goes to a terminal, and into CSV */
        KS_CHECK(text.data[i] >= ' ' && text.data[i] < 0x7f && text.data[i] != ',' &&
                     text.data[i] != '"',
                 KS_ERR_FORMAT, "'%s' has a character that none has", name);
    }
    ks_copy(target, text.data, text.len);
    target[text.len] = '\0';
out:
    return err;
}

static enum ks_err get_real(const struct ks_json *object, const char *name, double *out_value)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(object, name, KS_JSON_NUMBER, &value));
    KS_TRY(ks_json_double(value, out_value));
out:
    return err;
}

static enum ks_err read_row(const struct ks_json *item, struct ks_history_row *row)
{
    enum ks_err err = KS_OK;
    char phase[KS_HISTORY_WORD_MAX];

    KS_TRY(ks_json_get_u64(item, "count", KS_FL_DEVICES_MAX, &row->count));
    KS_TRY(get_word(item, "failure", row->failure));
    KS_TRY(get_word(item, "finished_at", row->finished));
    KS_TRY(get_real(item, "loss", &row->loss));
    KS_TRY(get_real(item, "participation", &row->participation));
    KS_TRY(get_word(item, "phase", phase));
    KS_TRY(ks_json_get_u64(item, "round", KS_FL_ROUNDS_MAX, &row->round));
    KS_TRY(ks_json_get_u64(item, "samples", KS_JSON_INTEGER_MAX, &row->samples));
    KS_TRY(get_real(item, "seconds", &row->seconds));
    row->completed = strcmp(phase, "COMPLETED") == 0;
out:
    return err;
}

static enum ks_err add_row(struct ks_history *history, const struct ks_history_row *row)
{
    struct ks_history_row *more = NULL;

    if (history->count > 0 && row->round <= history->rows[history->count - 1].round) {
        return ks_fail(KS_ERR_FORMAT, "round %llu is out of turn",
                       (unsigned long long)row->round);
    }
    if (history->count == history->max) {
        more = ks_realloc(history->rows, history->max + ROWS_STEP, sizeof *more);
        if (more == NULL) {
            return ks_fail(KS_ERR_NOMEM, "history");
        }
        history->rows = more;
        history->max += ROWS_STEP;
    }
    history->rows[history->count++] = *row;
    return KS_OK;
}

enum ks_err ks_history_add(struct ks_history *history, struct ks_bytes page, uint64_t *out_next)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *items = NULL;
    const struct ks_json *root = NULL;
    const size_t before = history->count;

    KS_TRY(ks_json_parse(page, &limits, &doc));
    root = ks_json_root(doc);
    KS_TRY(ks_json_get(root, "items", KS_JSON_ARRAY, &items));
    for (size_t i = 0; i < ks_json_count(items); i++) {
        struct ks_history_row row = {0};

        KS_TRY(read_row(ks_json_at(items, i), &row));
        KS_TRY(add_row(history, &row));
    }
    KS_TRY(ks_json_get_u64(root, "rounds_ordered", KS_FL_ROUNDS_MAX, &history->ordered));
    KS_TRY(ks_json_get_u64(root, "wanted", KS_FL_DEVICES_MAX, &history->wanted));
    KS_TRY(get_word(root, "session", history->session));
    KS_TRY(get_word(root, "state", history->state));
    *out_next = 0;
    if (ks_json_find(root, "next") != NULL) {
        KS_TRY(ks_json_get_u64(root, "next", KS_FL_ROUNDS_MAX, out_next));
        KS_CHECK(history->count > before &&
                     *out_next == history->rows[history->count - 1].round,
                 KS_ERR_FORMAT, "'next' is not its last round");
    }
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's history");
}

enum ks_err ks_history_fetch(struct ks_operator *op, const char *session,
                             struct ks_history *out_history)
{
    enum ks_err err = KS_OK;
    struct ks_history history = {.rows = NULL};
    struct ks_buf page;
    char target[TARGET_MAX];
    uint64_t next = 0;

    ks_buf_init(&page, PAGE_MAX);
    do { /* ends: rounds grow */
        ks_buf_clear(&page);
        (void)snprintf(target, sizeof target, "/v1/fl/sessions/%s/history?after=%llu&limit=%d",
                       session, (unsigned long long)next, PAGE_ITEMS);
        KS_TRY(ks_operator_get(op, target, &page));
        KS_TRY(ks_history_add(&history, ks_buf_view(&page), &next));
    } while (next != 0);
    *out_history = history;
    history = (struct ks_history){.rows = NULL}; /* transferred */
out:
    ks_history_done(&history);
    ks_buf_done(&page);
    return err;
}

void ks_history_done(struct ks_history *history)
{
    ks_free(history->rows);
    *history = (struct ks_history){.rows = NULL};
}

/* --- as text ------------------------------------------------------------------------------ */

static const char *outcome(const struct ks_history_row *row)
{
    return row->completed ? "completed" : row->failure;
}

void ks_history_put_csv(const struct ks_history *history, struct ks_buf *out)
{
    ks_buf_put_text(out,
                    "round,outcome,count,participation,samples,loss,seconds,finished_at\n");
    for (size_t i = 0; i < history->count; i++) {
        const struct ks_history_row *row = &history->rows[i];

        ks_buf_put_format(
            out, "%llu,%s,%llu,%.17g,%llu,%.17g,%.17g,%s\n", (unsigned long long)row->round,
            outcome(row), (unsigned long long)row->count, row->participation,
            (unsigned long long)row->samples, row->loss, row->seconds, row->finished);
    }
}

static void put_real(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

void ks_history_put_json(const struct ks_history *history, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "items");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < history->count; i++) {
        const struct ks_history_row *row = &history->rows[i];

        ks_json_put_object(&writer);
        ks_json_member_u64(&writer, "count", row->count);
        ks_json_member_text(&writer, "failure", row->failure);
        ks_json_member_text(&writer, "finished_at", row->finished);
        put_real(&writer, "loss", row->loss);
        put_real(&writer, "participation", row->participation);
        ks_json_member_text(&writer, "phase", row->completed ? "COMPLETED" : "FAILED");
        ks_json_member_u64(&writer, "round", row->round);
        ks_json_member_u64(&writer, "samples", row->samples);
        put_real(&writer, "seconds", row->seconds);
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, "rounds_ordered", history->ordered);
    ks_json_member_text(&writer, "schema", "ketseal.fl-history/1");
    ks_json_member_text(&writer, "session", history->session);
    ks_json_member_text(&writer, "state", history->state);
    ks_json_member_u64(&writer, "wanted", history->wanted);
    ks_json_put_end(&writer);
}

/* The losses of the completed rounds; the rounds of the first and last of them. */
static size_t take_losses(const struct ks_history *history, double *losses, uint64_t *out_first,
                          uint64_t *out_last)
{
    size_t count = 0;

    for (size_t i = 0; i < history->count; i++) {
        if (history->rows[i].completed) {
            *out_first = count == 0 ? history->rows[i].round : *out_first;
            *out_last = history->rows[i].round;
            losses[count++] = history->rows[i].loss;
        }
    }
    return count;
}

static void put_curve(const struct ks_history *history, struct ks_buf *out)
{
    double *losses = ks_calloc(history->count + 1, sizeof *losses);
    struct ks_curve curve = {.label = "\nloss by round", .values = losses};

    if (losses == NULL) {
        out->err = ks_fail(KS_ERR_NOMEM, "history");
        return;
    }
    curve.count = take_losses(history, losses, &curve.first, &curve.last);
    ks_curve_put(&curve, out);
    ks_free(losses);
}

void ks_history_put_text(const struct ks_history *history, struct ks_buf *out)
{
    ks_buf_put_format(out, "%s: %s, %zu of %llu rounds\n", history->session, history->state,
                      history->count, (unsigned long long)history->ordered);
    if (history->count == 0) {
        return;
    }
    ks_buf_put_format(out, "%7s %9s %5s %12s %12s %10s  %s\n", "round", "updates", "part",
                      "samples", "loss", "seconds", "outcome");
    for (size_t i = 0; i < history->count; i++) {
        const struct ks_history_row *row = &history->rows[i];

        ks_buf_put_format(out, "%7llu %5llu/%-3llu %3.0f %% %12llu %12.6g %10.2f  %s\n",
                          (unsigned long long)row->round, (unsigned long long)row->count,
                          (unsigned long long)history->wanted, row->participation * 100,
                          (unsigned long long)row->samples, row->loss, row->seconds,
                          outcome(row));
    }
    put_curve(history, out);
}

/* --- as figures --------------------------------------------------------------------------- */

enum { LOSS, PARTICIPATION, FIGURES };

static void place(const struct ks_history_row *row, struct ks_figure_point points[FIGURES])
{
    const double x = (double)row->round;
    const double share = 100 * row->participation;

    points[LOSS] = (struct ks_figure_point){x, row->loss, row->loss, row->loss};
    points[PARTICIPATION] = (struct ks_figure_point){x, share, share, share};
}

static enum ks_err write_figure(const struct ks_history *history, const char *directory,
                                bool draw, unsigned which,
                                const struct ks_figure_series *series)
{
    static const char *const names[FIGURES] = {"fl_loss_by_round", "fl_participation"};
    static const char *const titles[FIGURES] = {"Loss of the devices by round",
                                                "Participation by round"};
    enum ks_err err = KS_OK;
    char subtitle[160];
    const struct ks_figure figure = {
        .name = names[which],
        .title = titles[which],
        .subtitle = subtitle,
        .kind = "series",
        .x = {"Round", "", "round", KS_FIGURE_LINEAR},
        .y = which == LOSS ? (struct ks_figure_axis){"Mean loss", "", "loss", KS_FIGURE_LINEAR}
                           : (struct ks_figure_axis){"Updates that count, of those wanted", "%",
                                                     "participation_percent", KS_FIGURE_LINEAR},
        .series = series,
        .count = 1,
    };

    (void)snprintf(subtitle, sizeof subtitle, "session %s; %s", history->session,
                   which == LOSS ? "weighted by samples, as devices say" : "all ended rounds");
    KS_TRY(ks_figure_write_table(&figure, directory));
    KS_TRY(draw ? ks_figure_draw(&figure, directory) : KS_OK);
out:
    return err;
}

enum ks_err ks_history_write_figures(const struct ks_history *history, const char *directory,
                                     bool draw)
{
    enum ks_err err = KS_OK;
    struct ks_figure_point *points[FIGURES] = {NULL};
    size_t completed = 0;

    for (unsigned which = 0; which < FIGURES; which++) {
        points[which] = ks_calloc(history->count + 1, sizeof **points);
        KS_CHECK(points[which] != NULL, KS_ERR_NOMEM, "figures");
    }
    for (size_t i = 0; i < history->count; i++) {
        struct ks_figure_point at[FIGURES];

        place(&history->rows[i], at);
        points[PARTICIPATION][i] = at[PARTICIPATION];
        if (history->rows[i].completed) { /* what failed has no mean to be shown */
            points[LOSS][completed++] = at[LOSS];
        }
    }
    const struct ks_figure_series series[FIGURES] = {
        {"loss", "completed rounds", points[LOSS], completed},
        {"participation", "ended rounds", points[PARTICIPATION], history->count},
    };
    for (unsigned which = 0; which < FIGURES; which++) {
        KS_TRY(write_figure(history, directory, draw, which, &series[which]));
    }
out:
    for (unsigned which = 0; which < FIGURES; which++) {
        ks_free(points[which]);
    }
    return err;
}
