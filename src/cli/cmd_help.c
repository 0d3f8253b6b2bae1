/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* help: usage, the manual's list of commands and the completion of bash, all from the one
 * table. */

#include <string.h>

#include "cli/cli.h"

#define ROFF_COLUMNS 72 /* of a text line before its escapes */

/* Flags that every command takes. */
static const struct ks_flag global_flags[] = {
    {"json", KS_FLAG_SWITCH, NULL,
     "one JSON object as the result, errors as one on standard error", NULL, false},
    {"quiet", KS_FLAG_SWITCH, NULL, "no progress on standard error (-q)", NULL, false},
    {"help", KS_FLAG_SWITCH, NULL, "usage of the command (-h)", NULL, false},
    {NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false},
};

static const char *verb_of(const struct ks_command *command)
{
    return command->verb == NULL ? "" : command->verb;
}

static bool has_flags(const struct ks_flag *flags)
{
    return flags != NULL && flags[0].name != NULL;
}

/* --- usage
 * -------------------------------------------------------------------------------------------
 */

static void print_command(FILE *stream, const struct ks_command *command)
{
    (void)fprintf(stream, "  ketseal %s%s%s%s%s%s\n", command->noun,
                  command->verb == NULL ? "" : " ", verb_of(command),
                  has_flags(command->flags) ? " [--flag=VALUE]…" : "",
                  command->operands[0] == '\0' ? "" : " ", command->operands);
    (void)fprintf(stream, "      %s\n", command->help);
}

static void print_flag(FILE *stream, const struct ks_flag *flag)
{
    bool is_switch = flag->kind == KS_FLAG_SWITCH;

    (void)fprintf(stream, "  --%s%s%s\n      %s%s", flag->name, is_switch ? "" : "=",
                  is_switch ? "" : flag->value, flag->help,
                  flag->required ? " (required)" : "");
    if (flag->fallback != NULL) {
        (void)fprintf(stream, " [%s]", flag->fallback);
    }
    (void)fputc('\n', stream);
}

void ks_cli_help(FILE *stream, const struct ks_command *command)
{
    (void)fputs("usage: ketseal [--json] [-q] NOUN VERB [--flag=VALUE]… [--] [OPERAND]…\n",
                stream);
    if (command == NULL) {
        for (const struct ks_command *c = ks_commands; c->noun != NULL; c++) {
            print_command(stream, c);
        }
        (void)fputs(
            "`ketseal NOUN VERB --help` lists the flags of one command; see also ketseal(1).\n",
            stream);
        return;
    }
    print_command(stream, command);
    for (const struct ks_flag *f = command->flags; f != NULL && f->name != NULL; f++) {
        print_flag(stream, f);
    }
    for (const struct ks_flag *f = global_flags; f->name != NULL; f++) {
        print_flag(stream, f);
    }
}

/* --- manual: mdoc(7) ---------------------------------------------------------------------- */

/* TEXT as the argument of an mdoc macro or as text lines: nothing in it may act as roff. */
static void put_roff(const char *text)
{
    size_t column = 0;

    for (const char *c = text; *c != '\0'; c++) {
        size_t word = *c == ' ' ? strcspn(c + 1, " ") : 0;

        column = *c == ' ' && column + word > ROFF_COLUMNS ? 0 : column + 1;
        if (column == 0) {
            ks_cli_print("\n");
        } else if (*c == '\\') {
            ks_cli_print("\\e");
        } else if (*c == '-') {
            ks_cli_print("\\-");
        } else if (*c == '"') {
            ks_cli_print("\\(dq");
        } else if (column == 1 && (*c == '.' || *c == '\'')) {
            ks_cli_print("\\&%c", *c);
        } else {
            ks_cli_print("%c", *c);
        }
    }
}

/* TEXT as text lines, its first letter large, a full stop at its end, each sentence on a line
 * of its own as mdoc wants it. */
static void put_sentences(const char *text)
{
    char line[512];
    const char *rest = text;

    while (*rest != '\0') {
        const char *end = strstr(rest, ". ");
        size_t len = end == NULL ? strlen(rest) : (size_t)(end - rest) + 1;

        KS_ASSERT(len < sizeof line);
        ks_copy(line, rest, len);
        line[len] = '\0';
        line[0] = line[0] >= 'a' && line[0] <= 'z' ? (char)(line[0] - 'a' + 'A') : line[0];
        put_roff(line);
        ks_cli_print("%s\n", line[len - 1] == '.' ? "" : ".");
        rest += end == NULL ? len : len + 1;
    }
}

static void put_mdoc_flag(const struct ks_flag *flag)
{
    ks_cli_print(".It Fl \\-%s", flag->name);
    if (flag->kind != KS_FLAG_SWITCH) {
        ks_cli_print(" Ns = Ns Ar %s", flag->value);
    }
    ks_cli_print("\n");
    put_sentences(flag->help);
    if (flag->kind == KS_FLAG_MANY) {
        ks_cli_print("May be given several times.\n");
    }
    if (flag->required) {
        ks_cli_print("Required.\n");
    }
    if (flag->fallback != NULL) {
        ks_cli_print("The default is\n.Ql ");
        put_roff(flag->fallback);
        ks_cli_print(" .\n");
    }
}

/* Operands separated by spaces: "FILE", "[FILE]", "FILE…", "server|device". */
static void put_mdoc_operands(const char *operands)
{
    static const char dots[] = "…";
    const char *rest = operands;

    while (*rest != '\0') {
        size_t len = strcspn(rest, " ");
        size_t end = len;
        bool optional = rest[0] == '[';
        bool repeated = false;

        end -= optional ? 1 : 0; /* the bracket */
        if (end >= sizeof dots &&
            strncmp(rest + end - (sizeof dots - 1), dots, sizeof dots - 1) == 0) {
            repeated = true;
            end -= sizeof dots - 1;
        }
        ks_cli_print("%s Ar %.*s%s%s", optional ? " Oo" : "", (int)(end - (optional ? 1 : 0)),
                     rest + (optional ? 1 : 0), repeated ? " ..." : "", optional ? " Oc" : "");
        rest += len + (rest[len] == ' ' ? 1 : 0);
    }
}

static void print_mdoc(void)
{
    ks_cli_print(".Bl -tag -width Ds\n");
    for (const struct ks_command *c = ks_commands; c->noun != NULL; c++) {
        ks_cli_print(".It Ic %s%s%s%s", c->noun, c->verb == NULL ? "" : " ", verb_of(c),
                     has_flags(c->flags) ? " Oo Ar flags Oc" : "");
        put_mdoc_operands(c->operands);
        ks_cli_print("\n");
        put_sentences(c->help);
        if (has_flags(c->flags)) {
            ks_cli_print(".Bl -tag -width Ds\n");
            for (const struct ks_flag *f = c->flags; f->name != NULL; f++) {
                put_mdoc_flag(f);
            }
            ks_cli_print(".El\n");
        }
    }
    ks_cli_print(".El\n");
}

/* --- completion of bash ------------------------------------------------------------------- */

static bool noun_seen(const struct ks_command *command)
{
    for (const struct ks_command *c = ks_commands; c != command; c++) {
        if (strcmp(c->noun, command->noun) == 0) {
            return true;
        }
    }
    return false;
}

static void put_flag_words(const struct ks_flag *flags)
{
    for (const struct ks_flag *f = flags; f != NULL && f->name != NULL; f++) {
        ks_cli_print(" --%s%s", f->name, f->kind == KS_FLAG_SWITCH ? "" : "=");
    }
}

static void print_bash_nouns(void)
{
    ks_cli_print("    local nouns='");
    for (const struct ks_command *c = ks_commands; c->noun != NULL; c++) {
        if (!noun_seen(c)) {
            ks_cli_print("%s ", c->noun);
        }
    }
    ks_cli_print("--json --quiet --help --version'\n");
}

/* verbs for each noun that has some, flags for each command. */
static void print_bash_cases(void)
{
    ks_cli_print("    case $noun in\n");
    for (const struct ks_command *c = ks_commands; c->noun != NULL; c++) {
        if (c->verb != NULL && !noun_seen(c)) {
            ks_cli_print("    %s) verbs='", c->noun);
            for (const struct ks_command *d = c; d->noun != NULL; d++) {
                if (strcmp(d->noun, c->noun) == 0) {
                    ks_cli_print("%s%s", d == c ? "" : " ", d->verb);
                }
            }
            ks_cli_print("' ;;\n");
        }
    }
    ks_cli_print("    esac\n    case \"$noun${verbs:+ $verb}\" in\n");
    for (const struct ks_command *c = ks_commands; c->noun != NULL; c++) {
        ks_cli_print("    '%s%s%s') flags='", c->noun, c->verb == NULL ? "" : " ", verb_of(c));
        put_flag_words(global_flags);
        put_flag_words(c->flags);
        ks_cli_print("' ;;\n");
    }
    ks_cli_print("    esac\n");
}

static void print_bash(void)
{
    ks_cli_print(
        "# bash completion for ketseal; made by `ketseal help --bash`.\n"
        "_ketseal() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} noun='' verb='' verbs='' flags='' i at=0\n");
    print_bash_nouns();
    ks_cli_print("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                 "        [[ ${COMP_WORDS[i]} == -* ]] && continue\n"
                 "        at=$((at + 1))\n"
                 "        [[ $at == 1 ]] && noun=${COMP_WORDS[i]}\n"
                 "        [[ $at == 2 ]] && verb=${COMP_WORDS[i]}\n"
                 "    done\n");
    print_bash_cases();
    ks_cli_print("    COMPREPLY=()\n"
                 "    if [[ -z $noun ]]; then\n"
                 "        mapfile -t COMPREPLY < <(compgen -W \"$nouns\" -- \"$word\")\n"
                 "    elif [[ -n $verbs && -z $verb ]]; then\n"
                 "        mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$word\")\n"
                 "    elif [[ $word == -* ]]; then\n"
                 "        mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$word\")\n"
                 "        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
                 "    else\n"
                 "        compopt -o default\n"
                 "    fi\n"
                 "    return 0\n"
                 "}\n"
                 "complete -F _ketseal ketseal\n");
}

/* --- the command -------------------------------------------------------------------------- */

static const struct ks_command *find(const struct ks_cli *cli)
{
    for (const struct ks_command *c = ks_commands; c->noun != NULL; c++) {
        if (strcmp(c->noun, cli->operands[0]) == 0 &&
            (c->verb == NULL
                 ? cli->operand_count == 1
                 : cli->operand_count == 2 && strcmp(c->verb, cli->operands[1]) == 0)) {
            return c;
        }
    }
    return NULL;
}

enum ks_err ks_command_help(struct ks_cli *cli)
{
    const struct ks_command *command = NULL;

    if (ks_cli_switch(cli, "mdoc")) {
        print_mdoc();
    } else if (ks_cli_switch(cli, "bash")) {
        print_bash();
    } else {
        if (cli->operand_count > 0) {
            command = find(cli);
            if (command == NULL) {
                return ks_fail(KS_ERR_USAGE, "'%s%s%s': no such command; try ketseal --help",
                               cli->operands[0], cli->operand_count > 1 ? " " : "",
                               cli->operand_count > 1 ? cli->operands[1] : "");
            }
        }
        ks_cli_help(stdout, command);
    }
    return KS_OK;
}
