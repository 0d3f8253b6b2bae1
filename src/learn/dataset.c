/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "learn/dataset.h"

#define IDX_UNSIGNED_BYTE 8

void ks_samples_done(struct ks_samples *samples)
{
    if (samples == NULL) {
        return;
    }
    ks_free(samples->pixels);
    ks_free(samples->values);
    ks_free(samples->starts);
    ks_free(samples->labels);
    ks_free(samples->targets);
    *samples = (struct ks_samples){0};
}

void ks_samples_get(const struct ks_samples *samples, size_t index, float *target)
{
    KS_ASSERT(index < samples->count);
    if (samples->pixels != NULL) {
        const uint8_t *pixels = samples->pixels + index * samples->size;
        const float scale = 1 / (255 * samples->spread);
        const float shift = samples->centre / samples->spread;

        for (size_t i = 0; i < samples->size; i++) {
            target[i] = (float)pixels[i] * scale - shift;
        }
    } else {
        ks_copy(target, samples->values + samples->starts[index],
                samples->size * sizeof *target);
    }
}

size_t ks_samples_numbers(const struct ks_samples *samples)
{
    size_t end = 0;

    for (size_t i = 0; samples->starts != NULL && i < samples->count; i++) {
        const size_t one = samples->starts[i] + samples->size;

        end = one > end ? one : end;
    }
    return end;
}

enum ks_err ks_samples_append(struct ks_samples *samples, const struct ks_samples *more)
{
    enum ks_err err = KS_OK;
    const size_t used = ks_samples_numbers(samples);
    const size_t added = ks_samples_numbers(more);
    const size_t count = samples->count + more->count;
    float *values = NULL;
    uint32_t *starts = NULL;
    float *targets = NULL;

    KS_ASSERT(more->values != NULL && more->targets != NULL);
    KS_CHECK(samples->count == 0 ||
                 (samples->values != NULL && samples->dims == more->dims &&
                  samples->shape[0] == more->shape[0] && samples->shape[1] == more->shape[1] &&
                  samples->shape[2] == more->shape[2]),
             KS_ERR_USAGE, "samples of another shape than those before");
    KS_CHECK(count <= KS_SAMPLES_MAX && added <= UINT32_MAX - used, KS_ERR_LIMIT,
             "over %zu samples", KS_SAMPLES_MAX);
    values = ks_calloc(used + added, sizeof *values);
    starts = ks_calloc(count, sizeof *starts);
    targets = ks_calloc(count, sizeof *targets);
    KS_CHECK(values != NULL && starts != NULL && targets != NULL, KS_ERR_NOMEM, "%zu samples",
             count);
    ks_copy(values, samples->values, used * sizeof *values);
    ks_copy(values + used, more->values, added * sizeof *values);
    ks_copy(starts, samples->starts, samples->count * sizeof *starts);
    ks_copy(targets, samples->targets, samples->count * sizeof *targets);
    ks_copy(targets + samples->count, more->targets, more->count * sizeof *targets);
    for (size_t i = 0; i < more->count; i++) {
        starts[samples->count + i] = (uint32_t)(more->starts[i] + used);
    }
    ks_samples_done(samples);
    *samples = (struct ks_samples){
        .count = count,
        .dims = more->dims,
        .shape = {more->shape[0], more->shape[1], more->shape[2]},
        .size = more->size,
        .values = values,
        .starts = starts,
        .targets = targets,
    };
    values = NULL; /* transferred */
    starts = NULL;
    targets = NULL;
out:
    ks_free(values);
    ks_free(starts);
    ks_free(targets);
    return err;
}

/* --- IDX ---------------------------------------------------------------------------------- */

/* The head of an IDX file: two zero bytes, a type, the number of dimensions, then these as
 * 32-bit big-endian. What is left has to be as many bytes. */
static enum ks_err read_head(struct ks_bytes bytes, const char *what, unsigned dims,
                             uint32_t *shape, struct ks_bytes *out_data)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, what);
    uint16_t zero = 0;
    uint8_t type = 0;
    uint8_t count = 0;
    uint64_t size = 1;

    KS_CHECK(bytes.len <= KS_DATASET_BYTES_MAX, KS_ERR_LIMIT, "%s: over %zu bytes", what,
             KS_DATASET_BYTES_MAX);
    KS_TRY(ks_read_u16(&reader, &zero));
    KS_TRY(ks_read_u8(&reader, &type));
    KS_TRY(ks_read_u8(&reader, &count));
    KS_CHECK(zero == 0, KS_ERR_FORMAT, "%s: not an IDX file", what);
    KS_CHECK(type == IDX_UNSIGNED_BYTE, KS_ERR_FORMAT,
             "%s: IDX type 0x%02x, read is 0x08 (unsigned bytes)", what, type);
    KS_CHECK(count == dims, KS_ERR_FORMAT, "%s: %u dimensions, expected %u", what, count, dims);
    for (unsigned i = 0; i < dims; i++) {
        KS_TRY(ks_read_u32(&reader, &shape[i]));
        KS_CHECK(shape[i] > 0, KS_ERR_FORMAT, "%s: a dimension of 0", what);
        KS_CHECK(shape[i] <= KS_DATASET_BYTES_MAX / size, KS_ERR_LIMIT, "%s: over %zu bytes",
                 what, KS_DATASET_BYTES_MAX);
        size *= shape[i];
    }
    KS_CHECK(reader.rest.len == size, KS_ERR_FORMAT, "%s: %zu bytes, the head says %llu", what,
             reader.rest.len, (unsigned long long)size);
    *out_data = reader.rest;
out:
    return err;
}

static enum ks_err check_labels(struct ks_bytes labels, unsigned classes, unsigned *out_classes)
{
    unsigned wanted = 2;

    for (size_t i = 0; i < labels.len; i++) {
        if (classes != 0 && labels.data[i] >= classes) {
            return ks_fail(KS_ERR_FORMAT, "labels: number %zu is %u, of %u classes", i + 1,
                           labels.data[i], classes);
        }
        wanted = labels.data[i] >= wanted ? labels.data[i] + 1U : wanted;
    }
    *out_classes = classes != 0 ? classes : wanted;
    return KS_OK;
}

enum ks_err ks_samples_idx(struct ks_bytes images, struct ks_bytes labels, unsigned classes,
                           struct ks_samples *out_samples)
{
    enum ks_err err = KS_OK;
    struct ks_samples samples = {
        .dims = 3, .centre = KS_MNIST_CENTRE, .spread = KS_MNIST_SPREAD};
    struct ks_bytes pixels = {0};
    struct ks_bytes marks = {0};
    uint32_t shape[3] = {0};
    uint32_t count = 0;

    KS_CHECK(classes <= KS_CLASSES_MAX, KS_ERR_USAGE, "at most %d classes", KS_CLASSES_MAX);
    KS_TRY(read_head(images, "images", 3, shape, &pixels));
    KS_TRY(read_head(labels, "labels", 1, &count, &marks));
    KS_CHECK(shape[0] <= KS_SAMPLES_MAX, KS_ERR_LIMIT, "images: over %zu", KS_SAMPLES_MAX);
    KS_CHECK((uint64_t)shape[1] * shape[2] <= KS_SAMPLE_SIZE_MAX, KS_ERR_LIMIT,
             "images: of %u x %u", shape[1], shape[2]);
    KS_CHECK(count == shape[0], KS_ERR_FORMAT, "%u images, %u labels", shape[0], count);
    KS_TRY(check_labels(marks, classes, &samples.classes));
    samples.count = count;
    samples.shape[0] = 1;
    samples.shape[1] = shape[1];
    samples.shape[2] = shape[2];
    samples.size = (size_t)shape[1] * shape[2];
    KS_TRY(ks_bytes_dup(pixels, &samples.pixels));
    KS_TRY(ks_bytes_dup(marks, &samples.labels));
    *out_samples = samples;
    samples = (struct ks_samples){0}; /* transferred */
out:
    ks_samples_done(&samples);
    return err;
}
