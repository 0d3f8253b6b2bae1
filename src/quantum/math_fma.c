/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/math_body.h"

#include "quantum/math.h"

void ks_sincos_fma(double angle, double *out_sin, double *out_cos)
{
    sincos_rounded(angle, out_sin, out_cos);
}
