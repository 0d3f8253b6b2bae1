/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* dataset.h: samples to learn from, where they come from, and how they are shared out among
 * sites. Hides IDX, gzip and the layout of samples. Pure: the caller reads files; whatever is
 * random follows from a seed. Samples do not change once made, so any number of threads may
 * read them. Series of sensors: series.h. */
#ifndef KS_LEARN_DATASET_H
#define KS_LEARN_DATASET_H

#include "base/buf.h"

#define KS_SAMPLES_MAX       ((size_t)1 << 24) /* of a set */
#define KS_SAMPLE_SIZE_MAX   ((size_t)1 << 20) /* numbers of a sample */
#define KS_CLASSES_MAX       256
#define KS_DATASET_BYTES_MAX ((size_t)1 << 30) /* of a file, unpacked */

/* COUNT samples, each of SHAPE: {channels, height, width} of an image, {steps, features} of a
 * series. Either PIXELS, of which sample I is SIZE bytes at I * SIZE, that stand for
 * (byte / 255 - centre) / spread; or VALUES, of which sample I is SIZE floats at STARTS[I].
 * Either LABELS below CLASSES, or TARGETS. Owned by the set. */
struct ks_samples {
    size_t count;
    unsigned dims;
    unsigned shape[3];
    size_t size;
    uint8_t *pixels;
    float centre;
    float spread;
    float *values;
    uint32_t *starts;
    uint8_t *labels;
    unsigned classes;
    float *targets;
};
void ks_samples_done(struct ks_samples *samples); /* NULL and {0} are fine */
/* How many floats VALUES is; 0 of images. */
size_t ks_samples_numbers(const struct ks_samples *samples);
/* Puts sample INDEX (asserted < count) into TARGET, SIZE floats. */
void ks_samples_get(const struct ks_samples *samples, size_t index, float *target);

/* Adds copies of MORE's samples, of values with targets, to SAMPLES, which is {0} or of the
 * same shape (KS_ERR_USAGE). KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_samples_append(struct ks_samples *samples,
                                            const struct ks_samples *more);

/* --- files -------------------------------------------------------------------------------- */

/* Whether BYTES begin as a gzip file does. */
bool ks_gzip_is(struct ks_bytes bytes);
/* Unpacks a gzip file (RFC 1952) of one or several members, into OUT, whose maximum is the
 * limit: KS_ERR_LIMIT above it, KS_ERR_FORMAT for what is damaged, cut short or followed by
 * other bytes. */
KS_MUST_CHECK enum ks_err ks_gunzip(struct ks_bytes bytes, struct ks_buf *out);

/* What bytes stand for where nothing else is said: mean and standard deviation of MNIST. */
#define KS_MNIST_CENTRE 0.1307F
#define KS_MNIST_SPREAD 0.3081F

/* Images and their labels, two IDX files of unsigned bytes (unpacked): count x height x width,
 * and count. CLASSES is at least one more than each label, or 0: as many as the largest label
 * asks for. KS_ERR_FORMAT: another type or number of dimensions, sizes that are not those of
 * the bytes, as many labels as there are not images, a label beyond the classes. */
KS_MUST_CHECK enum ks_err ks_samples_idx(struct ks_bytes images, struct ks_bytes labels,
                                         unsigned classes, struct ks_samples *out_samples);

/* --- shares ------------------------------------------------------------------------------- */

#define KS_PARTS_MAX ((size_t)1 << 20)

enum ks_split_kind {
    KS_SPLIT_IID,       /* shuffled, then cut into parts as equal as can be */
    KS_SPLIT_SHARDS,    /* sorted by label, cut into shards, each part a few of them (McMahan et
                           al.    2017) */
    KS_SPLIT_DIRICHLET, /* of each class a part gets a share drawn from Dirichlet(alpha) (Hsu et
                           al. 2019) */
};

struct ks_split_spec {
    enum ks_split_kind kind;
    size_t parts;    /* 1 to KS_PARTS_MAX, and to the number of samples */
    unsigned shards; /* of each part; 2 serve */
    double alpha;    /* above 0; small: parts of few classes */
    uint64_t seed;
};

/* Which samples each part has: part P those at INDICES[STARTS[P]] up to STARTS[P + 1]. */
struct ks_split {
    size_t parts;
    uint32_t *indices;
    size_t *starts;
};
/* Every sample is in one part. Each part has at least one sample but for KS_SPLIT_DIRICHLET,
 * where one may have none. KS_ERR_USAGE for a spec out of range, or for one that asks for
 * labels that SAMPLES does not have. */
KS_MUST_CHECK enum ks_err ks_split(const struct ks_samples *samples,
                                   const struct ks_split_spec *spec,
                                   struct ks_split *out_split);
void ks_split_done(struct ks_split *split); /* {0} is fine */

#endif
