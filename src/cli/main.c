/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"
#include "crypto/version.h"

/* --- values ------------------------------------------------------------------------------- */

static size_t flag_index(const struct ks_command *command, const char *name, size_t len)
{
    size_t i = 0;

    while (command->flags != NULL && command->flags[i].name != NULL) {
        if (strlen(command->flags[i].name) == len &&
            strncmp(command->flags[i].name, name, len) == 0) {
            return i;
        }
        i++;
    }
    return KS_CLI_FLAGS_MAX;
}

static size_t known_flag(const struct ks_cli *cli, const char *name)
{
    size_t index = flag_index(cli->command, name, strlen(name));

    KS_ASSERT(index < KS_CLI_FLAGS_MAX);
    return index;
}

const char *ks_cli_text(const struct ks_cli *cli, const char *name)
{
    size_t index = known_flag(cli, name);

    return cli->counts[index] > 0 ? cli->values[index][0] : cli->command->flags[index].fallback;
}

bool ks_cli_switch(const struct ks_cli *cli, const char *name)
{
    return cli->counts[known_flag(cli, name)] > 0;
}

bool ks_cli_from_file(const struct ks_cli *cli, const char *name)
{
    return cli->lines[known_flag(cli, name)] != 0;
}

enum ks_err ks_cli_number(const struct ks_cli *cli, const char *name, uint64_t max,
                          uint64_t *out_value)
{
    const char *text = ks_cli_text(cli, name);

    char where[KS_CLI_WHERE_MAX];

    ks_cli_where(cli, name, where);
    if (text == NULL) {
        return ks_fail(KS_ERR_USAGE, "%s: missing", where);
    }
    if (ks_text_u64(ks_bytes_text(text), max, out_value) != KS_OK) {
        return ks_fail(KS_ERR_USAGE, "%s: '%s' is no number from 0 to %llu", where, text,
                       (unsigned long long)max);
    }
    return KS_OK;
}

enum ks_err ks_cli_real(const struct ks_cli *cli, const char *name, double *out_value)
{
    const char *text = ks_cli_text(cli, name);
    char where[KS_CLI_WHERE_MAX];

    ks_cli_where(cli, name, where);
    return text == NULL ? KS_OK
                        : ks_fail_prefix(ks_cli_read_real(text, out_value), "%s", where);
}

void ks_cli_where(const struct ks_cli *cli, const char *name, char target[KS_CLI_WHERE_MAX])
{
    const unsigned line = cli->lines[known_flag(cli, name)];

    if (line == 0) {
        (void)snprintf(target, KS_CLI_WHERE_MAX, "--%s", name);
    } else {
        (void)snprintf(target, KS_CLI_WHERE_MAX, "%s:%u: %s", ks_cli_text(cli, "config"), line,
                       name);
    }
}

enum ks_err ks_cli_read_real(const char *text, double *out_value)
{
    const struct ks_json_limits limits = {.len_max = 64, .nodes_max = 1};
    struct ks_json_doc *doc = NULL;
    enum ks_err err = ks_json_parse(ks_bytes_text(text), &limits, &doc);

    if (err == KS_OK) {
        err = ks_json_double(ks_json_root(doc), out_value);
    }
    ks_json_doc_free(doc);
    return err;
}

void ks_cli_suggest(struct ks_cli *cli, const char *name, const char *value)
{
    const size_t index = known_flag(cli, name);

    if (cli->counts[index] == 0) {
        cli->values[index][0] = value;
        cli->counts[index] = 1;
    }
}

unsigned ks_cli_many(const struct ks_cli *cli, const char *name, const char *const **out_values)
{
    size_t index = known_flag(cli, name);

    *out_values = cli->values[index];
    return cli->counts[index];
}

/* --- parsing ------------------------------------------------------------------------------ */

static enum ks_err take_flag(struct ks_cli *cli, const char *text, const char *next,
                             bool *out_used_next)
{
    enum ks_err err = KS_OK;
    const char *equals = strchr(text, '=');
    size_t len = equals == NULL ? strlen(text) : (size_t)(equals - text);
    size_t index = flag_index(cli->command, text, len);
    const struct ks_flag *flag = NULL;
    const char *value = equals == NULL ? NULL : equals + 1;

    KS_CHECK(index < KS_CLI_FLAGS_MAX, KS_ERR_USAGE, "--%.*s: no such flag", (int)len, text);
    flag = &cli->command->flags[index];
    if (flag->kind == KS_FLAG_SWITCH) {
        KS_CHECK(value == NULL, KS_ERR_USAGE, "--%s takes no value", flag->name);
        value = "";
    } else if (value == NULL) {
        KS_CHECK(next != NULL, KS_ERR_USAGE, "--%s: a value is missing", flag->name);
        value = next;
        *out_used_next = true;
    }
    KS_CHECK(cli->counts[index] == 0 || flag->kind == KS_FLAG_MANY, KS_ERR_USAGE,
             "--%s was given twice", flag->name);
    KS_CHECK(cli->counts[index] < KS_CLI_VALUES_MAX, KS_ERR_USAGE, "--%s: at most %d times",
             flag->name, KS_CLI_VALUES_MAX);
    cli->values[index][cli->counts[index]++] = value;
out:
    return err;
}

/* Short flags: only -o FILE (--out) and -q. */
static const char *long_form(const char *text)
{
    return strcmp(text, "-o") == 0 ? "out" : NULL;
}

static enum ks_err parse_rest(struct ks_cli *cli, int argc, char **argv, int at)
{
    enum ks_err err = KS_OK;
    bool only_operands = false;

    for (int i = at; i < argc; i++) {
        const char *text = argv[i];
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool used_next = false;

        if (!only_operands && strcmp(text, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && strcmp(text, "--json") == 0) {
            cli->json = true;
        } else if (!only_operands &&
                   (strcmp(text, "-q") == 0 || strcmp(text, "--quiet") == 0)) {
            cli->quiet = true;
        } else if (!only_operands && long_form(text) != NULL) {
            KS_TRY(take_flag(cli, long_form(text), next, &used_next));
        } else if (!only_operands && strncmp(text, "--", 2) == 0) {
            KS_TRY(take_flag(cli, text + 2, next, &used_next));
        } else if (!only_operands && text[0] == '-' && text[1] != '\0') {
            KS_TRY(ks_fail(KS_ERR_USAGE, "%s: no such flag", text));
        } else {
            KS_CHECK(cli->operand_count < cli->command->operands_max, KS_ERR_USAGE,
                     "'%s': one operand too many", text);
            cli->operands[cli->operand_count++] = text;
        }
        i += used_next ? 1 : 0;
    }
    KS_CHECK(cli->operand_count >= cli->command->operands_min, KS_ERR_USAGE,
             "missing operand: %s", cli->command->operands);
    if (flag_index(cli->command, "config", 6) < KS_CLI_FLAGS_MAX &&
        ks_cli_text(cli, "config") != NULL) {
        KS_TRY(ks_cli_settings_take(cli));
    }
    for (size_t i = 0; cli->command->flags != NULL && cli->command->flags[i].name != NULL;
         i++) {
        KS_CHECK(!cli->command->flags[i].required || cli->counts[i] > 0, KS_ERR_USAGE,
                 "--%s: missing", cli->command->flags[i].name);
    }
out:
    return err;
}

static const struct ks_command *find_command(int argc, char **argv, int at, int *out_next)
{
    for (const struct ks_command *c = ks_commands; c->noun != NULL; c++) {
        if (at < argc && strcmp(argv[at], c->noun) == 0) {
            if (c->verb == NULL) {
                *out_next = at + 1;
                return c;
            }
            if (at + 1 < argc && strcmp(argv[at + 1], c->verb) == 0) {
                *out_next = at + 2;
                return c;
            }
        }
    }
    return NULL;
}

static bool wants_help(int argc, char **argv, int at)
{
    for (int i = at; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            return true;
        }
    }
    return false;
}

/* --- output ------------------------------------------------------------------------------- */

void ks_cli_progress(const struct ks_cli *cli, const char *format, ...)
{
    va_list args;

    if (cli->quiet || cli->json) {
        return;
    }
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

void ks_cli_print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(stdout, format, args);
    va_end(args);
}

void ks_cli_print_bytes(struct ks_bytes bytes)
{
    (void)fwrite(bytes.data, 1, bytes.len, stdout); /* checked once, at the end of main */
}

enum ks_err ks_cli_print_json(struct ks_buf *out)
{
    enum ks_err err = KS_OK;

    ks_buf_put_text(out, "\n");
    KS_TRY(ks_buf_check(out));
    ks_cli_print_bytes(ks_buf_view(out));
out:
    return err;
}

void ks_cli_put_shown(struct ks_buf *out, struct ks_bytes text)
{
    uint8_t *target = ks_buf_reserve(out, text.len + 1);

    if (target != NULL) {
        ks_text_shown(text, (char *)target, text.len + 1);
        ks_buf_grew(out, text.len); /* without the NUL */
    }
}

enum ks_err ks_cli_output(const char *path, const char *input, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct stat out_stat;
    struct stat in_stat;

    if (path == NULL || strcmp(path, "-") == 0) {
        ks_cli_print_bytes(bytes);
        return KS_OK;
    }
    KS_CHECK(input == NULL || stat(path, &out_stat) != 0 || stat(input, &in_stat) != 0 ||
                 out_stat.st_dev != in_stat.st_dev || out_stat.st_ino != in_stat.st_ino,
             KS_ERR_USAGE, "'%s' is the input: refusing to write over it", path);
    KS_TRY(ks_file_write(path, bytes, 0644));
out:
    return err;
}

enum ks_err ks_cli_random_seed(uint64_t *out_seed)
{
    uint64_t seed = 0;
    enum ks_err err = ks_random(&seed, sizeof seed);

    if (err == KS_OK) {
        *out_seed = seed & KS_JSON_INTEGER_MAX;
    }
    return err;
}

void ks_cli_report(const struct ks_cli *cli, enum ks_err err)
{
    struct ks_buf text;
    struct ks_json_writer writer = ks_json_writer_of(&text);

    if (!cli->json) {
        (void)fprintf(stderr, "ketseal: %s\n", ks_err_detail());
        return;
    }
    ks_buf_init(&text, 4096);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "detail", ks_err_detail());
    ks_json_member_text(&writer, "error", ks_err_name(err));
    ks_json_member_text(&writer, "schema", "ketseal.error/1");
    ks_json_put_end(&writer);
    (void)fprintf(stderr, "%.*s\n", (int)text.len, (const char *)text.data);
    ks_buf_done(&text);
}

/* Arguments may be repeated in JSON, which has to be UTF-8. */
static enum ks_err check_text(const struct ks_cli *cli, int argc, char **argv)
{
    for (int i = 1; i < argc && cli->json; i++) {
        if (!ks_utf8_valid(ks_bytes_text(argv[i]))) {
            return ks_fail(KS_ERR_USAGE, "--json: argument %d is not UTF-8", i);
        }
    }
    return KS_OK;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_cli cli = {0};
    int at = 1;

    while (at < argc && (strcmp(argv[at], "--json") == 0 || strcmp(argv[at], "-q") == 0)) {
        cli.json = cli.json || strcmp(argv[at], "--json") == 0;
        cli.quiet = cli.quiet || strcmp(argv[at], "-q") == 0;
        at++;
    }
    if (at < argc && strcmp(argv[at], "--version") == 0) {
        ks_cli_print("ketseal %s\n", KS_VERSION);
        return 0;
    }
    cli.command = find_command(argc, argv, at, &at);
    if (wants_help(argc, argv, 1)) {
        ks_cli_help(stdout, cli.command);
        return 0;
    }
    KS_CHECK(at < argc || cli.command != NULL, KS_ERR_USAGE, "no command; try ketseal --help");
    KS_CHECK(cli.command != NULL, KS_ERR_USAGE, "'%s%s%s': no such command; try ketseal --help",
             argv[at], at + 1 < argc ? " " : "", at + 1 < argc ? argv[at + 1] : "");
    KS_TRY(parse_rest(&cli, argc, argv, at));
    KS_TRY(check_text(&cli, argc, argv));
    KS_TRY(ks_crypto_check_version());
    /* tpm2-tss logs to stderr otherwise, once per layer. */
    KS_CHECK(setenv("TSS2_LOG", "all+none", 1) == 0, KS_ERR_NOMEM, "environment");
    KS_TRY(cli.command->run(&cli));
out:
    if (err != KS_OK && !cli.answered) {
        ks_cli_report(&cli, err);
    }
    ks_cli_settings_done(&cli);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        (void)fputs("ketseal: cannot write to standard output\n", stderr);
        return ks_err_exit_code(KS_ERR_IO);
    }
    return err == KS_OK ? cli.status : ks_err_exit_code(err);
}
