/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <arm_neon.h>

#include "quantum/kernel.h"

#define QUADS 4

typedef double real;
typedef struct {
    float64x2_t quad[QUADS];
} vec;

#define WIDTH_LOG         3
#define KERNELS           ks_kernels_neon_double
#define KERNELS_NAME      "neon"
#define KERNELS_PRECISION KS_PRECISION_DOUBLE

#define QUAD_LOAD(from)    vld1q_f64(from)
#define QUAD_STORE(to, a)  vst1q_f64(to, a)
#define QUAD_ALL(number)   vdupq_n_f64(number)
#define QUAD_MUL(a, b)     vmulq_f64(a, b)
#define QUAD_FMA(a, b, c)  vfmaq_f64(c, a, b)
#define QUAD_NEGATE(a)     vnegq_f64(a)
#define QUAD_BYTES(a)      vreinterpretq_u8_f64(a)
#define QUAD_FROM_BYTES(a) vreinterpretq_f64_u8(a)
#define QUAD_LANES_LOG     1

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fma(a, b, c);
}

#define KERNELS_IN_MEMORY
#include "quantum/kernel_neon.h"

#include "quantum/kernel_body.h"
