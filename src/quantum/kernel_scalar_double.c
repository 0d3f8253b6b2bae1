/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/kernel.h"

#define WIDTH_LOG 3
#define LANES     (1u << WIDTH_LOG)

typedef double real;
typedef struct {
    real lane[LANES];
} vec;

#ifndef KERNELS /* the tests build these once more, under another name */
#define KERNELS ks_kernels_scalar_double
#endif
#define KERNELS_NAME      "scalar"
#define KERNELS_PRECISION KS_PRECISION_DOUBLE

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fma(a, b, c);
}

static inline vec v_load(const real *from)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = from[i];
    }
    return v;
}

static inline void v_store(real *to, vec v)
{
    for (unsigned i = 0; i < LANES; i++) {
        to[i] = v.lane[i];
    }
}

static inline vec v_all(real number)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = number;
    }
    return v;
}

static inline vec v_mul(vec a, vec b)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = a.lane[i] * b.lane[i];
    }
    return v;
}

static inline vec v_fma(vec a, vec b, vec c)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = r_fma(a.lane[i], b.lane[i], c.lane[i]);
    }
    return v;
}

static inline vec v_fms(vec a, vec b, vec c)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = r_fma(a.lane[i], b.lane[i], -c.lane[i]);
    }
    return v;
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = r_fma(-a.lane[i], b.lane[i], c.lane[i]);
    }
    return v;
}

static inline vec v_partner(vec a, unsigned flip)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = a.lane[i ^ flip];
    }
    return v;
}

#define KERNELS_IN_MEMORY
#include "quantum/kernel_body.h"
