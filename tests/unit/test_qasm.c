/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The OpenQASM parser: every file of tests/vectors/qasm/reject gives the error in its first
 * line, every file of accept/ prints as the file of the same name in canonical/. Gates of the
 * library are compared with their matrices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <complex.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantum/simulate.h"
#include "vector_files.h"

static enum ks_err parse(struct ks_bytes source, const char *name,
                         struct ks_circuit **out_circuit)
{
    return ks_circuit_parse(&source, name, NULL, out_circuit);
}

static struct ks_circuit *parse_text(const char *source)
{
    struct ks_circuit *circuit = NULL;

    if (parse(ks_bytes_text(source), "text", &circuit) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return circuit;
}

static void assert_registers_equal(const struct ks_register *a, const struct ks_register *b,
                                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(a[i].name, b[i].name);
        assert_int_equal(a[i].first, b[i].first);
        assert_int_equal(a[i].size, b[i].size);
    }
}

static bool ops_equal(const struct ks_circuit *a, const struct ks_circuit *b, size_t index)
{
    const struct ks_op *left = &a->ops[index];
    const struct ks_op *right = &b->ops[index];
    const struct ks_gate_info *info = ks_gate_info(left->gate);
    bool equal = left->gate == right->gate && left->condition == right->condition &&
                 left->clbit == right->clbit && left->param == right->param &&
                 memcmp(left->qubits, right->qubits, sizeof(left->qubits)) == 0;

    for (unsigned i = 0; equal && i < info->params; i++) {
        equal = memcmp(&a->params[left->param + i], &b->params[right->param + i],
                       sizeof(double)) == 0;
    }
    return equal;
}

static void assert_circuits_equal(const struct ks_circuit *a, const struct ks_circuit *b)
{
    assert_int_equal(a->qubit_count, b->qubit_count);
    assert_int_equal(a->clbit_count, b->clbit_count);
    assert_int_equal(a->op_count, b->op_count);
    assert_int_equal(a->param_count, b->param_count);
    assert_int_equal(a->condition_count, b->condition_count);
    assert_int_equal(a->qreg_count, b->qreg_count);
    assert_int_equal(a->creg_count, b->creg_count);
    assert_int_equal(a->depth, b->depth);
    assert_registers_equal(a->qregs, b->qregs, a->qreg_count);
    assert_registers_equal(a->cregs, b->cregs, a->creg_count);
    for (size_t i = 0; i < a->op_count; i++) {
        assert_true(ops_equal(a, b, i));
    }
    for (size_t i = 0; i < a->condition_count; i++) {
        assert_int_equal(a->conditions[i].first, b->conditions[i].first);
        assert_int_equal(a->conditions[i].count, b->conditions[i].count);
        assert_int_equal(a->conditions[i].value, b->conditions[i].value);
        assert_memory_equal(a->conditions[i].high, b->conditions[i].high,
                            sizeof(a->conditions[i].high));
    }
}

/* Prints CIRCUIT into OUT, reads that, and sees the same circuit and the same text. */
static void check_round_trip(const struct ks_circuit *circuit, struct ks_buf *out)
{
    struct ks_circuit *again = NULL;
    struct ks_buf text;

    ks_buf_init(out, SIZE_MAX);
    ks_buf_init(&text, SIZE_MAX);
    ks_circuit_print(circuit, out);
    assert_int_equal(ks_buf_check(out), KS_OK);
    if (parse(ks_buf_view(out), "printed", &again) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    assert_circuits_equal(circuit, again);
    ks_circuit_print(again, &text);
    assert_true(ks_bytes_equal(ks_buf_view(out), ks_buf_view(&text)));
    ks_buf_done(&text);
    ks_circuit_free(again);
}

/* --- vectors ------------------------------------------------------------------------------ */

static void reject_one(void *context, const char *name, struct ks_bytes source)
{
    static const char prefix[] = "// expect: ";
    char want[600];
    struct ks_circuit *circuit = NULL;
    size_t end = 0;

    (void)context;
    while (end < source.len && source.data[end] != '\n') {
        end++;
    }
    assert_true(end > sizeof(prefix) && memcmp(source.data, prefix, sizeof(prefix) - 1) == 0);
    (void)snprintf(want, sizeof(want), "%s:%.*s", name, (int)(end - sizeof(prefix) + 1),
                   (const char *)source.data + sizeof(prefix) - 1);
    const enum ks_err err = parse(source, name, &circuit);
    if (err != vector_error(name)) {
        fail_msg("%s: %s %s", name, ks_err_name(err), ks_err_detail());
    }
    assert_string_equal(ks_err_detail(), want);
    assert_null(circuit);
}

static void test_reject(void **state)
{
    (void)state;
    vector_each("qasm/reject", 200, NULL, reject_one);
}

static void accept_one(void *context, const char *name, struct ks_bytes source)
{
    struct ks_circuit *circuit = NULL;
    struct ks_buf out;
    struct ks_buf want;

    (void)context;
    if (parse(source, name, &circuit) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    check_round_trip(circuit, &out);
    vector_read("qasm/canonical", name, &want);
    if (!ks_bytes_equal(ks_buf_view(&out), ks_buf_view(&want))) {
        fail_msg("%s prints as\n%.*s", name, (int)out.len, (const char *)out.data);
    }
    ks_buf_done(&want);
    ks_buf_done(&out);
    ks_circuit_free(circuit);
}

static void test_accept(void **state)
{
    (void)state;
    vector_each("qasm/accept", 40, NULL, accept_one);
}

/* What another reader made of the same programs. */
static void probabilities_one(void *context, const char *name, struct ks_bytes text)
{
    static double got[1 << 5];
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_circuit *circuit = NULL;
    struct ks_buf source;
    char program[64];
    const char *next = (const char *)text.data;

    (void)context;
    (void)snprintf(program, sizeof program, "%.*s.qasm", (int)strcspn(name, "."), name);
    vector_read("qasm/accept", program, &source);
    if (parse(ks_buf_view(&source), program, &circuit) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    assert_int_equal(circuit->clbit_count, 5);
    assert_int_equal(ks_simulate_probabilities(circuit, &spec, got), KS_OK);
    for (size_t i = 0; i < sizeof got / sizeof got[0]; i++) {
        char *end = NULL;
        const double want = strtod(next, &end);

        assert_true(end > next);
        if (!(fabs(got[i] - want) < 1e-12)) {
            fail_msg("%s: outcome %zu: %.17g, Qiskit %.17g", name, i, got[i], want);
        }
        next = end;
    }
    ks_buf_done(&source);
    ks_circuit_free(circuit);
}

static void test_probabilities(void **state)
{
    (void)state;
    vector_each("qasm/probabilities", 24, NULL, probabilities_one);
}

/* --- expressions -------------------------------------------------------------------------- */

/* The values are Python's: float arithmetic and mpmath's functions, correctly rounded. */
static const struct {
    const char *text;
    double value;
} expressions[] = {
    {"1", 1},
    {"007", 7},
    {"1.", 1},
    {".5", 0.5},
    {"1e3", 1000},
    {"1E+3", 1000},
    {"1.5e-3", 0.0015},
    {"1e-7", 1e-7},
    {"1e+21", 1e21},
    {"9007199254740993", 9007199254740992},
    {"123456789012345678901234567890", 123456789012345678901234567890.0},
    {"0.1234567890123456789012345678901234567890", 0.12345678901234568},
    {"2.2250738585072011e-308", 2.2250738585072011e-308},
    {"4.9e-324", 4.9e-324},
    {"1e-400", 0},
    {"1.7976931348623157e308", 1.7976931348623157e308},
    {"pi", 0x1.921fb54442d18p+1},
    {"-pi", -0x1.921fb54442d18p+1},
    {"3*pi/4", 3 * 0x1.921fb54442d18p+1 / 4},
    {"-0", 0},
    {"1-2-3", -4},
    {"8/4/2", 1},
    {"2+3*4", 14},
    {"(2+3)*4", 20},
    {"2^3^2", 512},
    {"(2^3)^2", 64},
    {"-2^2", -4},
    {"(-2)^2", 4},
    {"2^-1", 0.5},
    {"2^-3^2", 0x1p-9},
    {"2^-1*4", 2},
    {"2*-3", -6},
    {"--3", 3},
    {"+-+3", -3},
    {"1--1", 2},
    {"-2*3", -6},
    {"1/3", 1.0 / 3},
    {"((((1))))", 1},
    {"sin(pi/6)", 0x1.fffffffffffffp-2},
    {"cos(pi)", -1},
    {"tan(0.5)", 0.54630248984379048},
    {"exp(1)", 2.718281828459045},
    {"ln(10)", 2.302585092994046},
    {"sqrt(2)", 0x1.6a09e667f3bcdp+0},
    {"sqrt(-0)", 0},
    {"-sin(1)^2", -0x1.6a88995d4dc81p-1},
    {"cos(sin(ln(exp(2))))", 0x1.3a85910b3a4c8p-1},
    {"2 ^ ( 1 / 2 )", 0x1.6a09e667f3bcdp+0},
};

static void test_expressions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
        char source[400];
        (void)snprintf(source, sizeof(source),
                       "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[1]; rx(%s) q[0];"
                       "gate g(t1,t2) a { rx(t1+(%s)*t2) a; } g(0,1) q[0];",
                       expressions[i].text, expressions[i].text);
        struct ks_circuit *circuit = parse_text(source);
        assert_int_equal(circuit->param_count, 2);
        for (unsigned j = 0; j < 2; j++) {
            if (memcmp(&circuit->params[j], &expressions[i].value, sizeof(double)) != 0) {
                fail_msg("%s is %a, not %a", expressions[i].text, circuit->params[j],
                         expressions[i].value);
            }
        }
        ks_circuit_free(circuit);
    }
}

/* --- the library's gates ------------------------------------------------------------------ */

typedef double complex amplitude;

#define STATE_QUBITS_MAX 5

/* Applies a 2x2 matrix to TARGET where all bits of CONTROLS are set. */
static void apply_matrix(amplitude *amps, unsigned qubits, unsigned controls, unsigned target,
                         const amplitude matrix[4])
{
    for (unsigned i = 0; i < 1U << qubits; i++) {
        const unsigned j = i | 1U << target;
        if ((i >> target & 1) == 0 && (i & controls) == controls) {
            const amplitude zero = amps[i];
            const amplitude one = amps[j];
            amps[i] = matrix[0] * zero + matrix[1] * one;
            amps[j] = matrix[2] * zero + matrix[3] * one;
        }
    }
}

static void rxx(amplitude *amps, unsigned qubits, const uint32_t *operands, double angle)
{
    const unsigned both = 1U << operands[0] | 1U << operands[1];

    for (unsigned i = 0; i < 1U << qubits; i++) {
        if ((i >> operands[0] & 1) == 0) {
            const amplitude a = amps[i];
            const amplitude b = amps[i ^ both];
            amps[i] = cos(angle / 2) * a - I * sin(angle / 2) * b;
            amps[i ^ both] = cos(angle / 2) * b - I * sin(angle / 2) * a;
        }
    }
}

/* The gates that the library's definitions use. */
static void apply_op(const struct ks_circuit *circuit, const struct ks_op *op, amplitude *amps)
{
    const unsigned qubits = circuit->qubit_count;
    const double angle = circuit->param_count > 0 ? circuit->params[op->param] : 0;
    const double root = sqrt(0.5);
    const amplitude half = (1 + I) / 2;
    const unsigned control = 1U << op->qubits[0];

    switch (op->gate) {
    case KS_GATE_ID:
        return;
    case KS_GATE_H:
        apply_matrix(amps, qubits, 0, op->qubits[0], (amplitude[]){root, root, root, -root});
        return;
    case KS_GATE_T:
        apply_matrix(amps, qubits, 0, op->qubits[0], (amplitude[]){1, 0, 0, root + root * I});
        return;
    case KS_GATE_TDG:
        apply_matrix(amps, qubits, 0, op->qubits[0], (amplitude[]){1, 0, 0, root - root * I});
        return;
    case KS_GATE_S:
        apply_matrix(amps, qubits, 0, op->qubits[0], (amplitude[]){1, 0, 0, I});
        return;
    case KS_GATE_SDG:
        apply_matrix(amps, qubits, 0, op->qubits[0], (amplitude[]){1, 0, 0, -I});
        return;
    case KS_GATE_CX:
        apply_matrix(amps, qubits, control, op->qubits[1], (amplitude[]){0, 1, 1, 0});
        return;
    case KS_GATE_CP:
        apply_matrix(amps, qubits, control, op->qubits[1],
                     (amplitude[]){1, 0, 0, cexp(I * angle)});
        return;
    case KS_GATE_CSX:
        apply_matrix(amps, qubits, control, op->qubits[1],
                     (amplitude[]){half, conj(half), conj(half), half});
        return;
    case KS_GATE_RXX:
        rxx(amps, qubits, op->qubits, angle);
        return;
    default:
        fail_msg("gate %s", ks_gate_info(op->gate)->name);
    }
}

/* want[row][column] by its column: what the gate makes of basis state COLUMN. */
typedef void (*column_of)(unsigned column, amplitude *want);

static void u0_column(unsigned column, amplitude *want)
{
    want[column] = 1;
}

/* Maslov, "Advantages of using relative-phase Toffoli gates", Phys. Rev. A 93, 022311 (2016);
 * qubit 0 is the lowest bit, the target the highest. */
static void rccx_column(unsigned column, amplitude *want)
{
    const unsigned row = (column & 3) == 3 ? column ^ 4 : column;
    want[row] = column == 5 ? -1 : column == 3 ? I : column == 7 ? -I : 1;
}

static void rc3x_column(unsigned column, amplitude *want)
{
    const unsigned row = (column & 7) == 7 ? column ^ 8 : column;
    want[row] = column == 3 ? I : column == 11 ? -I : column == 7 ? -1 : 1;
}

static void c3x_column(unsigned column, amplitude *want)
{
    want[(column & 7) == 7 ? column ^ 8 : column] = 1;
}

static void c4x_column(unsigned column, amplitude *want)
{
    want[(column & 15) == 15 ? column ^ 16 : column] = 1;
}

static void c3sqrtx_column(unsigned column, amplitude *want)
{
    want[column] = (column & 7) == 7 ? (1 + I) / 2 : 1;
    if ((column & 7) == 7) {
        want[column ^ 8] = (1 - I) / 2;
    }
}

/* exp(-i 0.7/2 Y(x)Y) */
static void ryy_column(unsigned column, amplitude *want)
{
    want[column] = cos(0.35);
    want[column ^ 3] = (column == 0 || column == 3 ? 1 : -1) * I * sin(0.35);
}

static void test_library(void **state)
{
    static const struct {
        const char *call;
        unsigned qubits;
        column_of column;
    } cases[] = {
        {"u0(3) q[0]", 1, u0_column},
        {"rccx q[0],q[1],q[2]", 3, rccx_column},
        {"rc3x q[0],q[1],q[2],q[3]", 4, rc3x_column},
        {"c3x q[0],q[1],q[2],q[3]", 4, c3x_column},
        {"c3sqrtx q[0],q[1],q[2],q[3]", 4, c3sqrtx_column},
        {"c4x q[0],q[1],q[2],q[3],q[4]", 5, c4x_column},
        {"ryy(0.7) q[0],q[1]", 2, ryy_column},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char source[200];
        (void)snprintf(source, sizeof(source),
                       "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[%u]; %s;", cases[i].qubits,
                       cases[i].call);
        struct ks_circuit *circuit = parse_text(source);
        for (unsigned column = 0; column < 1U << cases[i].qubits; column++) {
            amplitude amps[1 << STATE_QUBITS_MAX] = {0};
            amplitude want[1 << STATE_QUBITS_MAX] = {0};
            amps[column] = 1;
            cases[i].column(column, want);
            for (size_t op = 0; op < circuit->op_count; op++) {
                apply_op(circuit, &circuit->ops[op], amps);
            }
            for (unsigned row = 0; row < 1U << cases[i].qubits; row++) {
                if (!(cabs(amps[row] - want[row]) < 1e-14)) {
                    fail_msg("%s: <%u|%u> is %g + %gi", cases[i].call, row, column,
                             creal(amps[row]), cimag(amps[row]));
                }
            }
        }
        ks_circuit_free(circuit);
    }
}

/* --- sizes and limits --------------------------------------------------------------------- */

static void test_source_limit(void **state)
{
    struct ks_circuit_limits limits = KS_CIRCUIT_LIMITS_INIT;
    const struct ks_bytes source = KS_LITERAL("OPENQASM 2.0;");
    struct ks_circuit *circuit = NULL;

    (void)state;
    limits.source_max = source.len;
    assert_int_equal(ks_circuit_parse(&source, "a.qasm", &limits, &circuit), KS_OK);
    assert_int_equal(ks_circuit_qubits(circuit), 0);
    ks_circuit_free(circuit);
    circuit = NULL;
    limits.source_max--;
    assert_int_equal(ks_circuit_parse(&source, "a.qasm", &limits, &circuit), KS_ERR_LIMIT);
    assert_string_equal(ks_err_detail(), "a.qasm: 13 bytes, limit 12");
    assert_null(circuit);
}

/* Puts TEXT once for each number from FIRST to LAST, with it for '#' and the one before it for
 * '@'. */
static void repeat(struct ks_buf *out, const char *text, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        for (const char *c = text; *c != '\0'; c++) {
            if (*c == '#' || *c == '@') {
                ks_buf_put_format(out, "%u", *c == '#' ? i : i - 1);
            } else {
                ks_buf_put_u8(out, (uint8_t)*c);
            }
        }
    }
}

/* Right below the limits things work: 256 gates deep, 2^20 operations from 21 lines. */
static void test_nesting(void **state)
{
    struct ks_circuit *circuit = NULL;
    struct ks_buf source;

    (void)state;
    ks_buf_init(&source, 1 << 20);
    ks_buf_put_text(&source, "OPENQASM 2.0; qreg q[2]; gate d0 a,b { CX a,b; }");
    repeat(&source, "gate d# a,b { d@ b,a; }\n", 1, 255);
    ks_buf_put_text(&source, "gate e0(x1) a { U(x1,0,0) a; }");
    repeat(&source, "gate e#(x1) a { e@(x1/2) a; e@(-x1/2) a; }\n", 1, 20);
    ks_buf_put_text(&source, "d255 q[0],q[1]; e20(pi) q[1];");
    assert_int_equal(parse(ks_buf_view(&source), "nest", &circuit), KS_OK);
    assert_int_equal(circuit->op_count, 1 + (1 << 20));
    assert_int_equal(circuit->ops[0].qubits[0], 1); /* swapped 255 times */
    const double last = circuit->params[circuit->param_count - 3];
    assert_true(last == 0x1.921fb54442d18p+1 * 0x1p-20);
    ks_circuit_free(circuit);
    ks_buf_done(&source);
}

/* Many names: no more than linear work for each. */
static void test_many_gates(void **state)
{
    struct ks_circuit *circuit = NULL;
    struct ks_buf source;

    (void)state;
    ks_buf_init(&source, 8 << 20);
    ks_buf_put_text(&source, "OPENQASM 2.0; qreg q[2];");
    repeat(&source, "gate g#(x1,x2,x3) a,b { U(x1,x2,x3) b; }\n", 0, 99999);
    repeat(&source, "g#(1,2,3) q[1],q[0];\n", 0, 99999);
    if (parse(ks_buf_view(&source), "many", &circuit) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    assert_int_equal(circuit->op_count, 100000);
    ks_circuit_free(circuit);
    ks_buf_done(&source);
}

/* --- real programs ------------------------------------------------------------------------ */

/* Three files of QASMBench are no valid programs: a gate on one qubit twice, registers never
 * declared. */
static const char *known_bad(const char *name)
{
    static const char *const bad[][2] = {
        {"large-random_QAOA_angles_k3_N1000_p1.qasm",
         ":1400:12: the same qubit twice in one gate"},
        {"small-vqe_uccsd_n4.qasm", ":225:9: unknown register 'q'"},
        {"small-vqe_uccsd_n8.qasm", ":10813:9: unknown register 'q'"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (strcmp(name, bad[i][0]) == 0) {
            return bad[i][1];
        }
    }
    return NULL;
}

static void run_real(const char *folder, const char *name)
{
    char path[1400];
    struct ks_circuit *circuit = NULL;
    struct ks_buf source;
    struct ks_buf out;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    ks_buf_init(&source, 8 << 20);
    assert_int_equal(ks_file_read(path, 8 << 20, &source), KS_OK);
    const enum ks_err err = parse(ks_buf_view(&source), name, &circuit);
    ks_buf_done(&source);
    if (known_bad(name) != NULL) {
        assert_int_equal(err, KS_ERR_FORMAT);
        assert_string_equal(ks_err_detail() + strlen(name), known_bad(name));
        return;
    }
    if (err != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    check_round_trip(circuit, &out);
    ks_buf_done(&out);
    ks_circuit_free(circuit);
}

static void test_real_programs(void **state)
{
    const char *data = getenv("KS_SHARED_DATA");
    const char *root = getenv("KS_SOURCE_ROOT");
    char folder[1024];
    unsigned count = 0;

    (void)state;
    if (data != NULL) {
        (void)snprintf(folder, sizeof(folder), "%s/circuits", data);
    } else {
        (void)snprintf(folder, sizeof(folder), "%s/../shared/data/circuits", root ? root : ".");
    }
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        print_message(
            "SKIPPED: no QASMBench circuits: set KS_SHARED_DATA to the folder that has "
            "circuits/*.qasm\n");
        skip();
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        const size_t len = strlen(entry->d_name);
        if (len > 5 && strcmp(&entry->d_name[len - 5], ".qasm") == 0) {
            run_real(folder, entry->d_name);
            count++;
        }
    }
    (void)closedir(dir);
    print_message("%u real programs\n", count);
    assert_true(count >= 76);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reject),        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_probabilities), cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_library),       cmocka_unit_test(test_source_limit),
        cmocka_unit_test(test_nesting),       cmocka_unit_test(test_many_gates),
        cmocka_unit_test(test_real_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
