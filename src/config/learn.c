/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "config/learn.h"

#include <string.h>

#include "base/text.h"
#include "config/yaml.h"

#define YAML_BYTES_MAX 65536
#define YAML_UNITS_MAX 65536

static bool is_file(const char *name)
{
    const size_t len = strlen(name);

    return strchr(name, '/') != NULL || (len > 5 && strcmp(name + len - 5, ".yaml") == 0);
}

#define NAME(structure, field, flags, max)                                                     \
    CYAML_FIELD_STRING_PTR(#field, CYAML_FLAG_POINTER | (flags), structure, field, 1, max)
#define NUMBER(structure, field, flags) CYAML_FIELD_UINT(#field, (flags), structure, field)

/* --- models ------------------------------------------------------------------------------- */

struct yaml_layer {
    char *kind;
    unsigned units;
    unsigned size;
    unsigned padding;
    double rate;
};

struct yaml_model {
    char *name;
    char *loss;
    struct yaml_layer *layers;
    unsigned layers_count;
};

static const cyaml_schema_field_t layer_fields[] = {
    NAME(struct yaml_layer, kind, 0, 16),
    NUMBER(struct yaml_layer, units, CYAML_FLAG_OPTIONAL),
    NUMBER(struct yaml_layer, size, CYAML_FLAG_OPTIONAL),
    NUMBER(struct yaml_layer, padding, CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_FLOAT("rate", CYAML_FLAG_OPTIONAL, struct yaml_layer, rate),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t layer_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_layer, layer_fields),
};

static const cyaml_schema_field_t model_fields[] = {
    NAME(struct yaml_model, name, 0, KS_MODEL_NAME_MAX),
    NAME(struct yaml_model, loss, 0, 16),
    CYAML_FIELD_SEQUENCE("layers", CYAML_FLAG_POINTER, struct yaml_model, layers, &layer_value,
                         1, KS_LAYERS_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t model_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_model, model_fields),
};

static enum ks_err take_layer(const struct yaml_layer *yaml, struct ks_layer_spec *layer)
{
    unsigned kind = 0;

    while (ks_layer_name((enum ks_layer_kind)kind) != NULL &&
           strcmp(ks_layer_name((enum ks_layer_kind)kind), yaml->kind) != 0) {
        kind++;
    }
    if (ks_layer_name((enum ks_layer_kind)kind) == NULL) {
        return ks_fail(KS_ERR_FORMAT,
                       "no kind '%s'; there are conv, pool, mean, dense, gru, relu, tanh, "
                       "dropout, channel-dropout",
                       yaml->kind);
    }
    *layer = (struct ks_layer_spec){
        .kind = (enum ks_layer_kind)kind,
        .units = yaml->units,
        .size = yaml->size,
        .padding = yaml->padding,
        .rate = yaml->rate,
    };
    return KS_OK;
}

static enum ks_err take_model(const struct yaml_model *yaml, unsigned outputs,
                              struct ks_model_spec *spec)
{
    enum ks_err err = KS_OK;
    struct ks_layer_spec *last = &spec->layer[yaml->layers_count - 1];

    ks_copy(spec->name, yaml->name, strlen(yaml->name));
    KS_CHECK(strcmp(yaml->loss, "classes") == 0 || strcmp(yaml->loss, "squared") == 0,
             KS_ERR_FORMAT, "loss: classes or squared, not '%s'", yaml->loss);
    spec->loss = yaml->loss[0] == 'c' ? KS_LOSS_CLASSES : KS_LOSS_SQUARED;
    spec->layers = yaml->layers_count;
    for (unsigned i = 0; i < spec->layers; i++) {
        KS_TRY(
            ks_fail_prefix(take_layer(&yaml->layers[i], &spec->layer[i]), "layer %u", i + 1));
    }
    if (last->kind == KS_LAYER_DENSE && last->units == 0) {
        last->units = outputs;
    }
out:
    return err;
}

enum ks_err ks_config_model(const char *name, unsigned dims, const unsigned input[3],
                            unsigned outputs, struct ks_model_spec *out_spec)
{
    enum ks_err err = KS_OK;
    struct yaml_model *yaml = NULL;
    void *loaded = NULL;
    struct ks_model_spec spec = {.dims = dims};

    if (!is_file(name)) {
        return ks_model_named(name, dims, input, outputs, out_spec);
    }
    ks_copy(spec.input, input, dims * sizeof *input);
    KS_TRY(ks_yaml_load(name, YAML_BYTES_MAX, &model_schema, &loaded));
    yaml = loaded;
    KS_TRY(ks_fail_prefix(take_model(yaml, outputs, &spec), "%s", name));
    *out_spec = spec;
out:
    ks_yaml_free(&model_schema, yaml);
    return err;
}

/* --- series ------------------------------------------------------------------------------- */

struct yaml_series {
    char *name;
    char *time;
    char *target;
    char **features;
    unsigned features_count;
    char *direction;
    char **calendar;
    unsigned calendar_count;
    unsigned step_s;
    unsigned window;
    unsigned horizon;
    unsigned fill;
    bool change;
    char *test_from;
};

static const cyaml_schema_value_t column_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, KS_SERIES_NAME_MAX),
};

#define COLUMNS(field, max)                                                                    \
    CYAML_FIELD_SEQUENCE(#field, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_series, \
                         field, &column_value, 0, max)

static const cyaml_schema_field_t series_fields[] = {
    NAME(struct yaml_series, name, 0, KS_SERIES_NAME_MAX),
    NAME(struct yaml_series, time, CYAML_FLAG_OPTIONAL, KS_SERIES_NAME_MAX),
    NAME(struct yaml_series, target, 0, KS_SERIES_NAME_MAX),
    COLUMNS(features, KS_SERIES_COLUMNS_MAX),
    NAME(struct yaml_series, direction, CYAML_FLAG_OPTIONAL, KS_SERIES_NAME_MAX),
    COLUMNS(calendar, 3),
    NUMBER(struct yaml_series, step_s, 0),
    NUMBER(struct yaml_series, window, 0),
    NUMBER(struct yaml_series, horizon, 0),
    NUMBER(struct yaml_series, fill, CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_BOOL("change", CYAML_FLAG_OPTIONAL, struct yaml_series, change),
    NAME(struct yaml_series, test_from, 0, KS_TIME_TEXT_LEN),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t series_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_series, series_fields),
};

static void take_name(const char *name, char target[KS_SERIES_NAME_MAX + 1])
{
    if (name != NULL) {
        ks_copy(target, name, strlen(name)); /* libcyaml has checked the length */
    }
}

static enum ks_err take_series(const struct yaml_series *yaml, struct ks_series_schema *schema)
{
    static const char *const words[] = {"hour", "weekday", "season"};
    enum ks_err err = KS_OK;

    take_name(yaml->name, schema->name);
    take_name(yaml->time, schema->time);
    take_name(yaml->target, schema->target);
    take_name(yaml->direction, schema->direction);
    schema->features = yaml->features_count;
    for (unsigned i = 0; i < yaml->features_count; i++) {
        take_name(yaml->features[i], schema->feature[i]);
    }
    for (unsigned i = 0; i < yaml->calendar_count; i++) {
        unsigned word = 0;

        while (word < 3 && strcmp(words[word], yaml->calendar[i]) != 0) {
            word++;
        }
        KS_CHECK(word < 3, KS_ERR_FORMAT, "calendar: hour, weekday, season, not '%s'",
                 yaml->calendar[i]);
        schema->calendar |= 1U << word;
    }
    schema->step_s = yaml->step_s;
    schema->window = yaml->window;
    schema->horizon = yaml->horizon;
    schema->fill = yaml->fill;
    schema->change = yaml->change;
    KS_TRY(ks_fail_prefix(ks_series_time(ks_bytes_text(yaml->test_from), &schema->test_from_us),
                          "test_from"));
    err = ks_series_check(schema);
    if (err == KS_ERR_USAGE) { /* it is the file's fault */
        err = KS_ERR_FORMAT;
    }
out:
    return err;
}

enum ks_err ks_config_series(const char *name, struct ks_series_schema *out_schema)
{
    enum ks_err err = KS_OK;
    struct ks_series_schema schema = {.name = ""};
    void *loaded = NULL;

    if (!is_file(name)) {
        return ks_series_named(name, out_schema);
    }
    KS_TRY(ks_yaml_load(name, YAML_BYTES_MAX, &series_schema, &loaded));
    KS_TRY(ks_fail_prefix(take_series(loaded, &schema), "%s", name));
    *out_schema = schema;
out:
    ks_yaml_free(&series_schema, loaded);
    return err;
}
