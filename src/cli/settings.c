/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* --config: flags of a command from a file of YAML (docs/formats/settings.md). Keys are the
 * names of flags with '_' for '-'; what an argument says wins. */

#include "config/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"

#define KEY_MAX 32

_Static_assert((int)KS_CLI_FLAGS_MAX <= KS_SETTINGS_KEYS_MAX, "a key for each flag");

/* The keys that a command knows: of all its flags but --config, in their order. */
struct keys {
    char names[KS_CLI_FLAGS_MAX][KEY_MAX];
    struct ks_settings_key key[KS_CLI_FLAGS_MAX];
    size_t index[KS_CLI_FLAGS_MAX]; /* of the flag */
    size_t count;
};

static bool is_path(const struct ks_flag *flag)
{
    return flag->value != NULL &&
           (strcmp(flag->value, "FILE") == 0 || strcmp(flag->value, "DIR") == 0 ||
            strcmp(flag->value, "PATH") == 0);
}

static void list_keys(const struct ks_command *command, struct keys *keys)
{
    for (size_t i = 0; command->flags[i].name != NULL; i++) {
        const struct ks_flag *flag = &command->flags[i];
        char *name = keys->names[keys->count];

        if (strcmp(flag->name, "config") == 0) {
            continue;
        }
        (void)snprintf(name, KEY_MAX, "%s", flag->name);
        for (char *c = name; *c != '\0'; c++) {
            *c = *c == '-' ? '_' : *c;
        }
        keys->key[keys->count] = (struct ks_settings_key){
            .name = name, .list = flag->kind == KS_FLAG_MANY, .path = is_path(flag)};
        keys->index[keys->count++] = i;
    }
}

/* TEXT is what flag INDEX may be: a number, a word for a switch. *OUT_GIVEN: it sets the flag.
 */
static enum ks_err check_value(const struct ks_cli *cli, size_t index, const char *text,
                               bool *out_given)
{
    enum ks_err err = KS_OK;
    const struct ks_flag *flag = &cli->command->flags[index];
    char where[KS_CLI_WHERE_MAX];
    uint64_t number = 0;

    ks_cli_where(cli, flag->name, where);
    *out_given = true;
    if (flag->kind == KS_FLAG_NUMBER) {
        KS_CHECK(ks_text_u64(ks_bytes_text(text), KS_JSON_INTEGER_MAX, &number) == KS_OK,
                 KS_ERR_USAGE, "%s: '%s' is no number from 0 to %llu", where, text,
                 (unsigned long long)KS_JSON_INTEGER_MAX);
    } else if (flag->kind == KS_FLAG_SWITCH) {
        *out_given = strcmp(text, "true") == 0;
        KS_CHECK(*out_given || strcmp(text, "false") == 0, KS_ERR_USAGE,
                 "%s: true or false, not '%s'", where, text);
    }
out:
    return err;
}

static enum ks_err take_values(struct ks_cli *cli, size_t key, size_t index)
{
    enum ks_err err = KS_OK;
    const char *const *values = NULL;
    const size_t count = ks_settings_values(cli->settings, key, &values);
    char where[KS_CLI_WHERE_MAX];
    bool given = false;

    if (count == 0 || cli->counts[index] > 0) {
        return KS_OK;
    }
    cli->lines[index] = ks_settings_line(cli->settings, key);
    ks_cli_where(cli, cli->command->flags[index].name, where);
    KS_CHECK(count <= KS_CLI_VALUES_MAX, KS_ERR_USAGE, "%s: at most %d", where,
             KS_CLI_VALUES_MAX);
    for (size_t i = 0; i < count; i++) {
        KS_TRY(check_value(cli, index, values[i], &given));
        if (given) {
            cli->values[index][cli->counts[index]++] = values[i];
        }
    }
out:
    return err;
}

enum ks_err ks_cli_settings_take(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct keys *keys = ks_calloc(1, sizeof *keys);

    KS_CHECK(keys != NULL, KS_ERR_NOMEM, "settings");
    list_keys(cli->command, keys);
    KS_TRY(
        ks_settings_open(ks_cli_text(cli, "config"), keys->key, keys->count, &cli->settings));
    for (size_t i = 0; i < keys->count; i++) {
        KS_TRY(take_values(cli, i, keys->index[i]));
    }
out:
    ks_free(keys);
    return err;
}

void ks_cli_settings_done(struct ks_cli *cli)
{
    ks_settings_close(cli->settings);
    cli->settings = NULL;
}
