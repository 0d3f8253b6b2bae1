/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench trng: the TPM's generator against the kernel's. docs/formats/trng.md has the tables. */

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/figure.h"
#include "cli/stop.h"
#include "cli/trng.h"
#include "tpm/tpm.h"

#define RUN_MS_MAX   60000
#define SAMPLE_CHUNK 4096
#define FIGURE       "entropy_throughput_log"
#define TABLE_MAX    ((size_t)1 << 20)

enum { TPM, KERNEL, SOURCES };

struct bench {
    struct ks_cli *cli;
    const char *directory;
    struct ks_trng_spec spec;
    size_t sample_len;
    uint64_t blocks[KS_CLI_VALUES_MAX];
    unsigned block_count;
    bool draw;
    /* the TPM */
    char *folder; /* of a swtpm of our own: its state, the CA that made it */
    int tpm_fd;   /* until TPM has taken it */
    pid_t tpm_pid;
    struct ks_tpm *tpm;
    /* what was found */
    struct ks_trng_source sources[SOURCES];
    struct ks_trng_speed speeds[KS_CLI_VALUES_MAX][SOURCES];
    struct ks_trng_quality qualities[SOURCES];
};

/* --- estimates and tests as rows -----------------------------------------------------------
 */

struct estimate_row {
    const char *name;
    const char *shown;
    size_t offset; /* of the double in struct ks_trng_quality */
    unsigned width;
};

static const struct estimate_row estimates[] = {
    {"most-common-value", "most common value, per byte",
     offsetof(struct ks_trng_quality, mcv_bytes), 8},
    {"most-common-value", "most common value, per bit",
     offsetof(struct ks_trng_quality, mcv_bits), 1},
    {"collision", "collision, per bit", offsetof(struct ks_trng_quality, collision_bits), 1},
    {"markov", "Markov, per bit", offsetof(struct ks_trng_quality, markov_bits), 1},
};
#define ESTIMATES (sizeof estimates / sizeof estimates[0])

struct health_row {
    const char *name;
    const char *shown;
    size_t offset; /* of the struct ks_health in struct ks_trng_quality */
    unsigned width;
};

static const struct health_row tests[] = {
    {"repetition-count", "repetition count, bytes",
     offsetof(struct ks_trng_quality, repetition_bytes), 8},
    {"repetition-count", "repetition count, bits",
     offsetof(struct ks_trng_quality, repetition_bits), 1},
    {"adaptive-proportion", "adaptive proportion, bytes",
     offsetof(struct ks_trng_quality, proportion_bytes), 8},
    {"adaptive-proportion", "adaptive proportion, bits",
     offsetof(struct ks_trng_quality, proportion_bits), 1},
};
#define TESTS (sizeof tests / sizeof tests[0])

static double estimate_of(const struct ks_trng_quality *quality, const struct estimate_row *row)
{
    double value;

    ks_copy(&value, (const uint8_t *)quality + row->offset, sizeof value);
    return value;
}

static struct ks_health health_of(const struct ks_trng_quality *quality,
                                  const struct health_row *row)
{
    struct ks_health health;

    ks_copy(&health, (const uint8_t *)quality + row->offset, sizeof health);
    return health;
}

/* --- sources ------------------------------------------------------------------------------ */

static enum ks_err read_tpm(void *context, void *out, size_t len)
{
    return ks_tpm_random(context, out, len);
}

static enum ks_err read_kernel(void *context, void *out, size_t len)
{
    (void)context;
    return ks_random(out, len);
}

static enum ks_err open_tpm(struct bench *bench)
{
    enum ks_err err = KS_OK;
    const char *device = ks_cli_text(bench->cli, "tpm");
    char state[KS_PATH_MAX];

    /* The library says on standard error what its return codes say already. */
    (void)setenv("TSS2_LOG", "all+none", 1);
    if (device != NULL) {
        KS_TRY(ks_tpm_open_device(device, &bench->tpm_fd));
    } else {
        ks_cli_progress(bench->cli, "starting swtpm on a temporary state");
        KS_TRY(ks_dir_temporary("ketseal-trng", &bench->folder));
        KS_TRY(ks_path_join(bench->folder, "tpm", state));
        KS_TRY(ks_dir_make(state, 0700));
        KS_TRY(ks_tpm_start_swtpm(NULL, state, &bench->tpm_fd, &bench->tpm_pid));
    }
    KS_TRY(ks_tpm_open_fd(bench->tpm_fd, 0, &bench->tpm));
    bench->tpm_fd = -1; /* taken */
    bench->sources[TPM] = (struct ks_trng_source){"tpm", read_tpm, bench->tpm};
    bench->sources[KERNEL] = (struct ks_trng_source){"kernel", read_kernel, NULL};
out:
    return err;
}

/* FOLDER may be NULL. */
static enum ks_err remove_swtpm(const char *folder)
{
    static const char *const parts[] = {"tpm", "swtpm-ca"};
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    for (size_t i = 0; folder != NULL && i < sizeof parts / sizeof parts[0]; i++) {
        KS_TRY(ks_path_join(folder, parts[i], path));
        if (access(path, F_OK) == 0) {
            KS_TRY(ks_dir_remove(path));
        }
    }
    KS_TRY(ks_dir_remove(folder));
out:
    return err;
}

static enum ks_err close_tpm(struct bench *bench, enum ks_err err)
{
    ks_tpm_close(bench->tpm);
    ks_fd_close(&bench->tpm_fd);
    ks_tpm_stop_swtpm(bench->tpm_pid);
    if (err == KS_OK) {
        err = remove_swtpm(bench->folder);
    } else {
        char detail[KS_ERR_DETAIL_MAX];

        (void)snprintf(detail, sizeof detail, "%s", ks_err_detail());
        if (remove_swtpm(bench->folder) != KS_OK) {
            err = ks_fail(err, "%s", detail); /* the first error is the one to report */
        }
    }
    ks_free(bench->folder);
    return err;
}

/* --- flags -------------------------------------------------------------------------------- */

static enum ks_err number_between(const struct ks_cli *cli, const char *name, uint64_t min,
                                  uint64_t max, uint64_t *out_value)
{
    enum ks_err err = KS_OK;
    uint64_t value = 0;

    KS_TRY(ks_cli_number(cli, name, max, &value));
    KS_CHECK(value >= min, KS_ERR_USAGE, "--%s: at least %llu", name, (unsigned long long)min);
    *out_value = value;
out:
    return err;
}

/* Ascending, each once: they become the x axis. */
static enum ks_err read_blocks(struct bench *bench)
{
    static const uint64_t standard[] = {16,   32,   64,   128,   256,   512,  1024,
                                        2048, 4096, 8192, 16384, 32768, 65536};
    enum ks_err err = KS_OK;
    const char *const *values = NULL;
    unsigned count = ks_cli_many(bench->cli, "block", &values);

    for (unsigned i = 0; i < count; i++) {
        uint64_t block = 0;

        KS_CHECK(ks_text_u64(ks_bytes_text(values[i]), KS_TRNG_BLOCK_MAX, &block) == KS_OK &&
                     block > 0,
                 KS_ERR_USAGE, "--block: '%s' is no number from 1 to %llu", values[i],
                 (unsigned long long)KS_TRNG_BLOCK_MAX);
        KS_CHECK(i == 0 || block > bench->blocks[i - 1], KS_ERR_USAGE,
                 "--block: %s comes after %llu; name them in ascending order", values[i],
                 (unsigned long long)bench->blocks[i - 1]);
        bench->blocks[i] = block;
    }
    if (count == 0) {
        count = sizeof standard / sizeof standard[0];
        ks_copy(bench->blocks, standard, sizeof standard);
    }
    bench->block_count = count;
out:
    return err;
}

static enum ks_err read_flags(struct bench *bench)
{
    enum ks_err err = KS_OK;
    uint64_t runs = 0;
    uint64_t run_ms = 0;
    uint64_t sample = 0;

    KS_TRY(number_between(bench->cli, "runs", 1, KS_TRNG_RUNS_MAX, &runs));
    KS_TRY(number_between(bench->cli, "run-ms", 1, RUN_MS_MAX, &run_ms));
    KS_TRY(
        number_between(bench->cli, "sample", KS_TRNG_SAMPLE_MIN, KS_TRNG_SAMPLE_MAX, &sample));
    KS_TRY(read_blocks(bench));
    bench->spec = (struct ks_trng_spec){
        .runs = (unsigned)runs, .run_us = run_ms * 1000, .stop = ks_cli_signal_waits};
    bench->sample_len = (size_t)sample;
    bench->directory = ks_cli_text(bench->cli, "out");
    bench->draw = !ks_cli_switch(bench->cli, "no-figure");
out:
    return err;
}

/* --- measuring ---------------------------------------------------------------------------- */

static enum ks_err judge(struct bench *bench, unsigned source)
{
    enum ks_err err = KS_OK;
    const struct ks_trng_source *from = &bench->sources[source];
    uint8_t *sample = ks_calloc(bench->sample_len, 1);

    KS_CHECK(sample != NULL, KS_ERR_NOMEM, "a sample of %zu bytes", bench->sample_len);
    ks_cli_progress(bench->cli, "sampling %zu bytes of the %s", bench->sample_len, from->name);
    for (size_t done = 0; done < bench->sample_len;) {
        const size_t left = bench->sample_len - done;
        const size_t len = left < SAMPLE_CHUNK ? left : SAMPLE_CHUNK;

        KS_CHECK(!ks_cli_signal_waits(), KS_ERR_UNAVAILABLE, "interrupted");
        KS_TRY(from->read(from->context, sample + done, len));
        done += len;
    }
    KS_TRY(ks_trng_judge(ks_bytes_of(sample, bench->sample_len), &bench->qualities[source]));
out:
    ks_free(sample);
    return err;
}

static enum ks_err measure(struct bench *bench)
{
    enum ks_err err = KS_OK;

    for (unsigned i = 0; i < bench->block_count; i++) {
        ks_cli_progress(bench->cli, "blocks of %llu bytes, %u runs of each source",
                        (unsigned long long)bench->blocks[i], bench->spec.runs);
        KS_TRY(ks_trng_measure(bench->sources, SOURCES, (size_t)bench->blocks[i], &bench->spec,
                               bench->speeds[i]));
    }
    for (unsigned source = 0; source < SOURCES; source++) {
        KS_TRY(judge(bench, source));
    }
out:
    return err;
}

/* --- tables ------------------------------------------------------------------------------- */

static enum ks_err write_table(const struct bench *bench, const char *name,
                               const struct ks_buf *table)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_buf_check(table));
    KS_TRY(ks_path_join(bench->directory, name, path));
    KS_TRY(ks_file_write(path, ks_buf_view(table), 0644));
out:
    return err;
}

static enum ks_err write_runs(const struct bench *bench, struct ks_buf *table)
{
    ks_buf_put_text(table, "source,block_bytes,run,repeats,run_us\n");
    for (unsigned source = 0; source < SOURCES; source++) {
        for (unsigned i = 0; i < bench->block_count; i++) {
            const struct ks_trng_speed *speed = &bench->speeds[i][source];

            for (unsigned run = 0; run < bench->spec.runs; run++) {
                ks_buf_put_format(table, "%s,%llu,%u,%llu,%llu\n", bench->sources[source].name,
                                  (unsigned long long)bench->blocks[i], run + 1,
                                  (unsigned long long)speed->repeats,
                                  (unsigned long long)speed->run_us[run]);
            }
        }
    }
    return write_table(bench, "trng-runs.csv", table);
}

static enum ks_err write_entropy(const struct bench *bench, struct ks_buf *table)
{
    char text[KS_DOUBLE_TEXT_MAX];

    ks_buf_put_text(table, "source,estimate,width_bits,samples,min_entropy_bits\n");
    for (unsigned source = 0; source < SOURCES; source++) {
        for (size_t i = 0; i < ESTIMATES; i++) {
            (void)ks_double_text(estimate_of(&bench->qualities[source], &estimates[i]), text);
            ks_buf_put_format(table, "%s,%s,%u,%zu,%s\n", bench->sources[source].name,
                              estimates[i].name, estimates[i].width,
                              bench->sample_len * 8 / estimates[i].width, text);
        }
    }
    return write_table(bench, "trng-entropy.csv", table);
}

static enum ks_err write_health(const struct bench *bench, struct ks_buf *table)
{
    ks_buf_put_text(
        table, "source,test,width_bits,samples,claim_bits,alpha_log2,cutoff,worst,alarms\n");
    for (unsigned source = 0; source < SOURCES; source++) {
        for (size_t i = 0; i < TESTS; i++) {
            const struct ks_health health = health_of(&bench->qualities[source], &tests[i]);

            ks_buf_put_format(
                table, "%s,%s,%u,%zu,%u,-%d,%llu,%llu,%llu\n", bench->sources[source].name,
                tests[i].name, tests[i].width, bench->sample_len * 8 / tests[i].width,
                tests[i].width, KS_TRNG_ALPHA_LOG2, (unsigned long long)health.cutoff,
                (unsigned long long)health.worst, (unsigned long long)health.alarms);
        }
    }
    return write_table(bench, "trng-health.csv", table);
}

static enum ks_err write_tables(const struct bench *bench)
{
    enum ks_err err = KS_OK;
    struct ks_buf table;

    ks_buf_init(&table, TABLE_MAX);
    KS_TRY(write_runs(bench, &table));
    ks_buf_clear(&table);
    KS_TRY(write_entropy(bench, &table));
    ks_buf_clear(&table);
    KS_TRY(write_health(bench, &table));
out:
    ks_buf_done(&table);
    return err;
}

static enum ks_err write_figure(const struct bench *bench)
{
    enum ks_err err = KS_OK;
    const char *kind = ks_tpm_kind_name(ks_tpm_info(bench->tpm)->kind);
    struct ks_figure_point points[SOURCES][KS_CLI_VALUES_MAX];
    char tpm_label[64];
    char subtitle[128];

    for (unsigned source = 0; source < SOURCES; source++) {
        for (unsigned i = 0; i < bench->block_count; i++) {
            const struct ks_trng_speed *speed = &bench->speeds[i][source];

            points[source][i] = (struct ks_figure_point){
                (double)bench->blocks[i], speed->median, speed->low, speed->high};
        }
    }
    (void)snprintf(tpm_label, sizeof tpm_label, "TPM 2.0 GetRandom (%s)", kind);
    (void)snprintf(subtitle, sizeof subtitle,
                   "Median of %u runs, bars from the slowest to the fastest; tpm: %s",
                   bench->spec.runs, kind);
    const struct ks_figure_series series[SOURCES] = {
        {"tpm", tpm_label, points[TPM], bench->block_count},
        {"kernel", "Linux getrandom(2)", points[KERNEL], bench->block_count},
    };
    const struct ks_figure figure = {
        .name = FIGURE,
        .title = "Throughput of random number generators",
        .subtitle = subtitle,
        .kind = "source",
        .x = {"Block size", "B", "block_bytes", KS_FIGURE_LOG2},
        .y = {"Throughput", "B/s", "bytes_per_second", KS_FIGURE_LOG10},
        .series = series,
        .count = SOURCES,
    };
    KS_TRY(ks_figure_write_table(&figure, bench->directory));
    if (bench->draw) {
        ks_cli_progress(bench->cli, "drawing");
        KS_TRY(ks_figure_draw(&figure, bench->directory));
    }
out:
    return err;
}

/* --- the result, for people --------------------------------------------------------------- */

/* "1.23 MB/s". */
static void speed_text(double speed, char target[24])
{
    static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};
    size_t unit = 0;

    while (speed >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        speed /= 1000;
        unit++;
    }
    (void)snprintf(target, 24, "%.3g %s", speed, units[unit]);
}

static void print_speeds(const struct bench *bench)
{
    char text[3][24];

    ks_cli_print("%-9s  %-37s  %-37s  %s\n", "block", "TPM: median (slowest to fastest)",
                 "kernel: median (slowest to fastest)", "kernel/TPM");
    for (unsigned i = 0; i < bench->block_count; i++) {
        ks_cli_print("%7llu B", (unsigned long long)bench->blocks[i]);
        for (unsigned source = 0; source < SOURCES; source++) {
            const struct ks_trng_speed *speed = &bench->speeds[i][source];

            speed_text(speed->median, text[0]);
            speed_text(speed->low, text[1]);
            speed_text(speed->high, text[2]);
            ks_cli_print("  %10s (%10s to %10s)", text[0], text[1], text[2]);
        }
        ks_cli_print("  %10.0f\n",
                     bench->speeds[i][KERNEL].median / bench->speeds[i][TPM].median);
    }
}

static void print_quality(const struct bench *bench)
{
    const struct ks_trng_quality *tpm = &bench->qualities[TPM];
    const struct ks_trng_quality *kernel = &bench->qualities[KERNEL];

    ks_cli_print("\nmin-entropy estimates, %zu bytes of each (SP 800-90B 6.3), in bits\n"
                 "%-30s %10s %10s %10s\n",
                 bench->sample_len, "", "TPM", "kernel", "at most");
    for (size_t i = 0; i < ESTIMATES; i++) {
        ks_cli_print("%-30s %10.4f %10.4f %10u\n", estimates[i].shown,
                     estimate_of(tpm, &estimates[i]), estimate_of(kernel, &estimates[i]),
                     estimates[i].width);
    }
    ks_cli_print("%-30s %10.4f %10.4f %10d\n", "lowest of these, per byte", tpm->lowest,
                 kernel->lowest, 8);
    ks_cli_print("\nhealth tests for full entropy (SP 800-90B 4.4), alarm at the cutoff\n"
                 "%-30s %10s %10s %10s\n",
                 "", "TPM", "kernel", "cutoff");
    for (size_t i = 0; i < TESTS; i++) {
        ks_cli_print("%-30s %10llu %10llu %10llu\n", tests[i].shown,
                     (unsigned long long)health_of(tpm, &tests[i]).worst,
                     (unsigned long long)health_of(kernel, &tests[i]).worst,
                     (unsigned long long)health_of(tpm, &tests[i]).cutoff);
    }
    ks_cli_print("health: TPM %s, kernel %s\n", ks_trng_healthy(tpm) ? "pass" : "ALARM",
                 ks_trng_healthy(kernel) ? "pass" : "ALARM");
    ks_cli_print(
        "\nBoth outputs are conditioned: any seeded generator scores like this, whatever its\n"
        "seed. The estimates bound from above what can be claimed; they certify nothing.\n");
}

static void print_result(const struct bench *bench)
{
    const struct ks_tpm_info *info = ks_tpm_info(bench->tpm);

    ks_cli_print("tpm: %s (%s, %s, firmware %016llx)\n\n", ks_tpm_kind_name(info->kind),
                 info->manufacturer, info->vendor, (unsigned long long)info->firmware);
    print_speeds(bench);
    print_quality(bench);
    ks_cli_print("\nin %s: " FIGURE ".csv%s, trng-runs.csv, trng-entropy.csv, "
                 "trng-health.csv\n",
                 bench->directory,
                 bench->draw ? ", " FIGURE ".pdf, " FIGURE ".svg, " FIGURE ".png" : "");
}

/* --- the result as JSON ------------------------------------------------------------------- */

static void member_double(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

static void put_speeds(const struct bench *bench, struct ks_json_writer *writer)
{
    ks_json_put_array(writer);
    for (unsigned source = 0; source < SOURCES; source++) {
        for (unsigned i = 0; i < bench->block_count; i++) {
            const struct ks_trng_speed *speed = &bench->speeds[i][source];

            ks_json_put_object(writer);
            ks_json_member_u64(writer, "block_bytes", bench->blocks[i]);
            member_double(writer, "bytes_per_second", speed->median);
            member_double(writer, "bytes_per_second_high", speed->high);
            member_double(writer, "bytes_per_second_low", speed->low);
            ks_json_member_u64(writer, "repeats", speed->repeats);
            ks_json_member_text(writer, "source", bench->sources[source].name);
            ks_json_put_end(writer);
        }
    }
    ks_json_put_end(writer);
}

static void put_estimates(const struct bench *bench, struct ks_json_writer *writer)
{
    ks_json_put_array(writer);
    for (unsigned source = 0; source < SOURCES; source++) {
        for (size_t i = 0; i < ESTIMATES; i++) {
            ks_json_put_object(writer);
            ks_json_member_text(writer, "estimate", estimates[i].name);
            member_double(writer, "min_entropy_bits",
                          estimate_of(&bench->qualities[source], &estimates[i]));
            ks_json_member_text(writer, "source", bench->sources[source].name);
            ks_json_member_u64(writer, "width_bits", estimates[i].width);
            ks_json_put_end(writer);
        }
    }
    ks_json_put_end(writer);
}

static void put_health(const struct bench *bench, struct ks_json_writer *writer)
{
    ks_json_put_array(writer);
    for (unsigned source = 0; source < SOURCES; source++) {
        for (size_t i = 0; i < TESTS; i++) {
            const struct ks_health health = health_of(&bench->qualities[source], &tests[i]);

            ks_json_put_object(writer);
            ks_json_member_u64(writer, "alarms", health.alarms);
            ks_json_member_u64(writer, "cutoff", health.cutoff);
            ks_json_member_text(writer, "source", bench->sources[source].name);
            ks_json_member_text(writer, "test", tests[i].name);
            ks_json_member_u64(writer, "width_bits", tests[i].width);
            ks_json_member_u64(writer, "worst", health.worst);
            ks_json_put_end(writer);
        }
    }
    ks_json_put_end(writer);
}

static enum ks_err print_json(const struct bench *bench, bool healthy)
{
    const struct ks_tpm_info *info = ks_tpm_info(bench->tpm);
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, TABLE_MAX);
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "estimates");
    put_estimates(bench, &writer);
    ks_json_put_key(&writer, "health");
    put_health(bench, &writer);
    ks_json_member_bool(&writer, "healthy", healthy);
    ks_json_member_u64(&writer, "runs", bench->spec.runs);
    ks_json_member_u64(&writer, "sample_bytes", bench->sample_len);
    ks_json_member_text(&writer, "schema", "ketseal.bench-trng/1");
    ks_json_put_key(&writer, "speeds");
    put_speeds(bench, &writer);
    ks_json_member_text(&writer, "tpm", ks_tpm_kind_name(info->kind));
    ks_json_member_text(&writer, "tpm_manufacturer", info->manufacturer);
    ks_json_member_text(&writer, "tpm_vendor", info->vendor);
    ks_json_put_end(&writer);
    enum ks_err err = ks_cli_print_json(&out);

    ks_buf_done(&out);
    return err;
}

/* --- the command -------------------------------------------------------------------------- */

static enum ks_err run(struct bench *bench)
{
    enum ks_err err = KS_OK;
    bool healthy = false;

    KS_TRY(read_flags(bench));
    if (bench->draw) {
        KS_TRY(ks_fail_prefix(ks_figure_check(), "--no-figure writes the tables alone"));
    }
    KS_TRY(ks_dir_make(bench->directory, 0755)); /* not after minutes of measuring */
    KS_TRY(open_tpm(bench));
    KS_TRY(measure(bench));
    KS_TRY(write_tables(bench));
    KS_TRY(write_figure(bench));
    healthy =
        ks_trng_healthy(&bench->qualities[TPM]) && ks_trng_healthy(&bench->qualities[KERNEL]);
    if (bench->cli->json) {
        KS_TRY(print_json(bench, healthy));
    } else {
        print_result(bench);
    }
    if (!healthy) {
        bench->cli->answered = true;
        KS_TRY(ks_fail(KS_ERR_VERIFY, "a health test raised an alarm"));
    }
out:
    return err;
}

enum ks_err ks_command_bench_trng(struct ks_cli *cli)
{
    struct bench bench = {.cli = cli, .tpm_fd = -1, .tpm_pid = -1};
    sigset_t before;

    ks_cli_signals_defer(&before);
    enum ks_err err = close_tpm(&bench, run(&bench));

    ks_cli_signals_go(&before); /* one that waited ends the program here */
    return err;
}
