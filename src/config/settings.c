/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "config/settings.h"

#include <string.h>

#include "base/sys.h"
#include "config/yaml.h"

/* What libcyaml fills: a text, or a list of them. */
struct slot {
    char *text;
    char **list;
    unsigned list_count;
};

struct ks_settings {
    cyaml_schema_field_t fields[KS_SETTINGS_KEYS_MAX + 1];
    cyaml_schema_value_t schema;
    size_t count;
    struct slot *slots;
    unsigned lines[KS_SETTINGS_KEYS_MAX];
};

static const cyaml_schema_value_t text_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, KS_SETTINGS_TEXT_MAX),
};

static cyaml_schema_field_t field_of(const struct ks_settings_key *key, size_t index)
{
    const uint32_t at = (uint32_t)(index * sizeof(struct slot));
    cyaml_schema_field_t field = {.key = key->name};

    if (key->list) {
        field.value = (cyaml_schema_value_t){
            CYAML_VALUE_SEQUENCE(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char *, &text_value,
                                 0, KS_SETTINGS_VALUES_MAX)};
        field.data_offset = at + (uint32_t)offsetof(struct slot, list);
        field.count_offset = at + (uint32_t)offsetof(struct slot, list_count);
        field.count_size = sizeof(unsigned);
    } else {
        field.value = (cyaml_schema_value_t){CYAML_VALUE_STRING(
            CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char, 0, KS_SETTINGS_TEXT_MAX)};
        field.data_offset = at + (uint32_t)offsetof(struct slot, text);
    }
    return field;
}

static enum ks_err resolve(const char *path, struct slot *slot)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_config_resolve(path, &slot->text));
    for (unsigned i = 0; i < slot->list_count; i++) {
        KS_TRY(ks_config_resolve(path, &slot->list[i]));
    }
out:
    return err;
}

enum ks_err ks_settings_open(const char *path, const struct ks_settings_key *keys, size_t count,
                             struct ks_settings **out_settings)
{
    enum ks_err err = KS_OK;
    struct ks_settings *settings = ks_calloc(1, sizeof *settings);
    struct ks_buf text;
    void *loaded = NULL;

    ks_buf_init(&text, KS_SETTINGS_BYTES_MAX);
    KS_CHECK(settings != NULL, KS_ERR_NOMEM, "settings");
    KS_ASSERT(count <= KS_SETTINGS_KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        settings->fields[i] = field_of(&keys[i], i);
    }
    settings->count = count;
    settings->schema =
        (cyaml_schema_value_t){.type = CYAML_MAPPING,
                               .flags = CYAML_FLAG_POINTER,
                               .data_size = (uint32_t)(count * sizeof(struct slot)),
                               .mapping = {.fields = settings->fields}};
    KS_TRY(ks_yaml_load(path, KS_SETTINGS_BYTES_MAX, &settings->schema, &loaded));
    settings->slots = loaded;
    KS_TRY(ks_file_read(path, KS_SETTINGS_BYTES_MAX, &text));
    for (size_t i = 0; i < count; i++) {
        settings->lines[i] = ks_yaml_line(ks_buf_view(&text), keys[i].name, 1);
        KS_TRY(keys[i].path ? resolve(path, &settings->slots[i]) : KS_OK);
    }
    *out_settings = settings;
    settings = NULL; /* transferred */
out:
    ks_settings_close(settings);
    ks_buf_done(&text);
    return err;
}

void ks_settings_close(struct ks_settings *settings)
{
    if (settings != NULL) {
        ks_yaml_free(&settings->schema, settings->slots);
        ks_free(settings);
    }
}

size_t ks_settings_values(const struct ks_settings *settings, size_t index,
                          const char *const **out_values)
{
    const struct slot *slot = &settings->slots[index];

    KS_ASSERT(index < settings->count);
    if (slot->text != NULL) {
        *out_values = (const char *const *)&slot->text;
        return 1;
    }
    *out_values = (const char *const *)slot->list;
    return slot->list_count;
}

unsigned ks_settings_line(const struct ks_settings *settings, size_t index)
{
    KS_ASSERT(index < settings->count);
    return settings->lines[index];
}
