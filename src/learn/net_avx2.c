/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "learn/internal.h"
#include "learn/kernel.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define REAL     float
#define GEMM     cblas_sgemm
#define R_EXP    expf
#define R_LOG    logf
#define R_TANH   tanhf
#define VECTORS  (&ks_learn_kernels_avx2)
#define NET_KIND ks_net_avx2

#include "learn/net_layers.h"

#include "learn/net_patches.h"

#include "learn/net_vector.h"

#include "learn/net_body.h"
