/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "oracle/dense.h"

#include <complex.h>
#include <math.h>

#define PI                  3.14159265358979323846
#define DENSE_VARIABLES_MAX 32

struct dense {
    const struct ks_circuit *circuit;
    size_t size;
    double *probabilities;
};

/* --- U and CX
 * ---------------------------------------------------------------------------------- */

static void apply_u(double complex *state, size_t size, uint32_t q, double theta, double phi,
                    double lambda)
{
    const double complex m00 = cos(theta / 2);
    const double complex m01 = -cexp(I * lambda) * sin(theta / 2);
    const double complex m10 = cexp(I * phi) * sin(theta / 2);
    const double complex m11 = cexp(I * (phi + lambda)) * cos(theta / 2);
    const size_t bit = (size_t)1 << q;

    for (size_t i = 0; i < size; i++) {
        if ((i & bit) == 0) {
            const double complex a = state[i];
            const double complex b = state[i | bit];

            state[i] = m00 * a + m01 * b;
            state[i | bit] = m10 * a + m11 * b;
        }
    }
}

static void apply_cx(double complex *state, size_t size, uint32_t c, uint32_t t)
{
    for (size_t i = 0; i < size; i++) {
        if ((i >> c & 1) == 1 && (i >> t & 1) == 0) {
            const double complex kept = state[i];

            state[i] = state[i | (size_t)1 << t];
            state[i | (size_t)1 << t] = kept;
        }
    }
}

/* --- qelib1.inc
 * -------------------------------------------------------------------------------- */

#define U3(q, theta, phi, lambda) apply_u(s, n, (q), (theta), (phi), (lambda))
#define U2(q, phi, lambda)        U3(q, PI / 2, phi, lambda)
#define U1(q, lambda)             U3(q, 0, 0, lambda)
#define CX(c, t)                  apply_cx(s, n, (c), (t))
#define H(q)                      U2(q, 0, PI)
#define S(q)                      U1(q, PI / 2)
#define SDG(q)                    U1(q, -PI / 2)
#define T(q)                      U1(q, PI / 4)
#define TDG(q)                    U1(q, -PI / 4)

static void ccx(double complex *s, size_t n, uint32_t a, uint32_t b, uint32_t c)
{
    H(c);
    CX(b, c);
    TDG(c);
    CX(a, c);
    T(c);
    CX(b, c);
    TDG(c);
    CX(a, c);
    T(b);
    T(c);
    H(c);
    CX(a, b);
    T(a);
    TDG(b);
    CX(a, b);
}

static void cu1(double complex *s, size_t n, double lambda, uint32_t a, uint32_t b)
{
    U1(a, lambda / 2);
    CX(a, b);
    U1(b, -lambda / 2);
    CX(a, b);
    U1(b, lambda / 2);
}

static void cu3(double complex *s, size_t n, const double *p, uint32_t c, uint32_t t)
{
    U1(c, (p[2] + p[1]) / 2);
    U1(t, (p[2] - p[1]) / 2);
    CX(c, t);
    U3(t, -p[0] / 2, 0, -(p[1] + p[2]) / 2);
    CX(c, t);
    U3(t, p[0] / 2, p[1], 0);
}

static void apply_one(double complex *s, size_t n, enum ks_gate gate, const double *p,
                      uint32_t q)
{
    switch (gate) {
    case KS_GATE_ID:
        break;
    case KS_GATE_X:
        U3(q, PI, 0, PI);
        break;
    case KS_GATE_Y:
        U3(q, PI, PI / 2, PI / 2);
        break;
    case KS_GATE_Z:
        U1(q, PI);
        break;
    case KS_GATE_H:
        H(q);
        break;
    case KS_GATE_S:
        S(q);
        break;
    case KS_GATE_SDG:
        SDG(q);
        break;
    case KS_GATE_T:
        T(q);
        break;
    case KS_GATE_TDG:
        TDG(q);
        break;
    case KS_GATE_SX:
        SDG(q);
        H(q);
        SDG(q);
        break;
    case KS_GATE_SXDG:
        S(q);
        H(q);
        S(q);
        break;
    case KS_GATE_RX:
        U3(q, p[0], -PI / 2, PI / 2);
        break;
    case KS_GATE_RY:
        U3(q, p[0], 0, 0);
        break;
    case KS_GATE_RZ:
    case KS_GATE_P:
    case KS_GATE_U1:
        U1(q, p[0]);
        break;
    case KS_GATE_U2:
        U2(q, p[0], p[1]);
        break;
    case KS_GATE_U3:
    case KS_GATE_U:
        U3(q, p[0], p[1], p[2]);
        break;
    default:
        KS_ASSERT(false); /* a gate the oracle does not know */
    }
}

static void apply_controlled(double complex *s, size_t n, enum ks_gate gate, const double *p,
                             uint32_t a, uint32_t b)
{
    switch (gate) {
    case KS_GATE_CRX:
        U1(b, PI / 2);
        CX(a, b);
        U3(b, -p[0] / 2, 0, 0);
        CX(a, b);
        U3(b, p[0] / 2, -PI / 2, 0);
        break;
    case KS_GATE_CRY:
        U3(b, p[0] / 2, 0, 0);
        CX(a, b);
        U3(b, -p[0] / 2, 0, 0);
        CX(a, b);
        break;
    case KS_GATE_CRZ:
        U1(b, p[0] / 2);
        CX(a, b);
        U1(b, -p[0] / 2);
        CX(a, b);
        break;
    case KS_GATE_CP:
    case KS_GATE_CU1:
        cu1(s, n, p[0], a, b);
        break;
    case KS_GATE_CU3:
        cu3(s, n, p, a, b);
        break;
    case KS_GATE_CU:
        U1(a, p[3]);
        cu3(s, n, p, a, b);
        break;
    default:
        KS_ASSERT(false); /* a gate the oracle does not know */
    }
}

static void apply_two(double complex *s, size_t n, enum ks_gate gate, const double *p,
                      uint32_t a, uint32_t b)
{
    switch (gate) {
    case KS_GATE_CX:
        CX(a, b);
        break;
    case KS_GATE_CY:
        SDG(b);
        CX(a, b);
        S(b);
        break;
    case KS_GATE_CZ:
        H(b);
        CX(a, b);
        H(b);
        break;
    case KS_GATE_CH:
        H(b);
        SDG(b);
        CX(a, b);
        H(b);
        T(b);
        CX(a, b);
        T(b);
        H(b);
        S(b);
        U3(b, PI, 0, PI);
        S(a);
        break;
    case KS_GATE_CSX:
        H(b);
        cu1(s, n, PI / 2, a, b);
        H(b);
        break;
    case KS_GATE_SWAP:
        CX(a, b);
        CX(b, a);
        CX(a, b);
        break;
    case KS_GATE_RXX:
        U3(a, PI / 2, p[0], 0);
        H(b);
        CX(a, b);
        U1(b, -p[0]);
        CX(a, b);
        H(b);
        U2(a, -PI, PI - p[0]);
        break;
    case KS_GATE_RZZ:
        CX(a, b);
        U1(b, p[0]);
        CX(a, b);
        break;
    default:
        apply_controlled(s, n, gate, p, a, b);
        break;
    }
}

static void apply_gate(double complex *s, size_t n, const struct ks_circuit *circuit,
                       const struct ks_op *op)
{
    const enum ks_gate gate = (enum ks_gate)op->gate;
    const double *p = ks_gate_info(gate)->params > 0 ? &circuit->params[op->param] : NULL;
    const uint32_t *q = op->qubits;

    switch (ks_gate_info(gate)->qubits) {
    case 0:
        break;
    case 1:
        apply_one(s, n, gate, p, q[0]);
        break;
    case 2:
        apply_two(s, n, gate, p, q[0], q[1]);
        break;
    default:
        if (gate == KS_GATE_CCX) {
            ccx(s, n, q[0], q[1], q[2]);
        } else {
            KS_ASSERT(gate == KS_GATE_CSWAP);
            CX(q[2], q[1]);
            ccx(s, n, q[0], q[1], q[2]);
            CX(q[2], q[1]);
        }
        break;
    }
}

/* --- branches
 * ---------------------------------------------------------------------------------- */

/* The classical side of one course of events. */
struct world {
    uint64_t clbits;
    uint64_t variables[DENSE_VARIABLES_MAX];
};

static bool holds(const struct ks_circuit *circuit, const struct ks_op *op, uint64_t clbits)
{
    uint64_t value = 0;

    if (op->condition == 0) {
        return true;
    }
    for (uint32_t i = 0; i < circuit->conditions[op->condition - 1].count; i++) {
        value |= (clbits >> (circuit->conditions[op->condition - 1].first + i) & 1) << i;
    }
    return value == circuit->conditions[op->condition - 1].value;
}

__extension__ typedef __int128 exact_int; /* any value of 64 bits, signed or not */

static exact_int exact(uint64_t value, bool is_signed)
{
    return is_signed ? (exact_int)(int64_t)value : (exact_int)value;
}

static bool leaf(const struct ks_term *term, const struct world *world, uint64_t *out_value)
{
    uint64_t mask = 1;

    switch ((enum ks_term_code)term->code) {
    case KS_TERM_NUMBER:
        *out_value = term->value;
        return true;
    case KS_TERM_VARIABLE:
        *out_value = world->variables[term->value];
        return true;
    case KS_TERM_BITS:
        mask = ((uint64_t)1 << term->width) - 1;
        break;
    case KS_TERM_BIT:
        break;
    default:
        return false;
    }
    *out_value = world->clbits >> term->value & mask;
    return true;
}

static uint64_t unary(const struct ks_term *term, uint64_t a)
{
    uint64_t sign;

    switch ((enum ks_term_code)term->code) {
    case KS_TERM_NEGATE:
        return -a;
    case KS_TERM_INVERT:
        return ~a;
    case KS_TERM_NOT:
        return !a;
    case KS_TERM_BOOL:
        return !!a;
    default:
        KS_ASSERT(term->code == KS_TERM_CAST && term->width < 64);
        sign = (uint64_t)1 << (term->width - 1);
        a &= 2 * sign - 1;
        return term->is_signed ? (a ^ sign) - sign : a;
    }
}

/* The tree that ends at ROOT, by recursion and with wider integers than the simulator has. */
static uint64_t evaluate(const struct ks_term *root, const struct world *world)
{
    uint64_t value = 0;

    if (leaf(root, world, &value)) {
        return value;
    }
    if (root->code < KS_TERM_ADD) {
        return unary(root, evaluate(root - 1, world));
    }
    const struct ks_term *left = root - 1 - root[-1].span;
    const bool is_signed = left->is_signed && root[-1].is_signed;
    const exact_int a = exact(evaluate(left, world), is_signed);
    const exact_int b = exact(evaluate(root - 1, world), is_signed);
    switch ((enum ks_term_code)root->code) {
    case KS_TERM_ADD:
        return (uint64_t)(a + b);
    case KS_TERM_SUBTRACT:
        return (uint64_t)(a - b);
    case KS_TERM_MULTIPLY:
        return (uint64_t)a * (uint64_t)b;
    case KS_TERM_DIVIDE:
        return (uint64_t)(a / b);
    case KS_TERM_MODULO:
        return (uint64_t)(a % b);
    case KS_TERM_SHIFT_LEFT:
        return (uint64_t)b > 63 ? 0 : (uint64_t)a << (uint64_t)b;
    case KS_TERM_SHIFT_RIGHT:
        return (uint64_t)(a >> ((uint64_t)b > 63 ? 64 : (uint64_t)b));
    case KS_TERM_AND:
        return (uint64_t)(a & b);
    case KS_TERM_XOR:
        return (uint64_t)(a ^ b);
    case KS_TERM_OR:
        return (uint64_t)(a | b);
    case KS_TERM_EQUAL:
        return a == b;
    case KS_TERM_UNEQUAL:
        return a != b;
    case KS_TERM_LESS:
        return a < b;
    case KS_TERM_LESS_EQUAL:
        return a <= b;
    case KS_TERM_GREATER:
        return a > b;
    case KS_TERM_GREATER_EQUAL:
        return a >= b;
    case KS_TERM_BOTH:
        return a != 0 && b != 0;
    default:
        return a != 0 || b != 0;
    }
}

static void assign(const struct ks_circuit *circuit, const struct ks_op *op,
                   struct world *world)
{
    const uint64_t value = evaluate(&circuit->terms[op->param], world);
    const uint64_t mask = ((uint64_t)1 << op->qubits[0]) - 1;
    const struct ks_term cast = {.code = KS_TERM_CAST};

    if (op->qubits[0] > 0) {
        world->clbits = (world->clbits & ~(mask << op->clbit)) | (value & mask) << op->clbit;
        return;
    }
    const struct ks_variable *variable = &circuit->variables[op->clbit];
    struct ks_term wide = cast;
    wide.width = variable->width;
    wide.is_signed = variable->is_signed;
    world->variables[op->clbit] = variable->width == 64 ? value : unary(&wide, value);
}

/* Does the operation of control flow at AT; the next one. */
static size_t control(const struct ks_circuit *circuit, size_t at, struct world *world)
{
    const struct ks_op *op = &circuit->ops[at];

    switch ((enum ks_gate)op->gate) {
    case KS_GATE_ASSIGN:
        assign(circuit, op, world);
        return at + 1;
    case KS_GATE_IF:
    case KS_GATE_WHILE:
        return evaluate(&circuit->terms[op->param], world) != 0 ? at + 1
                                                                : (size_t)op->clbit + 1;
    case KS_GATE_ELSE:
        return op->clbit;
    case KS_GATE_BREAK:
        return (size_t)circuit->ops[op->clbit].clbit + 1;
    case KS_GATE_CONTINUE:
        return op->clbit;
    default: /* END: back to a WHILE, or on */
        return circuit->ops[op->clbit].gate == KS_GATE_WHILE ? op->clbit : at + 1;
    }
}

/* Moves the part of STATE in which QUBIT is 1 to ONE, for a reset as 0; returns the weight of
 * what is left. */
static double part(const struct dense *dense, double complex *state, double complex *one,
                   const struct ks_op *op)
{
    const size_t bit = (size_t)1 << op->qubits[0];
    double left = 0;

    for (size_t k = 0; k < dense->size; k++) {
        if ((k & bit) != 0) {
            one[op->gate == KS_GATE_RESET ? k ^ bit : k] = state[k];
            state[k] = 0;
        }
        left += creal(state[k] * conj(state[k]));
    }
    return left;
}

static double weight(const struct dense *dense, const double complex *state)
{
    double sum = 0;

    for (size_t k = 0; k < dense->size; k++) {
        sum += creal(state[k] * conj(state[k]));
    }
    return sum;
}

/* Runs from operation FROM on. STATE is not normalised: its norm is the probability of getting
 * here. It is freed. */
static void run(const struct dense *dense, double complex *state, size_t from,
                struct world world)
{
    const struct ks_circuit *circuit = dense->circuit;
    size_t i = from;

    while (i < circuit->op_count) {
        const struct ks_op *op = &circuit->ops[i];

        if (op->gate > KS_GATE_BARRIER) {
            i = control(circuit, i, &world);
            continue;
        }
        i++;
        if (!holds(circuit, op, world.clbits)) {
            continue;
        }
        if (op->gate != KS_GATE_MEASURE && op->gate != KS_GATE_RESET) {
            apply_gate(state, dense->size, circuit, op);
            continue;
        }
        double complex *one = ks_calloc(dense->size, sizeof *one);
        struct world other = world;

        KS_ASSERT(one != NULL);
        const double left = part(dense, state, one, op);
        if (op->gate == KS_GATE_MEASURE) {
            world.clbits &= ~((uint64_t)1 << op->clbit);
            other.clbits |= (uint64_t)1 << op->clbit;
        }
        if (weight(dense, one) > 1e-24) {
            run(dense, one, i, other);
        } else {
            ks_free(one);
        }
        if (left <= 1e-24) {
            ks_free(state);
            return;
        }
    }
    for (size_t k = 0; k < dense->size; k++) {
        dense->probabilities[world.clbits] += creal(state[k] * conj(state[k]));
    }
    ks_free(state);
}

void dense_probabilities(const struct ks_circuit *circuit, double *out_probabilities)
{
    const struct dense dense = {
        .circuit = circuit,
        .size = (size_t)1 << circuit->qubit_count,
        .probabilities = out_probabilities,
    };
    double complex *state = ks_calloc(dense.size, sizeof *state);

    KS_ASSERT(state != NULL);
    ks_zero(out_probabilities, ((size_t)1 << circuit->clbit_count) * sizeof *out_probabilities);
    state[0] = 1;
    KS_ASSERT(circuit->variable_count <= DENSE_VARIABLES_MAX);
    run(&dense, state, 0, (struct world){0});
}

void dense_state(const struct ks_circuit *circuit, double _Complex *out_state)
{
    const size_t size = (size_t)1 << circuit->qubit_count;

    ks_zero(out_state, size * sizeof *out_state);
    out_state[0] = 1;
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (circuit->ops[i].gate < KS_GATE_MEASURE) {
            apply_gate(out_state, size, circuit, &circuit->ops[i]);
        }
    }
}
