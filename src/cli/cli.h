/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* cli.h: the command line of ketseal: `ketseal [--json] NOUN VERB [--flag=VALUE] [--]
 * [OPERAND]…`. One table (commands.c) drives parsing, help and the manual's synopsis. Results
 * go to standard output, everything else to standard error; exit codes are those of the error
 * list, and KS_CLI_CONSISTENT. */
#ifndef KS_CLI_CLI_H
#define KS_CLI_CLI_H

#include <stdio.h>

#include "base/json.h"

#define KS_CLI_FLAGS_MAX    64
#define KS_CLI_VALUES_MAX   16 /* of one repeatable flag */
#define KS_CLI_OPERANDS_MAX 4096

/* Exit status of a replay that could not tell bit for bit, but statistically. */
#define KS_CLI_CONSISTENT 7

enum ks_flag_kind {
    KS_FLAG_SWITCH, /* --name */
    KS_FLAG_TEXT,   /* --name=VALUE or --name VALUE */
    KS_FLAG_NUMBER, /* the same; decimal, 0 to 2^53 - 1 */
    KS_FLAG_MANY,   /* text that may be given several times */
};

struct ks_flag {
    const char *name;
    enum ks_flag_kind kind;
    const char *value; /* what stands for the value in help: "FILE" */
    const char *help;
    const char *fallback; /* the default as text; NULL: none */
    bool required;
};

struct ks_cli;
typedef enum ks_err (*ks_command_run)(struct ks_cli *cli);

struct ks_command {
    const char *noun;
    const char *verb;     /* NULL: the noun alone is the command (run, verify, replay) */
    const char *operands; /* "FILE", "[FILE]", "" */
    unsigned operands_min;
    unsigned operands_max;
    const char *help;            /* one sentence */
    const struct ks_flag *flags; /* ends with a NULL name; NULL: none */
    ks_command_run run;
};

/* One invocation. */
struct ks_cli {
    bool json;
    bool quiet;
    int status;    /* where the command succeeds */
    bool answered; /* the result or standard error says already what failed */
    const struct ks_command *command;
    const char *values[KS_CLI_FLAGS_MAX][KS_CLI_VALUES_MAX]; /* per flag of the command */
    unsigned counts[KS_CLI_FLAGS_MAX];
    unsigned lines[KS_CLI_FLAGS_MAX]; /* of --config that have it; 0: an argument has */
    struct ks_settings *settings;     /* of --config, owned */
    const char *operands[KS_CLI_OPERANDS_MAX];
    unsigned operand_count;
};

/* The value of flag NAME of the command, its default, or NULL. */
const char *ks_cli_text(const struct ks_cli *cli, const char *name);
bool ks_cli_switch(const struct ks_cli *cli, const char *name);
/* Whether the file of --config says flag NAME: then an operand for the same wins. */
bool ks_cli_from_file(const struct ks_cli *cli, const char *name);
/* KS_ERR_USAGE naming the flag when it is no number of at most MAX. */
KS_MUST_CHECK enum ks_err ks_cli_number(const struct ks_cli *cli, const char *name,
                                        uint64_t max, uint64_t *out_value);
/* The same for a number as JSON writes it; *OUT_VALUE stays as it is where NAME is not given
 * and has no default. */
KS_MUST_CHECK enum ks_err ks_cli_real(const struct ks_cli *cli, const char *name,
                                      double *out_value);
/* What to blame for the value of flag NAME: "--rounds", or "global.yaml:7: rounds". */
#define KS_CLI_WHERE_MAX 256
void ks_cli_where(const struct ks_cli *cli, const char *name, char target[KS_CLI_WHERE_MAX]);
/* Flag NAME, a text, is VALUE (borrowed) where nothing says otherwise. */
void ks_cli_suggest(struct ks_cli *cli, const char *name, const char *value);
/* A number as JSON writes it. */
KS_MUST_CHECK enum ks_err ks_cli_read_real(const char *text, double *out_value);
/* The values of a KS_FLAG_MANY. */
unsigned ks_cli_many(const struct ks_cli *cli, const char *name,
                     const char *const **out_values);

/* What the file of --config says, for flags that no argument has (settings.c). It is a
 * mapping, docs/formats/settings.md; CLI owns what is read. Commands without that flag: none.
 */
KS_MUST_CHECK enum ks_err ks_cli_settings_take(struct ks_cli *cli);
void ks_cli_settings_done(struct ks_cli *cli);

/* A line on standard error while something goes on, unless --quiet or --json. */
void ks_cli_progress(const struct ks_cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Result text on standard output. */
void ks_cli_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void ks_cli_print_bytes(struct ks_bytes bytes);
/* The object in OUT and a newline: the one result of --json. */
KS_MUST_CHECK enum ks_err ks_cli_print_json(struct ks_buf *out);
/* Appends TEXT of others for a terminal: control characters, C1 of U+0080 to U+009F included,
 * as '?'. */
void ks_cli_put_shown(struct ks_buf *out, struct ks_bytes text);
/* Writes a result to PATH ("-" or NULL: standard output), by rename, never over one of the
 * INPUTS. */
KS_MUST_CHECK enum ks_err ks_cli_output(const char *path, const char *input,
                                        struct ks_bytes bytes);
/* The failure ERR with its stored detail on standard error: a line, or one object with --json.
 */
void ks_cli_report(const struct ks_cli *cli, enum ks_err err);
/* Seed for what was not given one: 53 random bits. */
KS_MUST_CHECK enum ks_err ks_cli_random_seed(uint64_t *out_seed);

extern const struct ks_command ks_commands[]; /* ends with a NULL noun */
/* Usage of one command, or of all when COMMAND is NULL. */
void ks_cli_help(FILE *stream, const struct ks_command *command);

enum ks_err ks_command_anchor_check(struct ks_cli *cli);
enum ks_err ks_command_anchor_deploy(struct ks_cli *cli);
enum ks_err ks_command_anchor_keygen(struct ks_cli *cli);
enum ks_err ks_command_anchor_pin(struct ks_cli *cli);
enum ks_err ks_command_anchor_prepare(struct ks_cli *cli);
enum ks_err ks_command_anchor_prove(struct ks_cli *cli);
enum ks_err ks_command_anchor_publish(struct ks_cli *cli);
enum ks_err ks_command_anchor_send(struct ks_cli *cli);
enum ks_err ks_command_anchor_sign(struct ks_cli *cli);
enum ks_err ks_command_bench_jobs(struct ks_cli *cli);
enum ks_err ks_command_bench_trng(struct ks_cli *cli);
enum ks_err ks_command_bundle_complete(struct ks_cli *cli);
enum ks_err ks_command_bundle_show(struct ks_cli *cli);
enum ks_err ks_command_ca_new(struct ks_cli *cli);
enum ks_err ks_command_ca_issue(struct ks_cli *cli);
enum ks_err ks_command_ca_revoke(struct ks_cli *cli);
enum ks_err ks_command_ca_show(struct ks_cli *cli);
enum ks_err ks_command_circuit_check(struct ks_cli *cli);
enum ks_err ks_command_circuit_plan(struct ks_cli *cli);
enum ks_err ks_command_circuit_show(struct ks_cli *cli);
enum ks_err ks_command_circuit_simulate(struct ks_cli *cli);
enum ks_err ks_command_circuit_sweep(struct ks_cli *cli);
enum ks_err ks_command_compare(struct ks_cli *cli);
enum ks_err ks_command_detect_evaluate(struct ks_cli *cli);
enum ks_err ks_command_detect_explain(struct ks_cli *cli);
enum ks_err ks_command_detect_figures(struct ks_cli *cli);
enum ks_err ks_command_detect_follow(struct ks_cli *cli);
enum ks_err ks_command_detect_report(struct ks_cli *cli);
enum ks_err ks_command_detect_score(struct ks_cli *cli);
enum ks_err ks_command_detect_train(struct ks_cli *cli);
enum ks_err ks_command_device_appraise(struct ks_cli *cli);
enum ks_err ks_command_device_attest(struct ks_cli *cli);
enum ks_err ks_command_device_enrol(struct ks_cli *cli);
enum ks_err ks_command_device_evidence(struct ks_cli *cli);
enum ks_err ks_command_device_list(struct ks_cli *cli);
enum ks_err ks_command_device_order(struct ks_cli *cli);
enum ks_err ks_command_device_reattest(struct ks_cli *cli);
enum ks_err ks_command_device_rotate(struct ks_cli *cli);
enum ks_err ks_command_device_show(struct ks_cli *cli);
enum ks_err ks_command_device_token(struct ks_cli *cli);
enum ks_err ks_command_device_update(struct ks_cli *cli);
enum ks_err ks_command_help(struct ks_cli *cli);
enum ks_err ks_command_job_cancel(struct ks_cli *cli);
enum ks_err ks_command_job_fetch(struct ks_cli *cli);
enum ks_err ks_command_job_list(struct ks_cli *cli);
enum ks_err ks_command_job_status(struct ks_cli *cli);
enum ks_err ks_command_job_submit(struct ks_cli *cli);
enum ks_err ks_command_job_wait(struct ks_cli *cli);
enum ks_err ks_command_fl_audit(struct ks_cli *cli);
enum ks_err ks_command_fl_create(struct ks_cli *cli);
enum ks_err ks_command_fl_devices(struct ks_cli *cli);
enum ks_err ks_command_fl_fetch(struct ks_cli *cli);
enum ks_err ks_command_fl_history(struct ks_cli *cli);
enum ks_err ks_command_fl_join(struct ks_cli *cli);
enum ks_err ks_command_fl_order(struct ks_cli *cli);
enum ks_err ks_command_fl_record(struct ks_cli *cli);
enum ks_err ks_command_fl_records(struct ks_cli *cli);
enum ks_err ks_command_fl_simulate(struct ks_cli *cli);
enum ks_err ks_command_fl_status(struct ks_cli *cli);
enum ks_err ks_command_learn_evaluate(struct ks_cli *cli);
enum ks_err ks_command_learn_generate(struct ks_cli *cli);
enum ks_err ks_command_learn_train(struct ks_cli *cli);
enum ks_err ks_command_ledger_check(struct ks_cli *cli);
enum ks_err ks_command_ledger_export(struct ks_cli *cli);
enum ks_err ks_command_ledger_follow(struct ks_cli *cli);
enum ks_err ks_command_ledger_fsck(struct ks_cli *cli);
enum ks_err ks_command_ledger_head(struct ks_cli *cli);
enum ks_err ks_command_ledger_prove(struct ks_cli *cli);
enum ks_err ks_command_ledger_serve(struct ks_cli *cli);
enum ks_err ks_command_ledger_vkeys(struct ks_cli *cli);
enum ks_err ks_command_policy_make(struct ks_cli *cli);
enum ks_err ks_command_qkd_simulate(struct ks_cli *cli);
enum ks_err ks_command_record_hash(struct ks_cli *cli);
enum ks_err ks_command_record_make(struct ks_cli *cli);
enum ks_err ks_command_record_show(struct ks_cli *cli);
enum ks_err ks_command_record_verify(struct ks_cli *cli);
enum ks_err ks_command_replay(struct ks_cli *cli);
enum ks_err ks_command_run_job(struct ks_cli *cli);
enum ks_err ks_command_site_certify(struct ks_cli *cli);
enum ks_err ks_command_timestamp_check(struct ks_cli *cli);
enum ks_err ks_command_timestamp_publish(struct ks_cli *cli);
enum ks_err ks_command_timestamp_request(struct ks_cli *cli);
enum ks_err ks_command_trace_alerts(struct ks_cli *cli);
enum ks_err ks_command_trace_build(struct ks_cli *cli);
enum ks_err ks_command_trace_export(struct ks_cli *cli);
enum ks_err ks_command_trace_list(struct ks_cli *cli);
enum ks_err ks_command_trace_schema(struct ks_cli *cli);
enum ks_err ks_command_trace_show(struct ks_cli *cli);
enum ks_err ks_command_verify(struct ks_cli *cli);
enum ks_err ks_command_witness_keygen(struct ks_cli *cli);

#endif
