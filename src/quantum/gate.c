/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/math.h"
#include "quantum/plan.h"

#define SQRT_HALF 0.70710678118654752440

static void set_diagonal(double m[8], double angle)
{
    double sine;
    double cosine;

    ks_sincos(angle, &sine, &cosine);
    ks_zero(m, 8 * sizeof *m);
    m[0] = 1;
    m[6] = cosine;
    m[7] = sine;
}

/* U(theta, phi, lambda) of OpenQASM 2 in the phase that qelib1.inc's cu3 controls: real at (0,
 * 0). */
static void set_u3(double m[8], const double *angles)
{
    double s, c, phi_s, phi_c, lambda_s, lambda_c, sum_s, sum_c;

    ks_sincos(angles[0] / 2, &s, &c);
    ks_sincos(angles[1], &phi_s, &phi_c);
    ks_sincos(angles[2], &lambda_s, &lambda_c);
    ks_sincos(angles[1] + angles[2], &sum_s, &sum_c);
    m[0] = c;
    m[1] = 0;
    m[2] = -lambda_c * s;
    m[3] = -lambda_s * s;
    m[4] = phi_c * s;
    m[5] = phi_s * s;
    m[6] = sum_c * c;
    m[7] = sum_s * c;
}

static void set_rotation(double m[8], enum ks_gate gate, double angle)
{
    double s, c;

    ks_sincos(angle / 2, &s, &c);
    ks_zero(m, 8 * sizeof *m);
    m[0] = c;
    m[6] = c;
    switch (gate) {
    case KS_GATE_RX:
    case KS_GATE_CRX:
        m[3] = -s;
        m[5] = -s;
        break;
    case KS_GATE_RY:
    case KS_GATE_CRY:
        m[2] = -s;
        m[4] = s;
        break;
    default: /* CRZ */
        m[1] = -s;
        m[7] = s;
        break;
    }
}

static void multiply_phase(double m[8], double angle)
{
    double s, c;

    ks_sincos(angle, &s, &c);
    for (unsigned i = 0; i < 8; i += 2) {
        const double re = m[i];
        const double im = m[i + 1];

        m[i] = re * c - im * s;
        m[i + 1] = re * s + im * c;
    }
}

/* Gates without parameters. */
static const double *fixed_matrix(enum ks_gate gate)
{
    static const double x[8] = {0, 0, 1, 0, 1, 0, 0, 0};
    static const double y[8] = {0, 0, 0, -1, 0, 1, 0, 0};
    static const double z[8] = {1, 0, 0, 0, 0, 0, -1, 0};
    static const double h[8] = {SQRT_HALF, 0, SQRT_HALF, 0, SQRT_HALF, 0, -SQRT_HALF, 0};
    static const double s[8] = {1, 0, 0, 0, 0, 0, 0, 1};
    static const double sdg[8] = {1, 0, 0, 0, 0, 0, 0, -1};
    static const double t[8] = {1, 0, 0, 0, 0, 0, SQRT_HALF, SQRT_HALF};
    static const double tdg[8] = {1, 0, 0, 0, 0, 0, SQRT_HALF, -SQRT_HALF};
    static const double sx[8] = {0.5, 0.5, 0.5, -0.5, 0.5, -0.5, 0.5, 0.5};
    static const double sxdg[8] = {0.5, -0.5, 0.5, 0.5, 0.5, 0.5, 0.5, -0.5};
    static const double identity[8] = {1, 0, 0, 0, 0, 0, 1, 0};
    static const double *const table[KS_GATE_COUNT] = {
        [KS_GATE_ID] = identity, [KS_GATE_X] = x,     [KS_GATE_CX] = x,  [KS_GATE_CCX] = x,
        [KS_GATE_Y] = y,         [KS_GATE_CY] = y,    [KS_GATE_Z] = z,   [KS_GATE_CZ] = z,
        [KS_GATE_H] = h,         [KS_GATE_CH] = h,    [KS_GATE_S] = s,   [KS_GATE_SDG] = sdg,
        [KS_GATE_T] = t,         [KS_GATE_TDG] = tdg, [KS_GATE_SX] = sx, [KS_GATE_CSX] = sx,
        [KS_GATE_SXDG] = sxdg,
    };

    return table[gate];
}

void ks_gate_matrix(const struct ks_op *op, const double *params, double out_matrix[8])
{
    const enum ks_gate gate = (enum ks_gate)op->gate;
    const double *fixed = fixed_matrix(gate);

    if (fixed != NULL) {
        ks_copy(out_matrix, fixed, 8 * sizeof *out_matrix);
        return;
    }
    switch (gate) {
    case KS_GATE_RX:
    case KS_GATE_RY:
    case KS_GATE_CRX:
    case KS_GATE_CRY:
    case KS_GATE_CRZ:
        set_rotation(out_matrix, gate, params[0]);
        break;
    case KS_GATE_RZ: /* a global phase away */
    case KS_GATE_P:
    case KS_GATE_U1:
    case KS_GATE_CP:
    case KS_GATE_CU1:
        set_diagonal(out_matrix, params[0]);
        break;
    case KS_GATE_U2: {
        static const double quarter[8] = {SQRT_HALF, 0, -SQRT_HALF, 0,
                                          SQRT_HALF, 0, SQRT_HALF,  0};
        double s, c;

        /* diag(1, phi) R diag(1, lambda) with R exact, where U3 would compute sin(pi / 4). */
        ks_copy(out_matrix, quarter, sizeof quarter);
        ks_sincos(params[1], &s, &c);
        out_matrix[2] = -SQRT_HALF * c;
        out_matrix[3] = -SQRT_HALF * s;
        ks_sincos(params[0], &s, &c);
        out_matrix[4] = SQRT_HALF * c;
        out_matrix[5] = SQRT_HALF * s;
        ks_sincos(params[0] + params[1], &s, &c);
        out_matrix[6] = SQRT_HALF * c;
        out_matrix[7] = SQRT_HALF * s;
        break;
    }
    case KS_GATE_U3:
    case KS_GATE_U:
    case KS_GATE_CU3:
        set_u3(out_matrix, params);
        break;
    case KS_GATE_CU:
        set_u3(out_matrix, params);
        multiply_phase(out_matrix, params[3]);
        break;
    default:
        KS_ASSERT(false); /* a gate without such a matrix */
    }
}
