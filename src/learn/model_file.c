/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Models as safetensors, their description in the metadata. docs/formats/safetensors.md */

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "learn/internal.h"

#define DESCRIPTION_MAX 16384
#define NODES_MAX       (8 * KS_LAYERS_MAX)
#define KEY_MODEL       "ketseal.model"
#define KEY_CARD        "ketseal.card"

static const char *const losses[] = {
    [KS_LOSS_CLASSES] = "classes",
    [KS_LOSS_SQUARED] = "squared",
};

/* --- description -------------------------------------------------------------------------- */

static void put_layer(const struct ks_layer_spec *layer, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_text(writer, "kind", ks_layer_name(layer->kind));
    if (layer->kind == KS_LAYER_CONV) {
        ks_json_member_u64(writer, "padding", layer->padding);
    }
    if (layer->kind == KS_LAYER_DROPOUT || layer->kind == KS_LAYER_CHANNEL_DROPOUT) {
        ks_json_put_key(writer, "rate");
        ks_json_put_double(writer, layer->rate);
    }
    if (layer->kind == KS_LAYER_CONV || layer->kind == KS_LAYER_POOL ||
        layer->kind == KS_LAYER_MEAN) {
        ks_json_member_u64(writer, "size", layer->size);
    }
    if (layer->kind == KS_LAYER_CONV || layer->kind == KS_LAYER_DENSE ||
        layer->kind == KS_LAYER_GRU) {
        ks_json_member_u64(writer, "units", layer->units);
    }
    ks_json_put_end(writer);
}

static void put_description(const struct ks_model_spec *spec, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "input");
    ks_json_put_array(&writer);
    for (unsigned i = 0; i < spec->dims; i++) {
        ks_json_put_u64(&writer, spec->input[i]);
    }
    ks_json_put_end(&writer);
    ks_json_put_key(&writer, "layers");
    ks_json_put_array(&writer);
    for (unsigned i = 0; i < spec->layers; i++) {
        put_layer(&spec->layer[i], &writer);
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "loss", losses[spec->loss]);
    ks_json_member_text(&writer, "name", spec->name);
    ks_json_put_end(&writer);
}

/* Member NAME where there is one, else 0. */
static enum ks_err get_unsigned(const struct ks_json *value, const char *name,
                                unsigned *out_number)
{
    enum ks_err err = KS_OK;
    uint64_t number = 0;

    if (ks_json_find(value, name) != NULL) {
        KS_TRY(ks_json_get_u64(value, name, UINT32_MAX, &number));
    }
    *out_number = (unsigned)number;
out:
    return err;
}

static enum ks_err read_layer(const struct ks_json *value, struct ks_layer_spec *layer)
{
    static const char *const members[] = {"kind", "padding", "rate", "size", "units", NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes kind;
    const struct ks_json *rate = NULL;
    unsigned index = 0;

    KS_CHECK(ks_json_type(value) == KS_JSON_OBJECT, KS_ERR_FORMAT, "expected an object");
    KS_TRY(ks_json_only(value, members));
    KS_TRY(ks_json_get_string(value, "kind", &kind));
    while (ks_layer_name((enum ks_layer_kind)index) != NULL &&
           !ks_bytes_is(kind, ks_layer_name((enum ks_layer_kind)index))) {
        index++;
    }
    layer->kind = (enum ks_layer_kind)index; /* one beyond the last is refused with the model */
    KS_TRY(get_unsigned(value, "units", &layer->units));
    KS_TRY(get_unsigned(value, "size", &layer->size));
    KS_TRY(get_unsigned(value, "padding", &layer->padding));
    rate = ks_json_find(value, "rate");
    if (rate != NULL) {
        KS_TRY(ks_json_double(rate, &layer->rate));
    }
out:
    return err;
}

static enum ks_err read_input(const struct ks_json *root, struct ks_model_spec *spec)
{
    enum ks_err err = KS_OK;
    const struct ks_json *input = NULL;

    KS_TRY(ks_json_get(root, "input", KS_JSON_ARRAY, &input));
    KS_CHECK(ks_json_count(input) >= 2 && ks_json_count(input) <= 3, KS_ERR_FORMAT,
             "'input': 2 or 3 sides");
    spec->dims = (unsigned)ks_json_count(input);
    for (unsigned i = 0; i < spec->dims; i++) {
        uint64_t side = 0;

        KS_TRY(ks_json_u64(ks_json_at(input, i), UINT32_MAX, &side));
        spec->input[i] = (unsigned)side;
    }
out:
    return err;
}

static enum ks_err read_description(struct ks_bytes text, struct ks_model_spec *spec)
{
    static const char *const members[] = {"input", "layers", "loss", "name", NULL};
    const struct ks_json_limits limits = {.len_max = DESCRIPTION_MAX, .nodes_max = NODES_MAX};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *root = NULL;
    const struct ks_json *layers = NULL;
    struct ks_bytes name;
    struct ks_bytes loss;

    KS_TRY(ks_json_parse_canonical(text, &limits, &doc));
    root = ks_json_root(doc);
    KS_CHECK(ks_json_type(root) == KS_JSON_OBJECT, KS_ERR_FORMAT, "expected an object");
    KS_TRY(ks_json_only(root, members));
    KS_TRY(ks_json_get_string(root, "name", &name));
    KS_CHECK(name.len <= KS_MODEL_NAME_MAX, KS_ERR_FORMAT, "'name': over %d characters",
             KS_MODEL_NAME_MAX);
    ks_copy(spec->name, name.data, name.len);
    KS_TRY(ks_json_get_string(root, "loss", &loss));
    spec->loss = ks_bytes_is(loss, losses[KS_LOSS_SQUARED]) ? KS_LOSS_SQUARED : KS_LOSS_CLASSES;
    KS_CHECK(ks_bytes_is(loss, losses[spec->loss]), KS_ERR_FORMAT,
             "'loss': classes or squared");
    KS_TRY(read_input(root, spec));
    KS_TRY(ks_json_get(root, "layers", KS_JSON_ARRAY, &layers));
    KS_CHECK(ks_json_count(layers) <= KS_LAYERS_MAX, KS_ERR_LIMIT, "over %d layers",
             KS_LAYERS_MAX);
    spec->layers = (unsigned)ks_json_count(layers);
    for (unsigned i = 0; i < spec->layers; i++) {
        KS_TRY(ks_fail_prefix(read_layer(ks_json_at(layers, i), &spec->layer[i]), "layer %u",
                              i + 1));
    }
out:
    ks_json_doc_free(doc);
    return err;
}

/* --- files -------------------------------------------------------------------------------- */

void ks_model_write(const struct ks_model *model, const float *params, struct ks_bytes card,
                    struct ks_buf *out)
{
    struct ks_tensor tensors[KS_MODEL_TENSORS_MAX];
    struct ks_tensor_meta meta[3] = {{KS_LITERAL("format"), KS_LITERAL("pt")}};
    size_t meta_count = 1;
    struct ks_buf description;

    ks_buf_init(&description, DESCRIPTION_MAX);
    put_description(&model->spec, &description);
    if (description.err != KS_OK && out->err == KS_OK) {
        out->err = description.err;
    }
    meta[meta_count++] =
        (struct ks_tensor_meta){KS_LITERAL(KEY_MODEL), ks_buf_view(&description)};
    if (card.len > 0) {
        meta[meta_count++] = (struct ks_tensor_meta){KS_LITERAL(KEY_CARD), card};
    }
    for (unsigned i = 0; i < model->tensors; i++) {
        const struct ks_model_tensor *tensor = &model->tensor[i];

        tensors[i] = (struct ks_tensor){
            .name = ks_bytes_text(tensor->name),
            .dtype = KS_DTYPE_F32,
            .dims = tensor->dims,
            .data = ks_tensor_data(params + tensor->offset, tensor->count),
        };
        ks_copy(tensors[i].shape, tensor->shape, tensor->dims * sizeof tensor->shape[0]);
    }
    ks_tensors_write(tensors, model->tensors, meta, meta_count, out);
    ks_buf_done(&description);
}

static enum ks_err check_one(const struct ks_model_tensor *wanted,
                             const struct ks_tensor *tensor)
{
    enum ks_err err = KS_OK;

    KS_CHECK(tensor->dtype == KS_DTYPE_F32 || tensor->dtype == KS_DTYPE_F16, KS_ERR_FORMAT,
             "tensor '%s': dtype %s, expected F32 or F16", wanted->name,
             ks_dtype_name(tensor->dtype));
    KS_CHECK(tensor->dims == wanted->dims, KS_ERR_FORMAT,
             "tensor '%s': %u dimensions, expected %u", wanted->name, tensor->dims,
             wanted->dims);
    for (unsigned i = 0; i < wanted->dims; i++) {
        KS_CHECK(tensor->shape[i] == wanted->shape[i], KS_ERR_FORMAT,
                 "tensor '%s': side %u is %llu, expected %llu", wanted->name, i + 1,
                 (unsigned long long)tensor->shape[i], (unsigned long long)wanted->shape[i]);
    }
out:
    return err;
}

/* The file has exactly the model's tensors: before that, no memory is taken for them. */
static enum ks_err check_tensors(const struct ks_model *model, const struct ks_tensors *tensors)
{
    enum ks_err err = KS_OK;

    for (unsigned i = 0; i < model->tensors; i++) {
        const struct ks_model_tensor *wanted = &model->tensor[i];
        const struct ks_tensor *tensor = ks_tensors_find(tensors, wanted->name);

        KS_CHECK(tensor != NULL, KS_ERR_FORMAT, "no tensor '%s'", wanted->name);
        KS_TRY(check_one(wanted, tensor));
    }
    for (size_t i = 0; i < ks_tensors_count(tensors); i++) {
        const struct ks_bytes name = ks_tensors_at(tensors, i)->name;
        bool known = false;

        for (unsigned k = 0; k < model->tensors && !known; k++) {
            known = ks_bytes_is(name, model->tensor[k].name);
        }
        KS_CHECK(known, KS_ERR_FORMAT, "the model has no tensor '%.*s'", (int)name.len,
                 (const char *)name.data);
    }
out:
    return err;
}

static enum ks_err take_tensors(const struct ks_model *model, const struct ks_tensors *tensors,
                                float *params)
{
    enum ks_err err = KS_OK;

    for (unsigned i = 0; i < model->tensors; i++) {
        KS_TRY(ks_tensor_floats(ks_tensors_find(tensors, model->tensor[i].name),
                                params + model->tensor[i].offset));
    }
out:
    return err;
}

enum ks_err ks_model_read_params(const struct ks_model *model, struct ks_bytes bytes,
                                 float *params)
{
    enum ks_err err = KS_OK;
    struct ks_tensors *tensors = NULL;

    KS_TRY(ks_tensors_read(bytes, KS_TENSORS_BYTES_MAX, &tensors));
    KS_TRY(check_tensors(model, tensors));
    KS_TRY(take_tensors(model, tensors, params));
out:
    ks_tensors_free(tensors);
    return err;
}

/* The model that a file describes, which has exactly its tensors. */
static enum ks_err read_described(struct ks_bytes description, const struct ks_tensors *tensors,
                                  struct ks_model **out_model)
{
    enum ks_err err = KS_OK;
    struct ks_model_spec spec = {.name = ""};
    struct ks_model *model = NULL;

    KS_TRY(ks_fail_prefix(read_description(description, &spec), KEY_MODEL));
    err = ks_model_new(&spec, &model);
    if (err == KS_ERR_USAGE) { /* it is the file's fault, not the caller's */
        err = KS_ERR_FORMAT;
    }
    KS_TRY(ks_fail_prefix(err, KEY_MODEL));
    KS_TRY(check_tensors(model, tensors));
    *out_model = model;
    model = NULL; /* transferred */
out:
    ks_model_free(model);
    return err;
}

enum ks_err ks_model_check_order(struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct ks_tensors *tensors = NULL;
    struct ks_model *model = NULL;
    struct ks_bytes text;

    KS_TRY(ks_tensors_read(bytes, KS_TENSORS_BYTES_MAX, &tensors));
    if (ks_tensors_meta(tensors, KEY_MODEL, &text)) {
        KS_TRY(read_described(text, tensors, &model));
        for (unsigned i = 0; i < model->tensors; i++) {
            const struct ks_bytes name = ks_tensors_at(tensors, i)->name;

            KS_CHECK(ks_bytes_is(name, model->tensor[i].name), KS_ERR_FORMAT,
                     "its tensors are not in the order of its layers: '%.*s' lies where '%s' "
                     "belongs; `ketseal learn train --from=FILE --epochs=0` writes them in it",
                     (int)name.len, (const char *)name.data, model->tensor[i].name);
        }
    }
out:
    ks_tensors_free(tensors);
    ks_model_free(model);
    return err;
}

enum ks_err ks_model_read(struct ks_bytes bytes, struct ks_model **out_model,
                          float **out_params, struct ks_buf *out_card)
{
    enum ks_err err = KS_OK;
    struct ks_tensors *tensors = NULL;
    struct ks_model *model = NULL;
    float *params = NULL;
    struct ks_bytes text;

    KS_TRY(ks_tensors_read(bytes, KS_TENSORS_BYTES_MAX, &tensors));
    KS_CHECK(ks_tensors_meta(tensors, KEY_MODEL, &text), KS_ERR_FORMAT,
             "no " KEY_MODEL " in the metadata: not a model of ketseal");
    KS_TRY(read_described(text, tensors, &model));
    params = ks_calloc_huge(model->params, sizeof *params);
    KS_CHECK(params != NULL, KS_ERR_NOMEM, "%zu parameters", model->params);
    KS_TRY(take_tensors(model, tensors, params));
    if (ks_tensors_meta(tensors, KEY_CARD, &text)) {
        KS_CHECK(text.len <= KS_MODEL_CARD_MAX, KS_ERR_LIMIT, KEY_CARD ": over %d bytes",
                 KS_MODEL_CARD_MAX);
        ks_buf_put(out_card, text);
        KS_TRY(ks_buf_check(out_card));
    }
    *out_model = model;
    *out_params = params;
    model = NULL; /* transferred */
    params = NULL;
out:
    ks_tensors_free(tensors);
    ks_model_free(model);
    ks_free(params);
    return err;
}
