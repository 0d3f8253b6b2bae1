/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* trace build: a data set of traces, of real jobs on sites of our own (docs/detection.md). */

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/build.h"
#include "cli/flags.h"
#include "cli/lab.h"

#define PLAN_BYTES_MAX    ((size_t)256 << 20)
#define JSON_MAX          65536
#define STATE_SUFFIX      ".state"
#define OPEN_FOLDERS_MAX  16
#define PROGRESS_EVERY_US 2000000

const struct ks_flag ks_trace_build_flags[] = {
    {"out", KS_FLAG_TEXT, "FILE", "where the data set goes; what is there already is kept",
     NULL, false},
    {"rows", KS_FLAG_NUMBER, "N", "jobs, each a row", "5000", false},
    {"seed", KS_FLAG_NUMBER, "N", "of the plan", "1", false},
    {"anomalies", KS_FLAG_NUMBER, "PERCENT", "of the rows, 0 to 50; at least one of each kind",
     "20", false},
    {"kind", KS_FLAG_MANY, "KIND", "only this kind of anomaly; may be repeated", NULL, false},
    {"plan", KS_FLAG_SWITCH, NULL, "print the plan as CSV, and do nothing", NULL, false},
    {"state", KS_FLAG_TEXT, "DIR",
     "where the sites live, kept at the end; default: FILE.state, which is removed then", NULL,
     false},
    {"devices", KS_FLAG_NUMBER, "N", "at work at once, 1 to 32", "6", false},
    {"libexec", KS_FLAG_TEXT, "DIR", "where the programs of a site are", KS_LIBEXEC_DIR, false},
    {"poisoned-worker", KS_FLAG_TEXT, "PROGRAM", "a worker that lies about its counts", NULL,
     false},
    {"altering-server", KS_FLAG_TEXT, "PROGRAM", "a ketseald that alters what was signed", NULL,
     false},
    {"extending-enclave", KS_FLAG_TEXT, "PROGRAM",
     "what tells the TPM of more than the launch, and becomes the enclave", NULL, false},
    {NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false},
};

/* A kind that is not carried out, and why. */
struct left_out {
    const char *why; /* NULL: it is carried out */
};

struct command {
    struct ks_cli *cli;
    struct ks_plan_spec plan_spec;
    struct ks_plan *plan;
    struct ks_build_spec build;
    struct left_out left_out[KS_PLAN_KINDS];
    struct ks_build_report report;
    char state[KS_PATH_MAX];
    uint64_t told_us;
};

/* --- which kinds -------------------------------------------------------------------------- */

static void choose_program(struct command *command, const char *flag, enum ks_plan_kind kind,
                           enum ks_plan_room room, const char *why)
{
    const char *program = ks_cli_text(command->cli, flag);

    command->build.instead[room] = program;
    if (program == NULL) {
        command->left_out[kind].why = why;
    }
}

/* Those that --kind names, or all; less those that cannot be carried out here. */
static enum ks_err choose_kinds(struct command *command)
{
    enum ks_err err = KS_OK;
    const char *const *names = NULL;
    const unsigned count = ks_cli_many(command->cli, "kind", &names);
    enum ks_plan_kind kind = KS_PLAN_NORMAL;

    choose_program(command, "poisoned-worker", KS_PLAN_POISONED, KS_PLAN_ROOM_POISONED,
                   "no program was given by --poisoned-worker");
    choose_program(command, "altering-server", KS_PLAN_ALTERED, KS_PLAN_ROOM_ALTERING,
                   "no program was given by --altering-server");
    choose_program(command, "extending-enclave", KS_PLAN_PCR, KS_PLAN_ROOM_EXTENDED,
                   "no program was given by --extending-enclave");
    if (!ks_lab_has(command->build.libexec, "ketseal-kme")) {
        command->left_out[KS_PLAN_EAVESDROP].why = "there is no ketseal-kme";
    }
    for (unsigned i = 0; i < KS_PLAN_KINDS; i++) {
        command->plan_spec.kinds[i] = count == 0 && command->left_out[i].why == NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        KS_TRY(ks_fail_prefix(ks_plan_kind_find(names[i], &kind), "--kind"));
        KS_CHECK(command->left_out[kind].why == NULL, KS_ERR_UNAVAILABLE, "--kind: '%s': %s",
                 names[i], command->left_out[kind].why);
        command->plan_spec.kinds[kind] = true;
    }
    for (unsigned i = 1; i < KS_PLAN_KINDS; i++) {
        if (!command->plan_spec.kinds[i] && command->left_out[i].why == NULL) {
            command->left_out[i].why = "not among those of --kind";
        }
    }
    command->plan_spec.quantum = command->plan_spec.kinds[KS_PLAN_EAVESDROP];
out:
    return err;
}

/* --- telling ------------------------------------------------------------------------------ */

static void tell_progress(void *context, const struct ks_build_progress *progress)
{
    struct command *command = context;
    const size_t here = progress->done - progress->resumed;
    const double seconds = (double)progress->elapsed_us / 1e6;
    const double rate = seconds > 0 ? (double)here / seconds : 0;

    if (progress->done < progress->count &&
        progress->elapsed_us - command->told_us < PROGRESS_EVERY_US) {
        return;
    }
    command->told_us = progress->elapsed_us;
    ks_cli_progress(command->cli, "%zu of %zu rows, %zu %%, %.1f a second, %.0f s to go",
                    progress->done, progress->count, 100 * progress->done / progress->count,
                    rate, rate > 0 ? (double)(progress->count - progress->done) / rate : 0);
}

static void put_kinds(const struct command *command, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "kinds");
    ks_json_put_array(writer);
    for (unsigned i = 0; i < KS_PLAN_KINDS; i++) {
        const uint64_t rows = command->report.kinds[i].rows;

        if (rows > 0) {
            ks_json_put_object(writer);
            ks_json_member_u64(writer, "device_us", command->report.kinds[i].busy_us);
            ks_json_member_u64(writer, "failed", command->report.kinds[i].failed);
            ks_json_member_text(writer, "kind", ks_plan_kind_name((enum ks_plan_kind)i));
            ks_json_member_u64(writer, "rows", rows);
            ks_json_put_end(writer);
        }
    }
    ks_json_put_end(writer);
    ks_json_put_key(writer, "left_out");
    ks_json_put_array(writer);
    for (unsigned i = 0; i < KS_PLAN_KINDS; i++) {
        if (command->left_out[i].why != NULL) {
            ks_json_put_object(writer);
            ks_json_member_text(writer, "kind", ks_plan_kind_name((enum ks_plan_kind)i));
            ks_json_member_text(writer, "why", command->left_out[i].why);
            ks_json_put_end(writer);
        }
    }
    ks_json_put_end(writer);
}

static enum ks_err print_json(const struct command *command)
{
    enum ks_err err = KS_OK;
    const struct ks_build_progress *progress = &command->report.progress;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, JSON_MAX);
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "elapsed_us", progress->elapsed_us);
    ks_json_member_text(&writer, "file", command->build.out);
    put_kinds(command, &writer);
    ks_json_member_u64(&writer, "resumed", progress->resumed);
    ks_json_member_u64(&writer, "rows", progress->done);
    ks_json_member_text(&writer, "schema", "ketseal.trace-build/1");
    ks_json_member_u64(&writer, "seed", command->plan_spec.seed);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

static void print_text(const struct command *command)
{
    const struct ks_build_progress *progress = &command->report.progress;

    for (unsigned i = 0; i < KS_PLAN_KINDS; i++) {
        const uint64_t rows = command->report.kinds[i].rows;

        if (rows > 0) {
            ks_cli_print("%-15s %6llu rows, %llu without a record, %.3f s of a device each\n",
                         ks_plan_kind_name((enum ks_plan_kind)i), (unsigned long long)rows,
                         (unsigned long long)command->report.kinds[i].failed,
                         (double)command->report.kinds[i].busy_us / 1e6 / (double)rows);
        }
    }
    ks_cli_print("%s: %zu rows, %zu of them in %.1f s\n", command->build.out, progress->done,
                 progress->done - progress->resumed, (double)progress->elapsed_us / 1e6);
}

/* --- the command -------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* The sites' folder, where nobody has asked for it. */
static enum ks_err remove_state(const struct command *command)
{
    if (ks_cli_text(command->cli, "state") == NULL &&
        nftw(command->state, remove_entry, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS) != 0) {
        return ks_fail(KS_ERR_IO, "remove '%s': %s", command->state, strerror(errno));
    }
    return KS_OK;
}

static enum ks_err read_flags(struct command *command)
{
    enum ks_err err = KS_OK;
    const struct ks_cli *cli = command->cli;
    const char *state = ks_cli_text(cli, "state");
    uint64_t devices = 0;
    uint64_t percent = 0;

    KS_TRY(ks_cli_number(cli, "rows", KS_PLAN_ROWS_MAX, &command->plan_spec.rows));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &command->plan_spec.seed));
    KS_TRY(ks_cli_number(cli, "anomalies", KS_PLAN_ANOMALIES_MAX, &percent));
    command->plan_spec.anomalies_percent = (unsigned)percent;
    KS_TRY(ks_cli_number(cli, "devices", KS_BUILD_LANES_MAX, &devices));
    KS_CHECK(devices >= 1, KS_ERR_USAGE, "--devices: at least 1");
    command->build.out = ks_cli_text(cli, "out");
    KS_CHECK(command->build.out != NULL || ks_cli_switch(cli, "plan"), KS_ERR_USAGE,
             "--out: a file for the data set, or --plan");
    if (command->build.out != NULL) {
        KS_CHECK(strlen(command->build.out) + sizeof STATE_SUFFIX < sizeof command->state,
                 KS_ERR_LIMIT, "path '%s' is too long", command->build.out);
        (void)snprintf(command->state, sizeof command->state, "%s" STATE_SUFFIX,
                       command->build.out);
    }
    command->build.state = state == NULL ? command->state : state;
    command->build.libexec = ks_cli_text(cli, "libexec");
    command->build.lanes = (unsigned)devices;
    command->build.seed = command->plan_spec.seed;
    command->build.progress = tell_progress;
    command->build.context = command;
    KS_TRY(choose_kinds(command));
    KS_TRY(ks_plan_new(&command->plan_spec, &command->plan));
    command->build.plan = command->plan;
out:
    return err;
}

static enum ks_err print_plan(const struct ks_plan *plan)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;

    ks_buf_init(&out, PLAN_BYTES_MAX);
    ks_plan_put(plan, &out);
    KS_TRY(ks_buf_check(&out));
    ks_cli_print_bytes(ks_buf_view(&out));
out:
    ks_buf_done(&out);
    return err;
}

static enum ks_err build(struct command *command)
{
    enum ks_err err = KS_OK;

    for (unsigned i = 1; i < KS_PLAN_KINDS; i++) {
        if (command->left_out[i].why != NULL) {
            ks_cli_progress(command->cli, "left out: %s (%s): %s",
                            ks_plan_kind_name((enum ks_plan_kind)i),
                            ks_plan_kind_what((enum ks_plan_kind)i), command->left_out[i].why);
        }
    }
    KS_TRY(ks_build_run(&command->build, &command->report));
    KS_TRY(remove_state(command));
    if (command->cli->json) {
        KS_TRY(print_json(command));
    } else {
        print_text(command);
    }
out:
    return err;
}

enum ks_err ks_command_trace_build(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct command command = {.cli = cli};

    KS_TRY(read_flags(&command));
    KS_TRY(ks_cli_switch(cli, "plan") ? print_plan(command.plan) : build(&command));
out:
    ks_plan_free(command.plan);
    return err;
}
