/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <arm_neon.h>

#include "quantum/kernel.h"

#define QUADS 4

typedef float real;
typedef struct {
    float32x4_t quad[QUADS];
} vec;

#define WIDTH_LOG         4
#define KERNELS           ks_kernels_neon_single
#define KERNELS_NAME      "neon"
#define KERNELS_PRECISION KS_PRECISION_SINGLE

#define QUAD_LOAD(from)    vld1q_f32(from)
#define QUAD_STORE(to, a)  vst1q_f32(to, a)
#define QUAD_ALL(number)   vdupq_n_f32(number)
#define QUAD_MUL(a, b)     vmulq_f32(a, b)
#define QUAD_FMA(a, b, c)  vfmaq_f32(c, a, b)
#define QUAD_NEGATE(a)     vnegq_f32(a)
#define QUAD_BYTES(a)      vreinterpretq_u8_f32(a)
#define QUAD_FROM_BYTES(a) vreinterpretq_f32_u8(a)
#define QUAD_LANES_LOG     2

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fmaf(a, b, c);
}

#define KERNELS_IN_MEMORY
#include "quantum/kernel_neon.h"

#include "quantum/kernel_body.h"
