/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/clifford.h"

#include "quantum/plan.h"

#define LOCAL_H   KS_LOCAL_SWAP
#define LOCAL_S   (KS_LOCAL_MUL_X | KS_LOCAL_NEG_X)
#define LOCAL_SDG KS_LOCAL_MUL_X

static bool near(double value, double target)
{
    return __builtin_fabs(value - target) <= KS_CLIFFORD_TOLERANCE;
}

/* The one of X (0), Y (1), Z (2) that V, its components, is, with its sign. */
static bool axis_of(const double v[3], unsigned *out_axis, bool *out_negative)
{
    for (unsigned axis = 0; axis < 3; axis++) {
        const double others =
            __builtin_fabs(v[(axis + 1) % 3]) + __builtin_fabs(v[(axis + 2) % 3]);

        if (near(others, 0) && near(__builtin_fabs(v[axis]), 1)) {
            *out_axis = axis;
            *out_negative = v[axis] < 0;
            return true;
        }
    }
    return false;
}

/* KS_LOCAL_… of the matrix M, or false. */
static bool local_of(const double m[8], uint8_t *out_local)
{
    /* M^-1 X M and M^-1 Z M, whose entry (0, 1) is x - iy and entry (0, 0) is z. */
    const double of_x[3] = {
        m[0] * m[6] + m[1] * m[7] + m[4] * m[2] + m[5] * m[3],
        -(m[0] * m[7] - m[1] * m[6] + m[4] * m[3] - m[5] * m[2]),
        2 * (m[0] * m[4] + m[1] * m[5]),
    };
    const double of_z[3] = {
        m[0] * m[2] + m[1] * m[3] - m[4] * m[6] - m[5] * m[7],
        -(m[0] * m[3] - m[1] * m[2] - m[4] * m[7] + m[5] * m[6]),
        m[0] * m[0] + m[1] * m[1] - m[4] * m[4] - m[5] * m[5],
    };
    static const uint8_t table[3][3] = {
        /* Z to X, to Y, to Z; X and Z are never the same axis */
        {0, KS_LOCAL_MUL_Z, 0},
        {KS_LOCAL_MUL_Z | KS_LOCAL_SWAP, 0, KS_LOCAL_MUL_X},
        {KS_LOCAL_SWAP, KS_LOCAL_MUL_X | KS_LOCAL_SWAP, 0},
    };
    unsigned x = 0;
    unsigned z = 0;
    bool negative_x = false;
    bool negative_z = false;

    if (!axis_of(of_x, &x, &negative_x) || !axis_of(of_z, &z, &negative_z)) {
        return false;
    }
    *out_local = (uint8_t)(table[x][z] | (negative_x ? KS_LOCAL_NEG_X : 0) |
                           (negative_z ? KS_LOCAL_NEG_Z : 0));
    return true;
}

static void add(struct ks_clifford *clifford, enum ks_clifford_kind kind, uint32_t a,
                uint32_t b)
{
    KS_ASSERT(clifford->count < KS_CLIFFORD_STEPS_MAX);
    clifford->steps[clifford->count++] =
        (struct ks_clifford_step){.kind = (uint8_t)kind, .a = a, .b = b};
}

static void add_local(struct ks_clifford *clifford, unsigned local, uint32_t qubit)
{
    add(clifford, KS_CLIFFORD_LOCAL, qubit, 0);
    clifford->steps[clifford->count - 1].local = (uint8_t)local;
}

/* i^k as k, or false. */
static bool quarter_of(double re, double im, unsigned *out_quarter)
{
    static const double powers[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};

    for (unsigned k = 0; k < 4; k++) {
        if (near(re, powers[k][0]) && near(im, powers[k][1])) {
            *out_quarter = k;
            return true;
        }
    }
    return false;
}

/* The controlled gate whose matrix is M: i^k times a Pauli matrix, or false. */
static bool controlled_of(const double m[8], uint32_t control, uint32_t target,
                          struct ks_clifford *out)
{
    static const uint8_t phases[4] = {0, LOCAL_S, KS_LOCAL_NEG_X, LOCAL_SDG};
    unsigned upper = 0; /* quarters of the entry in the first row */
    unsigned lower = 0;
    unsigned phase = 0;

    if (quarter_of(m[0], m[1], &upper) && quarter_of(m[6], m[7], &lower) &&
        (upper - lower) % 2 == 0) {
        phase = upper;
        if (upper != lower) {
            add(out, KS_CLIFFORD_CZ, control, target);
        }
    } else if (quarter_of(m[2], m[3], &upper) && quarter_of(m[4], m[5], &lower) &&
               (upper - lower) % 2 == 0) {
        phase = upper == lower ? upper : (upper + 1) % 4; /* Y begins with -i */
        if (upper != lower) {
            add_local(out, LOCAL_SDG, target);
        }
        add(out, KS_CLIFFORD_CX, control, target);
        if (upper != lower) {
            add_local(out, LOCAL_S, target);
        }
    } else {
        return false;
    }
    if (phase != 0) {
        add_local(out, phases[phase], control);
    }
    return true;
}

/* exp(-i angle / 2 ZZ), or of XX. */
static bool two_axes_of(const struct ks_op *op, const double *params, struct ks_clifford *out)
{
    const struct ks_op turn = {.gate = KS_GATE_RZ};
    const bool along_x = op->gate == KS_GATE_RXX;
    double m[8];
    uint8_t local = 0;

    ks_gate_matrix(&turn, params, m);
    if (!local_of(m, &local)) {
        return false;
    }
    for (unsigned i = 0; along_x && i < 2; i++) {
        add_local(out, LOCAL_H, op->qubits[i]);
    }
    add(out, KS_CLIFFORD_CX, op->qubits[0], op->qubits[1]);
    add_local(out, local, op->qubits[1]);
    add(out, KS_CLIFFORD_CX, op->qubits[0], op->qubits[1]);
    for (unsigned i = 0; along_x && i < 2; i++) {
        add_local(out, LOCAL_H, op->qubits[i]);
    }
    return true;
}

bool ks_clifford_of(const struct ks_op *op, const double *params, struct ks_clifford *out)
{
    const enum ks_gate gate = (enum ks_gate)op->gate;
    double m[8];
    uint8_t local = 0;

    out->count = 0;
    switch (gate) {
    case KS_GATE_ID:
    case KS_GATE_BARRIER:
        return true;
    case KS_GATE_CX:
        add(out, KS_CLIFFORD_CX, op->qubits[0], op->qubits[1]);
        return true;
    case KS_GATE_SWAP:
        add(out, KS_CLIFFORD_SWAP, op->qubits[0], op->qubits[1]);
        return true;
    case KS_GATE_RXX:
    case KS_GATE_RZZ:
        return two_axes_of(op, params, out);
    case KS_GATE_H:
        add_local(out, LOCAL_H, op->qubits[0]);
        return true;
    case KS_GATE_S:
        add_local(out, LOCAL_S, op->qubits[0]);
        return true;
    case KS_GATE_CCX:
    case KS_GATE_CSWAP:
    case KS_GATE_T:
    case KS_GATE_TDG:
        return false;
    default:
        break;
    }
    ks_gate_matrix(op, params, m);
    if (ks_gate_info(gate)->qubits == 2) {
        return controlled_of(m, op->qubits[0], op->qubits[1], out);
    }
    if (!local_of(m, &local)) {
        return false;
    }
    add_local(out, local, op->qubits[0]);
    return true;
}
