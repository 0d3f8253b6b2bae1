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

#define KERNELS_IN_MEMORY
#include "quantum/kernel_lanes.h"

#include "quantum/kernel_body.h"
