/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The reference: vectors of one. Correct with and without fma in hardware. */

#include "quantum/kernel.h"

typedef double real;
typedef double vec;
typedef bool lanes;

#define WIDTH             1
#define WIDTH_LOG         0
#define KERNELS_NAME      "scalar"
#define KERNELS_PRECISION KS_PRECISION_DOUBLE

#ifndef KERNELS /* test_kernels compiles this under another name, with fma in hardware */
#define KERNELS ks_kernels_scalar_double
#endif

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fma(a, b, c);
}

static inline vec v_load(const real *from)
{
    return *from;
}

static inline void v_store(real *to, vec v)
{
    *to = v;
}

static inline vec v_mul(vec a, vec b)
{
    return a * b;
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return __builtin_fma(a, b, c);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return __builtin_fma(a, b, -c);
}

static inline vec v_partner(vec v, unsigned target)
{
    (void)target; /* no target lies inside a vector of one */
    return v;
}

static inline lanes v_lanes(unsigned bits)
{
    return bits != 0;
}

static inline vec v_pick(lanes kept, vec a, vec b)
{
    return kept ? a : b;
}

#include "quantum/kernel_body.h"
