/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/tensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define LENGTH_LEN 8
#define ALIGNMENT  8 /* of the first number: the header is filled up with spaces */
#define META       "__metadata__"
/* Values of a tensor's member in the header: itself, dtype, shape, offsets. */
#define NODES_MAX (KS_TENSORS_MAX * (6 + KS_TENSORS_DIMS_MAX) + KS_TENSORS_META_MAX + 2)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they lie");
_Static_assert(sizeof(float) == 4, "float is IEEE 754 binary32");

struct ks_tensors {
    struct ks_json_doc *doc; /* holds names and metadata */
    const struct ks_json *meta;
    size_t count;
    struct ks_tensor tensor[];
};

const char *ks_dtype_name(enum ks_dtype dtype)
{
    static const char *const names[] = {
#define NAME(name, size) #name,
        KS_DTYPE_LIST(NAME)
#undef NAME
    };

    return names[dtype];
}

size_t ks_dtype_size(enum ks_dtype dtype)
{
    static const size_t sizes[] = {
#define SIZE(name, size) size,
        KS_DTYPE_LIST(SIZE)
#undef SIZE
    };

    return sizes[dtype];
}

enum ks_err ks_tensor_count(const uint64_t *shape, unsigned dims, uint64_t max,
                            uint64_t *out_count)
{
    uint64_t count = 1;
    bool empty = false;

    for (unsigned i = 0; i < dims; i++) {
        empty = empty || shape[i] == 0;
    }
    for (unsigned i = 0; i < dims && !empty; i++) {
        if (shape[i] > max / count) {
            return ks_fail(KS_ERR_LIMIT, "over %llu numbers", (unsigned long long)max);
        }
        count *= shape[i];
    }
    *out_count = empty ? 0 : count;
    return KS_OK;
}

/* --- reading ------------------------------------------------------------------------------ */

static bool is_name(struct ks_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] > 0x7e) {
            return false;
        }
    }
    return text.len > 0 && text.len <= KS_TENSORS_NAME_MAX;
}

static enum ks_err read_dtype(const struct ks_json *value, enum ks_dtype *out_dtype)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text;
    char shown[16];

    KS_TRY(ks_json_get_string(value, "dtype", &text));
    for (unsigned i = 0; i <= KS_DTYPE_I64; i++) {
        if (ks_bytes_is(text, ks_dtype_name((enum ks_dtype)i))) {
            *out_dtype = (enum ks_dtype)i;
            return KS_OK;
        }
    }
    ks_text_shown(text, shown, sizeof shown);
    err = ks_fail(KS_ERR_FORMAT, "dtype '%s'; read are F32, F16, I8, U8, I32, I64", shown);
out:
    return err;
}

static enum ks_err read_shape(const struct ks_json *value, struct ks_tensor *tensor)
{
    enum ks_err err = KS_OK;
    const struct ks_json *shape = NULL;

    KS_TRY(ks_json_get(value, "shape", KS_JSON_ARRAY, &shape));
    KS_CHECK(ks_json_count(shape) <= KS_TENSORS_DIMS_MAX, KS_ERR_LIMIT, "over %d dimensions",
             KS_TENSORS_DIMS_MAX);
    tensor->dims = (unsigned)ks_json_count(shape);
    for (unsigned i = 0; i < tensor->dims; i++) {
        KS_TRY(ks_fail_prefix(
            ks_json_u64(ks_json_at(shape, i), KS_JSON_INTEGER_MAX, &tensor->shape[i]),
            "shape"));
    }
out:
    return err;
}

/* One member of the header. DATA is all that is behind it. */
static enum ks_err read_tensor(const struct ks_json *value, struct ks_bytes data,
                               struct ks_tensor *tensor)
{
    static const char *const members[] = {"data_offsets", "dtype", "shape", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *offsets = NULL;
    uint64_t begin = 0;
    uint64_t end = 0;
    uint64_t count = 0;

    KS_CHECK(ks_json_type(value) == KS_JSON_OBJECT, KS_ERR_FORMAT, "expected an object");
    KS_TRY(ks_json_only(value, members));
    KS_TRY(read_dtype(value, &tensor->dtype));
    KS_TRY(read_shape(value, tensor));
    KS_TRY(ks_json_get(value, "data_offsets", KS_JSON_ARRAY, &offsets));
    KS_CHECK(ks_json_count(offsets) == 2, KS_ERR_FORMAT, "data_offsets: expected two");
    KS_TRY(ks_json_u64(ks_json_at(offsets, 0), KS_JSON_INTEGER_MAX, &begin));
    KS_TRY(ks_json_u64(ks_json_at(offsets, 1), KS_JSON_INTEGER_MAX, &end));
    KS_CHECK(begin <= end && end <= data.len, KS_ERR_FORMAT,
             "data_offsets %llu to %llu of %zu bytes", (unsigned long long)begin,
             (unsigned long long)end, data.len);
    KS_TRY(ks_tensor_count(tensor->shape, tensor->dims, KS_TENSORS_BYTES_MAX, &count));
    KS_CHECK(count * ks_dtype_size(tensor->dtype) == end - begin, KS_ERR_FORMAT,
             "%llu numbers of %s, but %llu bytes", (unsigned long long)count,
             ks_dtype_name(tensor->dtype), (unsigned long long)(end - begin));
    tensor->data = ks_bytes_of(data.data + begin, end - begin);
out:
    return err;
}

static enum ks_err read_meta(const struct ks_json *meta)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ks_json_type(meta) == KS_JSON_OBJECT, KS_ERR_FORMAT, META ": expected an object");
    KS_CHECK(ks_json_count(meta) <= KS_TENSORS_META_MAX, KS_ERR_LIMIT, META ": over %d entries",
             KS_TENSORS_META_MAX);
    for (size_t i = 0; i < ks_json_count(meta); i++) {
        KS_CHECK(is_name(ks_json_key_at(meta, i)) &&
                     ks_json_type(ks_json_at(meta, i)) == KS_JSON_STRING,
                 KS_ERR_FORMAT, META ": keys of printable ASCII with texts");
    }
out:
    return err;
}

static int by_place(const void *left, const void *right)
{
    const struct ks_tensor *a = left;
    const struct ks_tensor *b = right;

    if (a->data.data != b->data.data) {
        return a->data.data < b->data.data ? -1 : 1;
    }
    return (a->data.len > b->data.len) - (a->data.len < b->data.len);
}

/* The tensors, in order of place, are all of DATA and each byte once. */
static enum ks_err check_cover(const struct ks_tensors *tensors, struct ks_bytes data)
{
    size_t at = 0;

    for (size_t i = 0; i < tensors->count; i++) {
        const struct ks_tensor *tensor = &tensors->tensor[i];
        const size_t begin = (size_t)(tensor->data.data - data.data);

        if (begin != at) {
            return ks_fail(KS_ERR_FORMAT, "tensor '%.*s' begins at byte %zu, not at %zu",
                           (int)tensor->name.len, (const char *)tensor->name.data, begin, at);
        }
        at += tensor->data.len;
    }
    if (at != data.len) {
        return ks_fail(KS_ERR_FORMAT, "%zu bytes after the last tensor", data.len - at);
    }
    return KS_OK;
}

static enum ks_err read_members(struct ks_tensors *tensors, const struct ks_json *root,
                                struct ks_bytes data)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < ks_json_count(root); i++) {
        struct ks_tensor *tensor = &tensors->tensor[tensors->count];
        char shown[KS_TENSORS_NAME_MAX + 1];

        tensor->name = ks_json_key_at(root, i);
        if (ks_bytes_is(tensor->name, META)) {
            tensors->meta = ks_json_at(root, i);
            KS_TRY(read_meta(tensors->meta));
            continue;
        }
        ks_text_shown(tensor->name, shown, sizeof shown);
        KS_CHECK(is_name(tensor->name), KS_ERR_FORMAT,
                 "a tensor's name is 1 to %d characters of printable ASCII, not '%s'",
                 KS_TENSORS_NAME_MAX, shown);
        KS_TRY(ks_fail_prefix(read_tensor(ks_json_at(root, i), data, tensor), "tensor '%s'",
                              shown));
        tensors->count++;
    }
    if (tensors->count > 0) {
        qsort(tensors->tensor, tensors->count, sizeof tensors->tensor[0], by_place);
    }
    KS_TRY(check_cover(tensors, data));
out:
    return err;
}

/* Splits BYTES into header and data by the length they begin with. */
static enum ks_err split(struct ks_bytes bytes, size_t bytes_max, struct ks_bytes *out_header,
                         struct ks_bytes *out_data)
{
    enum ks_err err = KS_OK;
    uint64_t len = 0;

    KS_CHECK(bytes.len <= bytes_max && bytes.len <= KS_TENSORS_BYTES_MAX, KS_ERR_LIMIT,
             "%zu bytes, limit %zu", bytes.len,
             bytes_max < KS_TENSORS_BYTES_MAX ? bytes_max : KS_TENSORS_BYTES_MAX);
    KS_CHECK(bytes.len >= LENGTH_LEN, KS_ERR_FORMAT, "cut short in the header's length");
    for (unsigned i = 0; i < LENGTH_LEN; i++) {
        len |= (uint64_t)bytes.data[i] << 8 * i;
    }
    KS_CHECK(len <= KS_TENSORS_HEADER_MAX, KS_ERR_LIMIT, "a header of %llu bytes, limit %zu",
             (unsigned long long)len, KS_TENSORS_HEADER_MAX);
    KS_CHECK(len <= bytes.len - LENGTH_LEN, KS_ERR_FORMAT, "cut short in the header");
    *out_header = ks_bytes_of(bytes.data + LENGTH_LEN, len);
    *out_data =
        ks_bytes_of(bytes.data + LENGTH_LEN + len, bytes.len - LENGTH_LEN - (size_t)len);
    KS_CHECK(len > 0 && out_header->data[0] == '{', KS_ERR_FORMAT,
             "the header does not begin with '{'");
out:
    return err;
}

enum ks_err ks_tensors_read(struct ks_bytes bytes, size_t bytes_max,
                            struct ks_tensors **out_tensors)
{
    const struct ks_json_limits limits = {.len_max = KS_TENSORS_HEADER_MAX,
                                          .nodes_max = NODES_MAX};
    enum ks_err err = KS_OK;
    struct ks_tensors *tensors = NULL;
    struct ks_json_doc *doc = NULL;
    struct ks_bytes header = {0};
    struct ks_bytes data = {0};
    size_t count = 0;

    KS_TRY(split(bytes, bytes_max, &header, &data));
    KS_TRY(ks_fail_prefix(ks_json_parse(header, &limits, &doc), "header"));
    count = ks_json_count(ks_json_root(doc));
    KS_CHECK(count <= KS_TENSORS_MAX, KS_ERR_LIMIT, "over %d tensors", KS_TENSORS_MAX);
    /* One more, where the metadata's name stands while it is looked at. */
    tensors = ks_calloc(1, sizeof *tensors + (count + 1) * sizeof tensors->tensor[0]);
    KS_CHECK(tensors != NULL, KS_ERR_NOMEM, "%zu tensors", count);
    KS_TRY(read_members(tensors, ks_json_root(doc), data));
    tensors->doc = doc;
    doc = NULL; /* transferred */
    *out_tensors = tensors;
    tensors = NULL; /* transferred */
out:
    ks_json_doc_free(doc);
    ks_tensors_free(tensors);
    return err;
}

void ks_tensors_free(struct ks_tensors *tensors)
{
    if (tensors != NULL) {
        ks_json_doc_free(tensors->doc);
    }
    ks_free(tensors);
}

size_t ks_tensors_count(const struct ks_tensors *tensors)
{
    return tensors->count;
}

const struct ks_tensor *ks_tensors_at(const struct ks_tensors *tensors, size_t index)
{
    KS_ASSERT(index < tensors->count);
    return &tensors->tensor[index];
}

const struct ks_tensor *ks_tensors_find(const struct ks_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; i++) {
        if (ks_bytes_is(tensors->tensor[i].name, name)) {
            return &tensors->tensor[i];
        }
    }
    return NULL;
}

bool ks_tensors_meta(const struct ks_tensors *tensors, const char *key,
                     struct ks_bytes *out_value)
{
    const struct ks_json *value =
        tensors->meta == NULL ? NULL : ks_json_find(tensors->meta, key);

    return value != NULL && ks_json_string(value, out_value) == KS_OK;
}

static float number_at(const struct ks_tensor *tensor, size_t index)
{
    const uint8_t *data = tensor->data.data;
    float value = 0;

    switch (tensor->dtype) {
    case KS_DTYPE_F32:
        ks_copy(&value, data + 4 * index, 4);
        return value;
    case KS_DTYPE_F16:
        return ks_half_to_float((uint16_t)(data[2 * index] | data[2 * index + 1] << 8));
    case KS_DTYPE_I8:
        return (float)(data[index] < 128 ? (int)data[index] : (int)data[index] - 256);
    default:
        return (float)data[index];
    }
}

enum ks_err ks_tensor_floats(const struct ks_tensor *tensor, float *target)
{
    enum ks_err err = KS_OK;
    const size_t count = tensor->data.len / ks_dtype_size(tensor->dtype);

    KS_CHECK(tensor->dtype != KS_DTYPE_I32 && tensor->dtype != KS_DTYPE_I64, KS_ERR_FORMAT,
             "tensor '%.*s': numbers of %s, not of floats", (int)tensor->name.len,
             (const char *)tensor->name.data, ks_dtype_name(tensor->dtype));
    for (size_t i = 0; i < count; i++) {
        const float value = number_at(tensor, i);

        KS_CHECK(isfinite(value), KS_ERR_FORMAT, "tensor '%.*s': number %zu is %s",
                 (int)tensor->name.len, (const char *)tensor->name.data, i + 1,
                 isnan(value) ? "no number (NaN)" : "infinite");
        target[i] = value;
    }
out:
    return err;
}

/* --- half precision ----------------------------------------------------------------------- */

#define FLOAT_FRACTION 23 /* bits */
#define HALF_FRACTION  10
#define FLOAT_BIAS     127
#define HALF_BIAS      15
#define HALF_INFINITY  0x7c00U

float ks_half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000U) << 16;
    const uint32_t exponent = half >> HALF_FRACTION & 31U;
    const uint32_t fraction = half & 0x3ffU;
    uint32_t bits = 0;
    float value = 0;

    if (exponent == 0) { /* zero, or a multiple of 2^-24, which a float has exactly */
        value = (float)fraction * 0x1p-24F;
        return sign != 0 ? -value : value;
    }
    if (exponent == 31) {
        bits = sign | 0x7f800000U | fraction << (FLOAT_FRACTION - HALF_FRACTION);
    } else {
        bits = sign | (exponent + FLOAT_BIAS - HALF_BIAS) << FLOAT_FRACTION |
               fraction << (FLOAT_FRACTION - HALF_FRACTION);
    }
    ks_copy(&value, &bits, sizeof value);
    return value;
}

uint16_t ks_half_from_float(float value)
{
    uint32_t bits = 0;
    uint32_t sign = 0;
    uint32_t magnitude = 0;
    uint32_t shift = FLOAT_FRACTION - HALF_FRACTION;
    uint32_t rest = 0;
    uint32_t half = 0;
    int exponent = 0;

    ks_copy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000U;
    magnitude = bits & 0x7fffffffU;
    exponent = (int)(magnitude >> FLOAT_FRACTION) - FLOAT_BIAS + HALF_BIAS;
    if (magnitude >= 0x7f800000U) {
        half = magnitude == 0x7f800000U ? HALF_INFINITY : 0x7e00U;
        return (uint16_t)(sign | half);
    }
    if (exponent <= 0) { /* subnormal: the leading bit becomes part of the fraction */
        if (exponent < -HALF_FRACTION) {
            return (uint16_t)sign;
        }
        shift += (uint32_t)(1 - exponent);
        magnitude = (magnitude & 0x7fffffU) | 0x800000U;
        exponent = 0;
    } else {
        magnitude &= 0x7fffffU;
    }
    half = (uint32_t)exponent << HALF_FRACTION | magnitude >> shift;
    rest = magnitude & ((1U << shift) - 1);
    /* To nearest, ties to even; a carry goes into the exponent as it should. */
    half += rest > 1U << (shift - 1) || (rest == 1U << (shift - 1) && (half & 1) != 0);
    if (half > HALF_INFINITY) {
        half = HALF_INFINITY;
    }
    return (uint16_t)(sign | half);
}

/* --- writing ------------------------------------------------------------------------------ */

/* The name that comes next after LAST in ascending order, the metadata's own among them; its
 * index in TENSORS, or COUNT for the metadata's. False: none is left. */
static bool next_name(const struct ks_tensor *tensors, size_t count, bool has_meta,
                      struct ks_bytes last, size_t *out_index)
{
    struct ks_bytes best = {0};
    bool found = false;

    for (size_t i = 0; i < count + (has_meta ? 1 : 0); i++) {
        const struct ks_bytes name = i < count ? tensors[i].name : KS_LITERAL(META);

        if (ks_bytes_compare(name, last) > 0 && (!found || ks_bytes_compare(name, best) < 0)) {
            best = name;
            *out_index = i;
            found = true;
        }
    }
    return found;
}

static void put_meta(const struct ks_tensor_meta *meta, size_t count,
                     struct ks_json_writer *writer)
{
    struct ks_bytes last = {0};

    ks_json_put_key(writer, META);
    ks_json_put_object(writer);
    for (size_t written = 0; written < count; written++) {
        const struct ks_tensor_meta *best = NULL;

        for (size_t i = 0; i < count; i++) {
            if (ks_bytes_compare(meta[i].key, last) > 0 &&
                (best == NULL || ks_bytes_compare(meta[i].key, best->key) < 0)) {
                best = &meta[i];
            }
        }
        KS_ASSERT(best != NULL && is_name(best->key)); /* or two are alike */
        ks_json_put_key_bytes(writer, best->key);
        ks_json_put_string(writer, best->value);
        last = best->key;
    }
    ks_json_put_end(writer);
}

static void put_tensor(const struct ks_tensor *tensor, uint64_t begin,
                       struct ks_json_writer *writer)
{
    uint64_t count = 0;

    KS_ASSERT(is_name(tensor->name) && tensor->dims <= KS_TENSORS_DIMS_MAX);
    KS_ASSERT(ks_tensor_count(tensor->shape, tensor->dims, KS_TENSORS_BYTES_MAX, &count) ==
                  KS_OK &&
              count * ks_dtype_size(tensor->dtype) == tensor->data.len);
    ks_json_put_key_bytes(writer, tensor->name);
    ks_json_put_object(writer);
    ks_json_put_key(writer, "data_offsets");
    ks_json_put_array(writer);
    ks_json_put_u64(writer, begin);
    ks_json_put_u64(writer, begin + tensor->data.len);
    ks_json_put_end(writer);
    ks_json_member_text(writer, "dtype", ks_dtype_name(tensor->dtype));
    ks_json_put_key(writer, "shape");
    ks_json_put_array(writer);
    for (unsigned i = 0; i < tensor->dims; i++) {
        ks_json_put_u64(writer, tensor->shape[i]);
    }
    ks_json_put_end(writer);
    ks_json_put_end(writer);
}

static void put_header(const struct ks_tensor *tensors, size_t count,
                       const struct ks_tensor_meta *meta, size_t meta_count,
                       struct ks_buf *header)
{
    struct ks_json_writer writer = ks_json_writer_of(header);
    struct ks_bytes last = {0};
    size_t index = 0;
    size_t written = 0;

    ks_json_put_object(&writer);
    while (next_name(tensors, count, meta_count > 0, last, &index)) {
        uint64_t begin = 0;

        if (index == count) {
            put_meta(meta, meta_count, &writer);
            last = KS_LITERAL(META);
            continue;
        }
        for (size_t i = 0; i < index; i++) {
            begin += tensors[i].data.len;
        }
        put_tensor(&tensors[index], begin, &writer);
        last = tensors[index].name;
        written++;
    }
    KS_ASSERT(written == count); /* or two are alike */
    ks_json_put_end(&writer);
}

void ks_tensors_write(const struct ks_tensor *tensors, size_t count,
                      const struct ks_tensor_meta *meta, size_t meta_count, struct ks_buf *out)
{
    struct ks_buf header;

    KS_ASSERT(count <= KS_TENSORS_MAX && meta_count <= KS_TENSORS_META_MAX);
    ks_buf_init(&header, KS_TENSORS_HEADER_MAX);
    put_header(tensors, count, meta, meta_count, &header);
    while (header.err == KS_OK && header.len % ALIGNMENT != 0) {
        ks_buf_put_u8(&header, ' ');
    }
    if (header.err != KS_OK && out->err == KS_OK) {
        out->err = header.err;
    }
    for (unsigned i = 0; i < LENGTH_LEN; i++) {
        ks_buf_put_u8(out, (uint8_t)((uint64_t)header.len >> 8 * i));
    }
    ks_buf_put(out, ks_buf_view(&header));
    for (size_t i = 0; i < count; i++) {
        ks_buf_put(out, tensors[i].data);
    }
    ks_buf_done(&header);
}

struct ks_bytes ks_tensor_data(const float *values, size_t count)
{
    return ks_bytes_of(values, count * sizeof *values);
}
