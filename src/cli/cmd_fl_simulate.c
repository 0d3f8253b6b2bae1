/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl simulate: a session of federated learning in this process. The session: flsim.h; who
 * trains: flsim_learn.h; what it shows: flsim_report.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/figure.h"
#include "cli/flsim_plan.h"
#include "cli/flsim_report.h"

#define THREADS_MAX 64
#define MEMORY_MAX  ((uint64_t)1 << 20) /* MiB */
#define FILE_MAX    KS_TENSORS_BYTES_MAX
#define LINE_MAX    8192
#define TUNE_MAX    10000

struct command {
    struct ks_cli *cli;
    const char *out; /* NULL: nothing is written */
    char *temporary; /* the state where nobody asked for one */
    struct ks_pool *pool;
    struct ks_flsim_learn learn;
    struct ks_flsim_plan plan;
    struct ks_buf text;  /* of the plan */
    struct ks_buf first; /* the model that it begins with */
    struct ks_flsim_hooks hooks;
    struct ks_fs *fs;
    struct ks_flsim *sim;
    struct ks_flsim_checked checked;
    struct ks_flsim_site sites[KS_LEARN_SITES_MAX];
    uint64_t tune; /* epochs */
    uint64_t start_us;
};

static void command_done(struct command *command)
{
    ks_flsim_close(command->sim);
    ks_fs_system_free(command->fs);
    ks_flsim_learn_done(&command->learn);
    ks_pool_free(command->pool);
    ks_buf_done(&command->text);
    ks_buf_done(&command->first);
    if (command->temporary != NULL && ks_dir_remove(command->temporary) != KS_OK) {
        ks_cli_progress(command->cli, "%s", ks_err_detail());
    }
    ks_free(command->temporary);
}

/* --- before ------------------------------------------------------------------------------- */

static enum ks_err open_state(struct command *command)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(command->cli, "state");
    int fd = -1;

    if (path == NULL) {
        KS_TRY(ks_dir_temporary("ketseal-fl-", &command->temporary));
        path = command->temporary;
    }
    KS_TRY(ks_dir_make(path, 0700));
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    KS_CHECK(fd >= 0, KS_ERR_IO, "%s: %s", path, strerror(errno));
    KS_CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0, KS_ERR_CONFLICT, "%s: in use", path);
    KS_TRY(ks_fs_system_new(fd, &command->fs));
    fd = -1; /* transferred */
out:
    ks_fd_close(&fd);
    return err;
}

/* What a client may claim is known once the plan is. */
static void cap_samples(struct command *command)
{
    for (size_t i = 0; i < command->learn.count; i++) {
        uint32_t *samples = &command->learn.clients[i].samples;

        *samples = *samples < command->plan.samples_max ? *samples : command->plan.samples_max;
    }
}

static enum ks_err prepare(struct command *command)
{
    enum ks_err err = KS_OK;
    const struct ks_cli *cli = command->cli;
    uint64_t threads = 0;
    uint64_t samples_max = 0;
    uint64_t memory = 0;
    struct ks_flsim_spec spec = {.plan = &command->plan, .hooks = &command->hooks};

    KS_TRY(ks_cli_number(cli, "threads", THREADS_MAX, &threads));
    KS_CHECK(threads >= 1, KS_ERR_USAGE, "--threads: at least 1");
    KS_TRY(ks_cli_number(cli, "memory", MEMORY_MAX, &memory));
    KS_TRY(ks_cli_number(cli, "tune", TUNE_MAX, &command->tune));
    KS_TRY(ks_cli_number(cli, "samples-max", KS_FL_WEIGHT_MAX, &samples_max));
    if (command->out != NULL) {
        KS_TRY(ks_cli_switch(cli, "no-figure") ? KS_OK : ks_figure_check());
        KS_TRY(ks_dir_make(command->out, 0755));
    }
    KS_TRY(ks_pool_new((unsigned)threads, &command->pool));
    KS_TRY(ks_flsim_learn_init(&command->learn, command->cli, command->pool,
                               samples_max == 0 ? KS_FL_WEIGHT_MAX : (uint32_t)samples_max));
    KS_TRY(ks_flsim_learn_first(&command->learn, &command->first));
    KS_TRY(ks_flsim_plan(cli, &command->learn, ks_buf_view(&command->first), &command->text,
                         &command->plan));
    cap_samples(command);
    KS_TRY(open_state(command));
    command->hooks = ks_flsim_learn_hooks(&command->learn);
    spec.fs = command->fs;
    spec.first = ks_buf_view(&command->first);
    spec.pool = command->pool;
    spec.memory_max = memory << 20;
    KS_TRY(ks_flsim_open(&spec, &command->sim));
out:
    return err;
}

/* --- rounds ------------------------------------------------------------------------------- */

static void put_real(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

static void say_round(const struct ks_cli *cli, const struct ks_flsim_round_record *record)
{
    char worth[32] = "-";

    if (record->metric.known && record->metric.classes) {
        (void)snprintf(worth, sizeof worth, "%.2f %%", 100 * record->metric.accuracy);
    } else if (record->metric.known) {
        (void)snprintf(worth, sizeof worth, "%.4f", record->metric.loss);
    }
    ks_cli_progress(cli, "%5llu  %10s  %10.4f  %7llu  %7llu  %5llu  %7llu  %8.1f",
                    (unsigned long long)record->round, worth, record->loss,
                    (unsigned long long)record->invited, (unsigned long long)record->count,
                    (unsigned long long)record->left, (unsigned long long)record->refused,
                    (double)(record->finished_us - record->started_us) / 1e6);
    if (!ks_bytes_is(record->outcome, "completed")) {
        ks_cli_progress(cli, "       %.*s", (int)record->outcome.len,
                        (const char *)record->outcome.data);
    }
}

static enum ks_err print_round(const struct ks_flsim_round_record *record)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, LINE_MAX);
    ks_json_put_object(&writer);
    if (record->metric.known && record->metric.classes) {
        put_real(&writer, "accuracy", record->metric.accuracy);
    }
    ks_json_member_u64(&writer, "counted", record->count);
    ks_json_member_u64(&writer, "invited", record->invited);
    ks_json_member_u64(&writer, "left", record->left);
    ks_json_member_hex(&writer, "model", KS_BYTES(record->model));
    ks_json_member_string(&writer, "outcome", record->outcome);
    ks_json_member_u64(&writer, "refused", record->refused);
    ks_json_member_u64(&writer, "round", record->round);
    ks_json_member_u64(&writer, "samples", record->samples);
    ks_json_member_text(&writer, "schema", "ketseal.fl-simulated-round/1");
    put_real(&writer, "seconds", (double)(record->finished_us - record->started_us) / 1e6);
    if (record->metric.known) {
        put_real(&writer, "test_loss", record->metric.loss);
    }
    put_real(&writer, "train_loss", record->loss);
    ks_json_member_u64(&writer, "uploaded_bytes", record->uploaded);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

static enum ks_err run(struct command *command)
{
    enum ks_err err = KS_OK;
    const struct ks_cli *cli = command->cli;

    ks_cli_progress(cli, "%zu clients, %zu parameters; isolation: none", command->plan.count,
                    command->learn.params);
    if (ks_flsim_rounds(command->sim) > 0 || ks_flsim_counted(command->sim) > 0) {
        ks_cli_progress(cli, "going on: %llu rounds have ended, %zu updates of the next count",
                        (unsigned long long)ks_flsim_rounds(command->sim),
                        ks_flsim_counted(command->sim));
    }
    ks_cli_progress(cli, "round        test  train loss  invited  counted   left  refused   "
                         "seconds");
    while (!ks_flsim_is_over(command->sim)) {
        KS_TRY(ks_flsim_round(command->sim));
        say_round(cli, ks_flsim_last(command->sim));
        KS_TRY(cli->json ? print_round(ks_flsim_last(command->sim)) : KS_OK);
        (void)fflush(stdout); /* a line at a time; whether it got out shows at the end */
    }
out:
    return err;
}

/* --- after -------------------------------------------------------------------------------- */

static enum ks_err write_to(const struct command *command, const char *name,
                            struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(command->out, name, path));
    KS_TRY(ks_file_write(path, bytes, 0644));
out:
    return err;
}

/* How the model came about. */
static void put_card(const struct command *command, struct ks_buf *card)
{
    struct ks_json_writer writer = ks_json_writer_of(card);
    char kernel[KS_TRAIN_KERNEL_MAX];

    ks_train_kernel(kernel);
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "clients", command->plan.count);
    ks_json_member_hex(&writer, "head", KS_BYTES(command->checked.head));
    ks_json_member_text(&writer, "isolation", "none");
    ks_json_member_text(&writer, "kernel", kernel);
    ks_json_put_key(&writer, "plan");
    ks_json_put_canonical(&writer, command->plan.text);
    ks_json_member_u64(&writer, "rounds", command->checked.rounds);
    ks_json_member_text(&writer, "schema", "ketseal.model-card/1");
    ks_json_member_u64(&writer, "updates", command->checked.updates);
    ks_json_put_end(&writer);
}

static enum ks_err write_model(const struct command *command)
{
    enum ks_err err = KS_OK;
    struct ks_buf card;
    struct ks_buf bytes;

    ks_buf_init(&card, KS_MODEL_CARD_MAX);
    ks_buf_init(&bytes, FILE_MAX);
    if (command->learn.synthetic) {
        KS_TRY(write_to(command, "model.safetensors", ks_flsim_file(command->sim)));
    } else {
        put_card(command, &card);
        KS_TRY(ks_buf_check(&card));
        ks_model_write(command->learn.model, ks_flsim_model(command->sim), ks_buf_view(&card),
                       &bytes);
        KS_TRY(ks_buf_check(&bytes));
        KS_TRY(write_to(command, "model.safetensors", ks_buf_view(&bytes)));
    }
out:
    ks_buf_done(&card);
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err write_out(struct command *command)
{
    enum ks_err err = KS_OK;
    struct ks_flsim_report report = {.directory = command->out,
                                     .draw = !ks_cli_switch(command->cli, "no-figure")};
    char subtitle[160];
    struct ks_buf records;

    ks_buf_init(&records, KS_FLSIM_RECORDS_MAX);
    (void)snprintf(subtitle, sizeof subtitle, "%zu clients, %zu parameters, %s, %s; simulated",
                   command->plan.count, command->learn.params,
                   ks_fl_rule_word(command->plan.robust.rule),
                   ks_fl_server_word(command->plan.server.rule));
    report.subtitle = subtitle;
    KS_TRY(ks_flsim_records(command->sim, &records));
    report.records = ks_buf_view(&records);
    KS_TRY(ks_flsim_report(&report, &command->checked));
    KS_TRY(write_to(command, "records.jsonl", ks_buf_view(&records)));
    KS_TRY(write_model(command));
out:
    ks_buf_done(&records);
    return err;
}

static void say_site(const struct ks_flsim_site *site, bool tuned, bool local)
{
    ks_cli_print("%s: federated %.3f", site->name, site->federated);
    if (tuned) {
        ks_cli_print(", tuned %.3f", site->tuned);
    }
    if (local) {
        ks_cli_print(", local %.3f (at its best %.3f)", site->local, site->local_best);
    }
    ks_cli_print(", as now %.3f, as the mean %.3f, %zu samples\n", site->persistence,
                 site->mean, site->samples);
}

static enum ks_err compare_sites(struct command *command)
{
    enum ks_err err = KS_OK;
    const struct ks_cli *cli = command->cli;
    const bool local = ks_cli_switch(cli, "local");
    const struct ks_flsim_comparison comparison = {
        .model = ks_flsim_model(command->sim),
        .tune = command->tune,
        .rounds = local ? ks_flsim_rounds(command->sim) : 0};

    for (size_t i = 0; i < command->learn.data.sites; i++) {
        KS_TRY(ks_flsim_learn_site(&command->learn, i, &comparison, &command->sites[i]));
        if (!cli->json) {
            say_site(&command->sites[i], comparison.tune > 0, local);
        }
    }
    if (command->out != NULL && command->learn.data.sites > 0 && local) {
        KS_TRY(ks_flsim_report_sites(command->out, command->sites, command->learn.data.sites));
    }
out:
    return err;
}

static void put_sites(const struct command *command, struct ks_json_writer *writer)
{
    ks_json_put_array(writer);
    for (size_t i = 0; i < command->learn.data.sites; i++) {
        const struct ks_flsim_site *site = &command->sites[i];

        ks_json_put_object(writer);
        put_real(writer, "error", site->federated);
        if (ks_cli_switch(command->cli, "local")) {
            put_real(writer, "error_local", site->local);
            put_real(writer, "error_local_best", site->local_best);
        }
        put_real(writer, "error_mean", site->mean);
        put_real(writer, "error_persistence", site->persistence);
        put_real(writer, "error_tuned", site->tuned);
        ks_json_member_u64(writer, "samples", site->samples);
        ks_json_member_text(writer, "site", site->name);
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

static enum ks_err print_end(const struct command *command)
{
    enum ks_err err = KS_OK;
    struct ks_usage usage;
    const double seconds = (double)(ks_clock_monotonic_us() - command->start_us) / 1e6;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 1024 * KS_LEARN_SITES_MAX);
    ks_usage_self(&usage);
    if (!command->cli->json) {
        ks_cli_print("%llu rounds, %.1f s, %.1f s of CPU, at most %.1f MiB\n",
                     (unsigned long long)ks_flsim_rounds(command->sim), seconds,
                     (double)usage.cpu_us / 1e6, (double)usage.memory_bytes / 1048576);
        return KS_OK;
    }
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "clients", command->plan.count);
    put_real(&writer, "cpu_seconds", (double)usage.cpu_us / 1e6);
    ks_json_member_u64(&writer, "memory_bytes", usage.memory_bytes);
    ks_json_member_u64(&writer, "parameters", command->learn.params);
    ks_json_member_u64(&writer, "rounds", ks_flsim_rounds(command->sim));
    ks_json_member_text(&writer, "schema", "ketseal.fl-simulated/1");
    put_real(&writer, "seconds", seconds);
    ks_json_put_key(&writer, "sites");
    put_sites(command, &writer);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_fl_simulate(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct command command = {
        .cli = cli, .out = ks_cli_text(cli, "out"), .start_us = ks_clock_monotonic_us()};

    ks_buf_init(&command.text, LINE_MAX);
    ks_buf_init(&command.first, FILE_MAX);
    KS_TRY(prepare(&command));
    KS_TRY(run(&command));
    KS_TRY(command.out != NULL ? write_out(&command) : KS_OK);
    KS_TRY(compare_sites(&command));
    KS_TRY(print_end(&command));
out:
    command_done(&command);
    return err;
}
