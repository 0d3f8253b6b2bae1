/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "learn/internal.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define REAL     double
#define GEMM     cblas_dgemm
#define R_EXP    exp
#define R_LOG    log
#define R_TANH   tanh
#define NET_KIND ks_net_double

#include "learn/net_layers.h"

#include "learn/net_blas.h"

#include "learn/net_body.h"
