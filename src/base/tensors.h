/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tensors.h: safetensors, the file that models travel and rest in
 * (docs/formats/safetensors.md): a length, a header of JSON, then the numbers, little-endian.
 * Hides the header and all offsets. Nothing in a file is run, and no number of it is believed:
 * the header's length is checked before it is parsed, shapes are multiplied out and compared
 * with offsets, and the tensors have to cover the bytes once each, without holes. Pure; a file
 * that was read does not change.
 *
 * What is written is canonical: the header as RFC 8785 writes it, the numbers in the order in
 * which the tensors were given. What others write is read as well. */
#ifndef KS_BASE_TENSORS_H
#define KS_BASE_TENSORS_H

#include "base/buf.h"

#define KS_TENSORS_BYTES_MAX  ((size_t)1 << 30)
#define KS_TENSORS_HEADER_MAX ((size_t)1 << 20)
#define KS_TENSORS_MAX        4096 /* in a file */
#define KS_TENSORS_DIMS_MAX   8
#define KS_TENSORS_NAME_MAX   128 /* bytes of a name or a key, printable ASCII */
#define KS_TENSORS_META_MAX   64  /* entries of the metadata */

/* What tensors may be made of, and the bytes of one number. Others are refused by name. */
#define KS_DTYPE_LIST(X)                                                                       \
    X(F32, 4)                                                                                  \
    X(F16, 2)                                                                                  \
    X(I8, 1)                                                                                   \
    X(U8, 1)                                                                                   \
    X(I32, 4)                                                                                  \
    X(I64, 8)

enum ks_dtype {
#define KS_DTYPE_ENUM(name, size) KS_DTYPE_##name,
    KS_DTYPE_LIST(KS_DTYPE_ENUM)
#undef KS_DTYPE_ENUM
};
const char *ks_dtype_name(enum ks_dtype dtype); /* "F32" */
size_t ks_dtype_size(enum ks_dtype dtype);

struct ks_tensor {
    struct ks_bytes name;
    enum ks_dtype dtype;
    unsigned dims; /* 0: one number */
    uint64_t shape[KS_TENSORS_DIMS_MAX];
    struct ks_bytes data; /* little-endian; not aligned */
};

struct ks_tensor_meta {
    struct ks_bytes key;
    struct ks_bytes value; /* UTF-8 */
};

/* The product of SHAPE. KS_ERR_LIMIT above COUNT_MAX. */
KS_MUST_CHECK enum ks_err ks_tensor_count(const uint64_t *shape, unsigned dims, uint64_t max,
                                          uint64_t *out_count);

/* --- reading ------------------------------------------------------------------------------ */

struct ks_tensors;

/* BYTES are borrowed, for as long as the result lives. BYTES_MAX is the caller's own limit.
 * KS_ERR_FORMAT: cut short, bytes after the last tensor, a header that is no strict JSON of the
 * form, offsets that overlap, leave a hole or do not fit shape and dtype; KS_ERR_LIMIT. Errors
 * name the tensor. */
KS_MUST_CHECK enum ks_err ks_tensors_read(struct ks_bytes bytes, size_t bytes_max,
                                          struct ks_tensors **out_tensors);
void ks_tensors_free(struct ks_tensors *tensors); /* NULL is fine */

size_t ks_tensors_count(const struct ks_tensors *tensors);
/* In the order of their bytes in the file. INDEX below the count (asserted). */
const struct ks_tensor *ks_tensors_at(const struct ks_tensors *tensors, size_t index);
/* NULL where there is none called NAME. */
const struct ks_tensor *ks_tensors_find(const struct ks_tensors *tensors, const char *name);
/* The metadata's value under KEY; false where there is none. */
bool ks_tensors_meta(const struct ks_tensors *tensors, const char *key,
                     struct ks_bytes *out_value);

/* The numbers of TENSOR as floats into TARGET, which has room for all (shape is the caller's to
 * check). I32 and I64 are refused (KS_ERR_FORMAT): they may have no float. So is, by its place,
 * the first number that is a NaN or an infinity. */
KS_MUST_CHECK enum ks_err ks_tensor_floats(const struct ks_tensor *tensor, float *target);

/* IEEE 754 binary16, rounded to nearest even; what is too large becomes an infinity. */
float ks_half_to_float(uint16_t half);
uint16_t ks_half_from_float(float value);

/* --- writing ------------------------------------------------------------------------------ */

/* COUNT tensors and META_COUNT entries, whose names differ and are of the form that is read
 * (asserted, like data that fit shape and dtype). KEYS and names in any order. */
void ks_tensors_write(const struct ks_tensor *tensors, size_t count,
                      const struct ks_tensor_meta *meta, size_t meta_count, struct ks_buf *out);
/* The bytes of COUNT floats as a tensor's data. Little-endian machines: the same memory. */
struct ks_bytes ks_tensor_data(const float *values, size_t count);

#endif
