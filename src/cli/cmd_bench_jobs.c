/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench jobs: what a job takes over TLS of several suites, against the size of its circuit.
 * docs/formats/bench-jobs.md has the tables. */

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/figure.h"
#include "cli/lane.h"
#include "cli/quantile.h"
#include "cli/stop.h"
#include "ketseal/circuit.h"

#define RUNS_MAX    999
#define LANES_MAX   KS_CLI_VALUES_MAX
#define CELLS_MAX   256
#define SAMPLES_MAX 500000
#define TABLE_MAX   ((size_t)128 << 20)
#define RTT_FIGURE  "rtt_vs_circuit_pqc_tls_mlkem_mldsa"
#define BACK_FIGURE "backend_exec_vs_circuit_pqc_tls_mlkem_mldsa"

struct cell {
    const char *template;
    uint32_t qubits;
    uint32_t depth;
    uint64_t shots;
};

/* A way that jobs go: a row of the summary for each cell. */
struct way {
    unsigned lane;
    enum ks_lane_path path;
    enum ks_lane_link link;
};
#define WAYS_MAX (LANES_MAX * KS_LANE_PATHS * KS_LANE_LINKS)

struct bench {
    struct ks_cli *cli;
    const char *directory;
    const char *libexec;
    bool draw;
    uint64_t runs;
    uint64_t seed;
    const struct ks_lane_suite *suites[LANES_MAX];
    unsigned lane_count;
    struct cell cells[CELLS_MAX];
    unsigned cell_count;
    struct way ways[WAYS_MAX];
    unsigned way_count;
    /* while it goes on */
    char *folder; /* of the sites */
    struct ks_lane *lanes[LANES_MAX];
    double *rtt_us; /* by way, cell, run */
    double *backend_us;
};

static size_t place_of(const struct bench *bench, unsigned way, unsigned cell, uint64_t run)
{
    return ((size_t)way * bench->cell_count + cell) * (size_t)bench->runs + (size_t)run;
}

/* --- flags -------------------------------------------------------------------------------- */

static enum ks_err number(const char *flag, const char *text, uint64_t max, uint64_t *out_value)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ks_text_u64(ks_bytes_text(text), max, out_value) == KS_OK && *out_value >= 1,
             KS_ERR_USAGE, "--%s: '%s' is no number from 1 to %llu", flag, text,
             (unsigned long long)max);
out:
    return err;
}

/* The numbers of a flag that may be given several times, or STANDARD. */
struct axis {
    const char *flag;
    uint64_t max;
    const uint64_t *standard;
    unsigned standard_count;
    uint64_t values[KS_CLI_VALUES_MAX];
    unsigned count;
};

static enum ks_err read_axis(const struct ks_cli *cli, struct axis *axis)
{
    enum ks_err err = KS_OK;
    const char *const *texts = NULL;

    axis->count = ks_cli_many(cli, axis->flag, &texts);
    for (unsigned i = 0; i < axis->count; i++) {
        KS_TRY(number(axis->flag, texts[i], axis->max, &axis->values[i]));
        KS_CHECK(i == 0 || axis->values[i] > axis->values[i - 1], KS_ERR_USAGE,
                 "--%s: %s comes after %llu; name them in ascending order", axis->flag,
                 texts[i], (unsigned long long)axis->values[i - 1]);
    }
    if (axis->count == 0) {
        axis->count = axis->standard_count;
        ks_copy(axis->values, axis->standard, axis->count * sizeof *axis->values);
    }
out:
    return err;
}

static enum ks_err add_cell(struct bench *bench, struct cell cell)
{
    enum ks_err err = KS_OK;
    const struct ks_template_spec spec = {.version = 1,
                                          .name = cell.template,
                                          .qubits = cell.qubits,
                                          .depth = cell.depth,
                                          .seed = bench->seed};
    struct ks_circuit *circuit = NULL;

    KS_CHECK(bench->cell_count < CELLS_MAX, KS_ERR_USAGE, "over %d circuits", CELLS_MAX);
    err = ks_circuit_template(&spec, NULL, &circuit); /* found here, not by the first site */
    KS_TRY(err == KS_ERR_FORMAT || err == KS_ERR_LIMIT
               ? ks_fail_prefix(KS_ERR_USAGE, "--qubits")
               : err);
    bench->cells[bench->cell_count++] = cell;
out:
    ks_circuit_free(circuit);
    return err;
}

static enum ks_err read_grid(struct bench *bench)
{
    static const uint64_t qubits_standard[] = {2, 4, 8, 12, 16};
    static const uint64_t depth_standard[] = {8};
    static const uint64_t shots_standard[] = {1000};
    static const char *const template_standard[] = {"clifford_t_sampling"};
    enum ks_err err = KS_OK;
    struct axis qubits = {"qubits", 30, qubits_standard, 5, {0}, 0};
    struct axis depth = {"depth", 10000, depth_standard, 1, {0}, 0};
    struct axis shots = {"shots", KS_SHOTS_MAX, shots_standard, 1, {0}, 0};
    const char *const *templates = NULL;
    unsigned count = ks_cli_many(bench->cli, "template", &templates);

    if (count == 0) {
        templates = template_standard;
        count = 1;
    }
    KS_TRY(read_axis(bench->cli, &qubits));
    KS_TRY(read_axis(bench->cli, &depth));
    KS_TRY(read_axis(bench->cli, &shots));
    for (unsigned t = 0; t < count; t++) {
        for (unsigned d = 0; d < depth.count; d++) {
            for (unsigned s = 0; s < shots.count; s++) {
                for (unsigned q = 0; q < qubits.count; q++) {
                    KS_TRY(add_cell(bench,
                                    (struct cell){templates[t], (uint32_t)qubits.values[q],
                                                  (uint32_t)depth.values[d], shots.values[s]}));
                }
            }
        }
    }
out:
    return err;
}

static enum ks_err read_suites(struct bench *bench)
{
    enum ks_err err = KS_OK;
    const char *const *names = NULL;
    unsigned count = ks_cli_many(bench->cli, "suite", &names);
    const struct ks_lane_suite *suite = NULL;

    for (unsigned i = 0; i < count; i++) {
        KS_TRY(ks_fail_prefix(ks_lane_suite_find(names[i], &suite), "--suite"));
        for (unsigned j = 0; j < i; j++) {
            KS_CHECK(bench->suites[j] != suite, KS_ERR_USAGE, "--suite: %s twice", names[i]);
        }
        bench->suites[bench->lane_count++] = suite;
    }
    for (size_t i = 0; count == 0 && (suite = ks_lane_suite_at(i)) != NULL; i++) {
        if (suite->standard) {
            bench->suites[bench->lane_count++] = suite;
        }
    }
    for (unsigned lane = 0; lane < bench->lane_count; lane++) {
        for (unsigned i = 0; i < (unsigned)KS_LANE_PATHS * KS_LANE_LINKS; i++) {
            const struct way way = {lane, (enum ks_lane_path)(i / KS_LANE_LINKS),
                                    (enum ks_lane_link)(i % KS_LANE_LINKS)};

            if (way.path != KS_LANE_SEALED || !bench->suites[lane]->classical) {
                bench->ways[bench->way_count++] = way;
            }
        }
    }
out:
    return err;
}

static enum ks_err read_flags(struct bench *bench)
{
    enum ks_err err = KS_OK;
    const struct ks_cli *cli = bench->cli;

    bench->directory = ks_cli_text(cli, "out");
    bench->libexec = ks_cli_text(cli, "libexec");
    bench->draw = !ks_cli_switch(cli, "no-figure");
    KS_TRY(number("runs", ks_cli_text(cli, "runs"), RUNS_MAX, &bench->runs));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &bench->seed));
    KS_TRY(read_suites(bench));
    KS_TRY(read_grid(bench));
    KS_CHECK((size_t)bench->way_count * bench->cell_count * bench->runs <= SAMPLES_MAX,
             KS_ERR_USAGE, "over %d jobs: fewer runs, suites or circuits", SAMPLES_MAX);
out:
    return err;
}

/* --- measuring ---------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static enum ks_err open_lanes(struct bench *bench)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_dir_temporary("ketseal-jobs", &bench->folder));
    for (unsigned i = 0; i < bench->lane_count; i++) {
        const struct ks_lane_spec spec = {
            .suite = bench->suites[i], .directory = path, .libexec = bench->libexec};

        ks_cli_progress(bench->cli, "%s: %s", spec.suite->name,
                        spec.suite->classical ? "certificates, a backend without seals"
                                              : "certificates, a TPM, a site");
        KS_CHECK(!ks_cli_signal_waits(), KS_ERR_UNAVAILABLE, "interrupted");
        KS_TRY(ks_path_join(bench->folder, spec.suite->name, path));
        KS_TRY(ks_lane_open(&spec, &bench->lanes[i]));
    }
out:
    return err;
}

/* The first error is the one to report. */
static enum ks_err close_lanes(struct bench *bench, enum ks_err err)
{
    char detail[KS_ERR_DETAIL_MAX];
    enum ks_err first = err;

    (void)snprintf(detail, sizeof detail, "%s", err == KS_OK ? "" : ks_err_detail());
    for (unsigned i = 0; i < bench->lane_count; i++) {
        enum ks_err closed = ks_lane_close(bench->lanes[i]);

        bench->lanes[i] = NULL;
        if (first == KS_OK && closed != KS_OK) {
            first = closed;
            (void)snprintf(detail, sizeof detail, "%s", ks_err_detail());
        }
    }
    if (bench->folder != NULL &&
        nftw(bench->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && first == KS_OK) {
        first = KS_ERR_IO;
        (void)snprintf(detail, sizeof detail, "'%s' is not wholly removed", bench->folder);
    }
    ks_free(bench->folder);
    bench->folder = NULL;
    return first == KS_OK ? KS_OK : ks_fail(first, "%s", detail);
}

static enum ks_err run_job(struct bench *bench, unsigned way, unsigned cell, uint64_t run)
{
    enum ks_err err = KS_OK;
    const struct cell *circuit = &bench->cells[cell];
    const struct ks_lane_job job = {.path = bench->ways[way].path,
                                    .link = bench->ways[way].link,
                                    .template = circuit->template,
                                    .qubits = circuit->qubits,
                                    .depth = circuit->depth,
                                    .shots = circuit->shots,
                                    .seed = bench->seed};
    struct ks_lane_time time = {0};

    KS_CHECK(!ks_cli_signal_waits(), KS_ERR_UNAVAILABLE, "interrupted");
    KS_TRY(ks_lane_run(bench->lanes[bench->ways[way].lane], &job, &time));
    bench->rtt_us[place_of(bench, way, cell, run)] = (double)time.rtt_us;
    bench->backend_us[place_of(bench, way, cell, run)] = (double)time.backend_us;
out:
    return err;
}

/* All ways take turns, job by job, and each run begins with another: what disturbs the machine
 * disturbs all of them. */
static enum ks_err measure(struct bench *bench)
{
    enum ks_err err = KS_OK;
    const size_t count = (size_t)bench->way_count * bench->cell_count * (size_t)bench->runs;

    bench->rtt_us = ks_calloc(count, sizeof *bench->rtt_us);
    bench->backend_us = ks_calloc(count, sizeof *bench->backend_us);
    KS_CHECK(bench->rtt_us != NULL && bench->backend_us != NULL, KS_ERR_NOMEM, "%zu jobs",
             count);
    for (uint64_t run = 0; run < bench->runs; run++) {
        ks_cli_progress(bench->cli, "run %llu of %llu: %u circuits, %u ways",
                        (unsigned long long)run + 1, (unsigned long long)bench->runs,
                        bench->cell_count, bench->way_count);
        for (unsigned cell = 0; cell < bench->cell_count; cell++) {
            for (unsigned i = 0; i < bench->way_count; i++) {
                KS_TRY(
                    run_job(bench, (unsigned)((run + cell + i) % bench->way_count), cell, run));
            }
        }
    }
out:
    return err;
}

/* --- tables ------------------------------------------------------------------------------- */

struct row {
    struct ks_quantile rtt;
    struct ks_quantile rtt_p99;
    struct ks_quantile backend;
    struct ks_quantile backend_p99;
};

static void quantiles(const double *values, size_t count, double *room,
                      struct ks_quantile *out_median, struct ks_quantile *out_p99)
{
    ks_copy(room, values, count * sizeof *values);
    ks_quantile_sort(room, count);
    *out_median = ks_quantile_of(room, count, 0.5);
    *out_p99 = ks_quantile_of(room, count, 0.99);
}

static struct row row_of(const struct bench *bench, unsigned way, unsigned cell)
{
    struct row row;
    double room[RUNS_MAX];
    const size_t place = place_of(bench, way, cell, 0);

    quantiles(bench->rtt_us + place, (size_t)bench->runs, room, &row.rtt, &row.rtt_p99);
    quantiles(bench->backend_us + place, (size_t)bench->runs, room, &row.backend,
              &row.backend_p99);
    return row;
}

static void put_key(const struct bench *bench, unsigned way, unsigned cell,
                    struct ks_buf *table)
{
    const struct way *at = &bench->ways[way];
    const struct cell *circuit = &bench->cells[cell];

    ks_buf_put_format(table, "%s,%s,%s,%s,%u,%u,%llu", bench->suites[at->lane]->name,
                      ks_lane_path_name(at->path), ks_lane_link_name(at->link),
                      circuit->template, (unsigned)circuit->qubits, (unsigned)circuit->depth,
                      (unsigned long long)circuit->shots);
}

#define KEY_COLUMNS "suite,path,connection,template,qubits,depth,shots"

static void put_quantile(const struct ks_quantile *quantile, struct ks_buf *table)
{
    char text[KS_DOUBLE_TEXT_MAX];
    const double ends[] = {quantile->low, quantile->high};
    const bool known[] = {quantile->low_known, quantile->high_known};

    (void)ks_double_text(quantile->value, text);
    ks_buf_put_format(table, ",%s", text);
    for (size_t i = 0; i < 2; i++) {
        ks_buf_put_text(table, ",");
        if (known[i]) {
            (void)ks_double_text(ends[i], text);
            ks_buf_put_text(table, text);
        }
    }
}

static void put_samples(const struct bench *bench, struct ks_buf *table)
{
    ks_buf_put_text(table, KEY_COLUMNS ",run,rtt_us,backend_us\n");
    for (unsigned way = 0; way < bench->way_count; way++) {
        for (unsigned cell = 0; cell < bench->cell_count; cell++) {
            for (uint64_t run = 0; run < bench->runs; run++) {
                const size_t place = place_of(bench, way, cell, run);

                put_key(bench, way, cell, table);
                ks_buf_put_format(table, ",%llu,%.0f,%.0f\n", (unsigned long long)run + 1,
                                  bench->rtt_us[place], bench->backend_us[place]);
            }
        }
    }
}

static void put_summary(const struct bench *bench, struct ks_buf *table)
{
    static const char *const names[] = {"rtt_median_us", "rtt_p99_us", "backend_median_us",
                                        "backend_p99_us"};

    ks_buf_put_text(table, KEY_COLUMNS ",runs");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ks_buf_put_format(table, ",%s,%s_low,%s_high", names[i], names[i], names[i]);
    }
    ks_buf_put_text(table, "\n");
    for (unsigned way = 0; way < bench->way_count; way++) {
        for (unsigned cell = 0; cell < bench->cell_count; cell++) {
            const struct row row = row_of(bench, way, cell);

            put_key(bench, way, cell, table);
            ks_buf_put_format(table, ",%llu", (unsigned long long)bench->runs);
            put_quantile(&row.rtt, table);
            put_quantile(&row.rtt_p99, table);
            put_quantile(&row.backend, table);
            put_quantile(&row.backend_p99, table);
            ks_buf_put_text(table, "\n");
        }
    }
}

static enum ks_err write_tables(const struct bench *bench)
{
    static const struct {
        const char *name;
        void (*put)(const struct bench *bench, struct ks_buf *table);
    } tables[] = {{"jobs.csv", put_samples}, {"jobs-summary.csv", put_summary}};
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_buf table;

    ks_buf_init(&table, TABLE_MAX);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        ks_buf_clear(&table);
        tables[i].put(bench, &table);
        KS_TRY(ks_buf_check(&table));
        KS_TRY(ks_path_join(bench->directory, tables[i].name, path));
        KS_TRY(ks_file_write(path, ks_buf_view(&table), 0644));
    }
out:
    ks_buf_done(&table);
    return err;
}

/* --- figures ------------------------------------------------------------------------------ */

/* The cells of the first template, depth and shots, by qubits. */
static bool is_drawn(const struct bench *bench, unsigned cell)
{
    const struct cell *first = &bench->cells[0];
    const struct cell *at = &bench->cells[cell];

    return strcmp(first->template, at->template) == 0 && first->depth == at->depth &&
           first->shots == at->shots;
}

/* Sealed jobs where they can be, each on a new connection; of the first post-quantum suite the
 * unsealed ones too where classical ones are drawn, which have no others to stand beside. */
static unsigned choose_ways(const struct bench *bench, unsigned chosen[KS_FIGURE_SERIES_MAX])
{
    bool classical = false;
    unsigned count = 0;

    for (unsigned way = 0; way < bench->way_count && count < KS_FIGURE_SERIES_MAX; way++) {
        const struct way *at = &bench->ways[way];
        const bool own = bench->suites[at->lane]->classical;

        if (at->link == KS_LANE_NEW && (own || at->path == KS_LANE_SEALED)) {
            chosen[count++] = way;
            classical = classical || own;
        }
    }
    for (unsigned way = 0; classical && way < bench->way_count; way++) {
        const struct way *at = &bench->ways[way];

        if (count < KS_FIGURE_SERIES_MAX && at->link == KS_LANE_NEW &&
            at->path == KS_LANE_UNSEALED && !bench->suites[at->lane]->classical) {
            chosen[count++] = way;
            break;
        }
    }
    return count;
}

/* Numbers of one drawn series. */
struct drawn {
    char name[64];
    char label[96];
    struct ks_figure_point points[KS_CLI_VALUES_MAX];
    size_t count;
};

static void name_series(const struct bench *bench, const struct way *way, struct drawn *drawn)
{
    const struct ks_lane_suite *suite = bench->suites[way->lane];
    const bool unsealed = way->path == KS_LANE_UNSEALED;

    (void)snprintf(drawn->name, sizeof drawn->name, "%s%s", suite->name,
                   unsealed ? "-unsealed" : "");
    for (char *at = drawn->name; *at != '\0'; at++) {
        if (*at == '+') {
            *at = '-';
        }
    }
    (void)snprintf(drawn->label, sizeof drawn->label, "%s%s",
                   unsealed ? suite->leaf : suite->label, unsealed ? " unsealed" : "");
}

static struct ks_figure_point point_of(const struct cell *cell,
                                       const struct ks_quantile *quantile)
{
    return (struct ks_figure_point){cell->qubits, quantile->value * 1e-6, quantile->low * 1e-6,
                                    quantile->high * 1e-6};
}

/* Whether so many jobs have an interval of their median. */
static bool is_known(const struct bench *bench)
{
    const struct row row = row_of(bench, 0, 0);

    return row.rtt.low_known && row.rtt.high_known;
}

static enum ks_err write_figure(const struct bench *bench, bool backend)
{
    enum ks_err err = KS_OK;
    unsigned chosen[KS_FIGURE_SERIES_MAX];
    struct drawn drawn[KS_FIGURE_SERIES_MAX];
    struct ks_figure_series series[KS_FIGURE_SERIES_MAX];
    const unsigned count = choose_ways(bench, chosen);
    const struct cell *first = &bench->cells[0];
    char subtitle[256];

    for (unsigned i = 0; i < count; i++) {
        drawn[i].count = 0;
        name_series(bench, &bench->ways[chosen[i]], &drawn[i]);
        for (unsigned cell = 0; cell < bench->cell_count; cell++) {
            const struct row row = row_of(bench, chosen[i], cell);

            if (is_drawn(bench, cell)) {
                drawn[i].points[drawn[i].count++] =
                    point_of(&bench->cells[cell], backend ? &row.backend : &row.rtt);
            }
        }
        series[i] = (struct ks_figure_series){drawn[i].name, drawn[i].label, drawn[i].points,
                                              drawn[i].count};
    }
    (void)snprintf(subtitle, sizeof subtitle,
                   "%s, depth %u, %llu shots; medians of %llu, %s; hybrid: X25519MLKEM768",
                   first->template, (unsigned)first->depth, (unsigned long long)first->shots,
                   (unsigned long long)bench->runs,
                   is_known(bench) ? "95 % intervals" : "ranges");
    const struct ks_figure figure = {
        .name = backend ? BACK_FIGURE : RTT_FIGURE,
        .title =
            backend ? "Backend time of a job" : "Round trip of a job on a new TLS connection",
        .subtitle = subtitle,
        .kind = "suite",
        .x = {"Qubits", "", "qubits", KS_FIGURE_LINEAR},
        .y = {backend ? "Backend time" : "Round trip", "s",
              backend ? "backend_seconds" : "rtt_seconds", KS_FIGURE_LOG10},
        .series = series,
        .count = count,
    };
    KS_TRY(ks_figure_write_table(&figure, bench->directory));
    if (bench->draw) {
        KS_TRY(ks_figure_draw(&figure, bench->directory));
    }
out:
    return err;
}

/* --- the result --------------------------------------------------------------------------- */

/* Each way by its smallest and its largest circuit; the tables have the rest. */
static void print_result(const struct bench *bench)
{
    const unsigned ends[] = {0, bench->cell_count - 1};
    const unsigned count = bench->cell_count > 1 ? 2 : 1;

    ks_cli_print("%-36s %-9s %-5s", "round trip: median, 99th percentile", "path", "conn.");
    for (unsigned i = 0; i < count; i++) {
        const struct cell *circuit = &bench->cells[ends[i]];
        char text[96];

        (void)snprintf(text, sizeof text, "%s %ux%u", circuit->template,
                       (unsigned)circuit->qubits, (unsigned)circuit->depth);
        ks_cli_print("  %24s", text);
    }
    ks_cli_print("\n");
    for (unsigned way = 0; way < bench->way_count; way++) {
        ks_cli_print("%-36s %-9s %-5s", bench->suites[bench->ways[way].lane]->name,
                     ks_lane_path_name(bench->ways[way].path),
                     ks_lane_link_name(bench->ways[way].link));
        for (unsigned i = 0; i < count; i++) {
            const struct row row = row_of(bench, way, ends[i]);

            ks_cli_print("  %8.2f ms %9.2f ms", row.rtt.value / 1e3, row.rtt_p99.value / 1e3);
        }
        ks_cli_print("\n");
    }
    ks_cli_print("\nin %s: jobs.csv, jobs-summary.csv, " RTT_FIGURE ", " BACK_FIGURE
                 " (.csv%s)\n",
                 bench->directory, bench->draw ? ", .pdf, .svg, .png" : "");
}

static void put_member(struct ks_json_writer *writer, const char *name,
                       const struct ks_quantile *quantile)
{
    ks_json_put_key(writer, name);
    ks_json_put_object(writer);
    ks_json_put_key(writer, "high");
    if (quantile->high_known) {
        ks_json_put_double(writer, quantile->high);
    } else {
        ks_json_put_null(writer);
    }
    ks_json_put_key(writer, "low");
    if (quantile->low_known) {
        ks_json_put_double(writer, quantile->low);
    } else {
        ks_json_put_null(writer);
    }
    ks_json_put_key(writer, "value");
    ks_json_put_double(writer, quantile->value);
    ks_json_put_end(writer);
}

static void put_row(const struct bench *bench, unsigned way, unsigned cell,
                    struct ks_json_writer *writer)
{
    const struct row row = row_of(bench, way, cell);
    const struct way *at = &bench->ways[way];
    const struct cell *circuit = &bench->cells[cell];

    ks_json_put_object(writer);
    put_member(writer, "backend_median_us", &row.backend);
    put_member(writer, "backend_p99_us", &row.backend_p99);
    ks_json_member_text(writer, "connection", ks_lane_link_name(at->link));
    ks_json_member_u64(writer, "depth", circuit->depth);
    ks_json_member_text(writer, "path", ks_lane_path_name(at->path));
    ks_json_member_u64(writer, "qubits", circuit->qubits);
    put_member(writer, "rtt_median_us", &row.rtt);
    put_member(writer, "rtt_p99_us", &row.rtt_p99);
    ks_json_member_u64(writer, "shots", circuit->shots);
    ks_json_member_text(writer, "suite", bench->suites[at->lane]->name);
    ks_json_member_text(writer, "template", circuit->template);
    ks_json_put_end(writer);
}

static enum ks_err print_json(const struct bench *bench)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, TABLE_MAX);
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "rows");
    ks_json_put_array(&writer);
    for (unsigned way = 0; way < bench->way_count; way++) {
        for (unsigned cell = 0; cell < bench->cell_count; cell++) {
            put_row(bench, way, cell, &writer);
        }
    }
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, "runs", bench->runs);
    ks_json_member_text(&writer, "schema", "ketseal.bench-jobs/1");
    ks_json_member_u64(&writer, "seed", bench->seed);
    ks_json_put_end(&writer);
    err = ks_cli_print_json(&out);
    ks_buf_done(&out);
    return err;
}

/* --- the command -------------------------------------------------------------------------- */

static enum ks_err run(struct bench *bench)
{
    enum ks_err err = KS_OK;

    KS_TRY(read_flags(bench));
    if (bench->draw) {
        KS_TRY(ks_fail_prefix(ks_figure_check(), "--no-figure writes the tables alone"));
    }
    KS_TRY(ks_dir_make(bench->directory, 0755));
    KS_TRY(open_lanes(bench));
    KS_TRY(measure(bench));
    KS_TRY(write_tables(bench));
    KS_TRY(write_figure(bench, false));
    KS_TRY(write_figure(bench, true));
out:
    return close_lanes(bench, err);
}

enum ks_err ks_command_bench_jobs(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct bench *bench = ks_calloc(1, sizeof *bench);
    sigset_t before;

    ks_cli_signals_defer(&before);
    KS_CHECK(bench != NULL, KS_ERR_NOMEM, "bench");
    bench->cli = cli;
    KS_TRY(run(bench));
    if (cli->json) {
        KS_TRY(print_json(bench));
    } else {
        print_result(bench);
    }
out:
    if (bench != NULL) {
        ks_free(bench->rtt_us);
        ks_free(bench->backend_us);
    }
    ks_free(bench);
    ks_cli_signals_go(&before); /* one that waited ends the program here */
    return err;
}
