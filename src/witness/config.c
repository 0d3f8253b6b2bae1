/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "witness/config.h"

#include <string.h>

#include "base/text.h"
#include "config/yaml.h"

#define PATH_LEN   3000
#define PREFIX_MAX 128
#define MAY_TEXT   (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t self_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct ks_witness_config_self, name, 1,
                           KS_NOTE_NAME_MAX),
    CYAML_FIELD_STRING_PTR("listen", CYAML_FLAG_POINTER, struct ks_witness_config_self, listen,
                           3, 63),
    CYAML_FIELD_STRING_PTR("prefix", MAY_TEXT, struct ks_witness_config_self, prefix, 1,
                           PREFIX_MAX),
    CYAML_FIELD_STRING_PTR("state", CYAML_FLAG_POINTER, struct ks_witness_config_self, state, 1,
                           PATH_LEN),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t keys_fields[] = {
    CYAML_FIELD_STRING_PTR("ed25519", MAY_TEXT, struct ks_witness_config_keys, ed25519, 1,
                           PATH_LEN),
    CYAML_FIELD_STRING_PTR("mldsa44", MAY_TEXT, struct ks_witness_config_keys, mldsa44, 1,
                           PATH_LEN),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t vkey_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, KS_NOTE_VKEY_MAX),
};
static const cyaml_schema_field_t log_fields[] = {
    CYAML_FIELD_STRING_PTR("origin", MAY_TEXT, struct ks_witness_config_log, origin, 1,
                           KS_NOTE_NAME_MAX),
    CYAML_FIELD_SEQUENCE("keys", CYAML_FLAG_POINTER, struct ks_witness_config_log, keys,
                         &vkey_schema, 1, KS_WITNESS_LOG_KEYS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t log_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct ks_witness_config_log, log_fields),
};
static const cyaml_schema_field_t config_fields[] = {
    CYAML_FIELD_MAPPING("witness", CYAML_FLAG_DEFAULT, struct ks_witness_config, witness,
                        self_fields),
    CYAML_FIELD_MAPPING("keys", CYAML_FLAG_DEFAULT, struct ks_witness_config, keys,
                        keys_fields),
    CYAML_FIELD_SEQUENCE("logs", CYAML_FLAG_POINTER, struct ks_witness_config, logs,
                         &log_schema, 1, KS_WITNESS_LOGS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct ks_witness_config, config_fields),
};

/* "/a/b": no slash at the end, nothing that would need an escape. */
static bool is_prefix(const char *text)
{
    const size_t len = strlen(text);

    if (len < 2 || text[0] != '/' || text[len - 1] == '/') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr("/-._~", c) != NULL))) {
            return false;
        }
    }
    return true;
}

static enum ks_err complete(const char *path, struct ks_witness_config *config)
{
    enum ks_err err = KS_OK;
    const char *prefix = config->witness.prefix;
    char address[64];
    uint16_t port = 0;

    KS_TRY(ks_config_resolve(path, &config->witness.state));
    KS_TRY(ks_config_resolve(path, &config->keys.ed25519));
    KS_TRY(ks_config_resolve(path, &config->keys.mldsa44));
    KS_TRY(ks_note_name_check(ks_bytes_text(config->witness.name), "witness.name"));
    KS_TRY(ks_config_listen("witness.listen", config->witness.listen, address, &port));
    KS_CHECK(prefix == NULL || is_prefix(prefix), KS_ERR_FORMAT,
             "witness.prefix: expected a path such as /w1");
    KS_CHECK(config->keys.ed25519 != NULL || config->keys.mldsa44 != NULL, KS_ERR_FORMAT,
             "keys: ed25519, mldsa44 or both");
out:
    return err;
}

enum ks_err ks_witness_config_load(const char *path, struct ks_witness_config **out_config)
{
    enum ks_err err = KS_OK;
    void *data = NULL;
    struct ks_witness_config *config = NULL;

    KS_TRY(ks_yaml_load(path, KS_WITNESS_CONFIG_MAX, &config_schema, &data));
    config = data;
    KS_TRY(ks_fail_prefix(complete(path, config), "%s", path));
    *out_config = config;
    config = NULL; /* transferred */
out:
    ks_witness_config_free(config);
    return err;
}

void ks_witness_config_free(struct ks_witness_config *config)
{
    ks_yaml_free(&config_schema, config);
}

enum ks_err ks_witness_config_logs(const struct ks_witness_config *config,
                                   struct ks_witness_logs *out_logs)
{
    enum ks_err err = KS_OK;

    *out_logs = (struct ks_witness_logs){.count = config->logs_count};
    for (size_t i = 0; i < config->logs_count; i++) {
        const struct ks_witness_config_log *from = &config->logs[i];
        struct ks_witness_log *log = &out_logs->logs[i];

        for (size_t k = 0; k < from->keys_count; k++) {
            err = ks_note_key_parse(ks_bytes_text(from->keys[k]), &out_logs->keys[i][k]);
            KS_TRY(ks_fail_prefix(err, "logs: log %zu, key %zu", i + 1, k + 1));
        }
        log->keys = (const struct ks_note_key *const *)out_logs->keys[i];
        log->key_count = from->keys_count;
        log->origin = from->origin != NULL ? ks_bytes_text(from->origin)
                                           : ks_note_key_name(out_logs->keys[i][0]);
    }
out:
    return err;
}

void ks_witness_logs_done(struct ks_witness_logs *logs)
{
    for (size_t i = 0; i < KS_WITNESS_LOGS_MAX; i++) {
        for (size_t k = 0; k < KS_WITNESS_LOG_KEYS_MAX; k++) {
            ks_note_key_free(logs->keys[i][k]);
            logs->keys[i][k] = NULL;
        }
    }
}
