/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Programs with control flow: random ones against the dense oracle and through their canonical
 * text, chosen ones with known outcomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "base/sys.h"
#include "expect.h"
#include "oracle/dense.h"
#include "oracle/random_circuit.h"
#include "quantum/simulate.h"

#define OK(call)     assert_int_equal((call), KS_OK)
#define OUTCOMES_MAX 256
#ifdef __SANITIZE_ADDRESS__
#define SLOWER 8 /* the sanitizers make everything */
#else
#define SLOWER 1
#endif

static struct ks_circuit *parse(struct ks_bytes source)
{
    struct ks_circuit *circuit = NULL;

    if (ks_circuit_parse(&source, "test", NULL, &circuit) != KS_OK) {
        fail_msg("%s in\n%.*s", ks_err_detail(), (int)source.len, (const char *)source.data);
    }
    return circuit;
}

/* --- random programs ---------------------------------------------------------------------- */

#define QUBITS 4

struct writer {
    struct ks_buf text;
    uint64_t state;
    unsigned depth;
    unsigned left; /* statements */
    unsigned loops;
};

static unsigned below(struct writer *writer, unsigned bound)
{
    return (unsigned)(random_next(&writer->state) % bound);
}

static void put_value(struct writer *writer)
{
    static const char *const values[] = {
        "0",    "1",       "3",       "-2",      "c[0]",      "c[1]",      "c",
        "d[2]", "i",       "w",       "b",       "d",         "true",      "0x1F",
        "1_0",  "\"101\"", "(i + 1)", "bool(w)", "int[3](w)", "uint[4](i)"};

    ks_buf_put_text(&writer->text, values[below(writer, sizeof values / sizeof values[0])]);
}

static void put_expression(struct writer *writer)
{
    static const char *const operators[] = {
        " + ",  " - ",  " * ", "&",    "|",   "^",    " << ", " >> ",
        " == ", " != ", " < ", " <= ", " > ", " >= ", " && ", " || "};
    static const char *const signs[] = {"", "", "", "-", "~", "!", "+"};
    const unsigned count = 1 + below(writer, 4);

    for (unsigned i = 0; i < count; i++) {
        if (i > 0) {
            ks_buf_put_text(&writer->text,
                            operators[below(writer, sizeof operators / sizeof operators[0])]);
        }
        ks_buf_put_text(&writer->text, signs[below(writer, sizeof signs / sizeof signs[0])]);
        put_value(writer);
        if (below(writer, 8) == 0) {
            ks_buf_put_text(&writer->text, below(writer, 2) == 0 ? " / 3" : " % -2");
        }
    }
}

static void put_gate(struct writer *writer)
{
    static const char *const one[] = {"h",       "x",           "t",         "ry(0.7)",
                                      "inv @ s", "pow(3) @ sx", "U(1, 2, 3)"};
    static const char *const two[] = {"cx", "cz", "rzz(0.3)", "ctrl @ ry(1.1)", "negctrl @ h"};
    const unsigned a = below(writer, QUBITS);

    if (below(writer, 3) == 0) {
        ks_buf_put_format(&writer->text, "%s q[%u], q[%u];\n",
                          two[below(writer, sizeof two / sizeof two[0])], a,
                          (a + 1 + below(writer, QUBITS - 1)) % QUBITS);
    } else {
        ks_buf_put_format(&writer->text, "%s q[%u];\n",
                          one[below(writer, sizeof one / sizeof one[0])], a);
    }
}

static void put_simple(struct writer *writer)
{
    static const char *const targets[] = {"i", "w", "b", "c[1]", "d", "d[0]", "c"};

    switch (below(writer, 8)) {
    case 0:
        ks_buf_put_format(&writer->text, "%s = measure q[%u];\n",
                          below(writer, 2) == 0 ? "c[0]" : "d[2]", below(writer, QUBITS));
        break;
    case 1:
        ks_buf_put_format(&writer->text, "reset q[%u];\n", below(writer, QUBITS));
        break;
    case 2:
        ks_buf_put_format(&writer->text, "%s %s ", below(writer, 2) == 0 ? "i" : "w",
                          below(writer, 2) == 0 ? "+=" : "^=");
        put_expression(writer);
        ks_buf_put_text(&writer->text, ";\n");
        break;
    case 3:
        ks_buf_put_format(&writer->text,
                          "%s = ", targets[below(writer, sizeof targets / sizeof targets[0])]);
        put_expression(writer);
        ks_buf_put_text(&writer->text, ";\n");
        break;
    default:
        put_gate(writer);
        break;
    }
}

/* What is open is closed by put_program: '}' for each level. */
static void put_statement(struct writer *writer)
{
    const unsigned kind = below(writer, 12);

    if (kind == 0 && writer->depth < 3) {
        ks_buf_put_text(&writer->text, "if (");
        put_expression(writer);
        ks_buf_put_text(&writer->text, ") {\n");
        writer->depth++;
    } else if (kind == 1 && writer->depth < 2 && writer->loops < 2) {
        const unsigned loop = writer->loops++;

        ks_buf_put_format(&writer->text, "n%u = 0;\nwhile (n%u < 2 && (", loop, loop);
        put_expression(writer);
        ks_buf_put_format(&writer->text, ")) {\nn%u += 1;\n", loop);
        if (below(writer, 2) == 0) {
            ks_buf_put_format(&writer->text, "if (c[0] == 1 || i > 1) %s;\n",
                              below(writer, 2) == 0 ? "break" : "continue");
        }
        writer->depth++;
    } else if (kind == 2 && writer->depth < 3) {
        ks_buf_put_format(&writer->text, "for uint k in [%u:-1:0] {\n", below(writer, 3));
        writer->depth++;
        put_gate(writer);
        ks_buf_put_text(&writer->text,
                        "if (k % 2 == 0) x q[k]; else if (k > 0) h q[k - 1];\n}\n");
        writer->depth--;
    } else if (kind == 3 && writer->depth < 3) {
        ks_buf_put_text(&writer->text, "if (c[1]) ");
        put_gate(writer);
        ks_buf_put_text(&writer->text, "else {\n");
        writer->depth++;
    } else if (kind < 6 && writer->depth > 0) {
        ks_buf_put_text(&writer->text, "}\n");
        writer->depth--;
    } else {
        put_simple(writer);
    }
}

/* The caller frees the text. */
static struct ks_bytes random_program(struct writer *writer, uint64_t seed)
{
    *writer = (struct writer){.state = seed};
    ks_buf_init(&writer->text, 1 << 20);
    ks_buf_put_format(&writer->text,
                      "OPENQASM 3.0;\ninclude \"stdgates.inc\";\nqubit[%d] q;\nbit[2] c;\n"
                      "bit[3] d;\nint[5] i = %u;\nuint[6] w;\nbool b = true;\n"
                      "int n0; int n1;\nh q[0]; h q[1]; c[0] = measure q[0];\n",
                      QUBITS, below(writer, 4));
    const unsigned count = 6 + below(writer, 24);
    for (unsigned i = 0; i < count; i++) {
        put_statement(writer);
    }
    for (; writer->depth > 0; writer->depth--) {
        ks_buf_put_text(&writer->text, "x q[2];\n}\n");
    }
    ks_buf_put_text(&writer->text, "c[1] = measure q[1]; d[1] = measure q[2];\n");
    OK(ks_buf_check(&writer->text));
    return ks_buf_view(&writer->text);
}

static void compare_with_oracle(const struct ks_circuit *circuit, struct ks_bytes text,
                                enum ks_method method)
{
    static double want[OUTCOMES_MAX];
    static double got[OUTCOMES_MAX];
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

    spec.method = method;
    assert_true((size_t)1 << circuit->clbit_count <= OUTCOMES_MAX);
    dense_probabilities(circuit, want);
    OK(ks_simulate_probabilities(circuit, &spec, got));
    for (size_t i = 0; i < (size_t)1 << circuit->clbit_count; i++) {
        if (!(fabs(got[i] - want[i]) <= 1e-12)) {
            fail_msg("%s: outcome %zu: %.17g, oracle %.17g, of\n%.*s", ks_method_name(method),
                     i, got[i], want[i], (int)text.len, (const char *)text.data);
        }
    }
}

/* What is printed parses to what prints the same and does the same. */
static void check_round_trip(const struct ks_circuit *circuit)
{
    struct ks_buf first;
    struct ks_buf second;

    ks_buf_init(&first, 1 << 20);
    ks_buf_init(&second, 1 << 20);
    ks_circuit_print(circuit, &first);
    struct ks_circuit *again = parse(ks_buf_view(&first));
    ks_circuit_print(again, &second);
    if (!ks_bytes_equal(ks_buf_view(&first), ks_buf_view(&second))) {
        fail_msg("first\n%.*s\nthen\n%.*s", (int)first.len, (char *)first.data, (int)second.len,
                 (char *)second.data);
    }
    assert_int_equal(circuit->depth, again->depth);
    assert_int_equal(circuit->op_count, again->op_count);
    assert_int_equal(circuit->term_count, again->term_count);
    assert_int_equal(circuit->condition_count, again->condition_count);
    assert_true(circuit->dynamic == again->dynamic && circuit->extended == again->extended);
    compare_with_oracle(again, ks_buf_view(&first), KS_METHOD_AUTO);
    ks_circuit_free(again);
    ks_buf_done(&first);
    ks_buf_done(&second);
}

static void test_random_programs(void **state)
{
    unsigned dynamic = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct writer writer;
        const struct ks_bytes text = random_program(&writer, seed);
        struct ks_circuit *circuit = parse(text);

        dynamic += circuit->dynamic;
        compare_with_oracle(circuit, text, KS_METHOD_STATEVECTOR);
        compare_with_oracle(circuit, text, seed % 2 == 0 ? KS_METHOD_SPARSE : KS_METHOD_MPS);
        check_round_trip(circuit);
        ks_circuit_free(circuit);
        ks_buf_done(&writer.text);
    }
    assert_true(dynamic > 1000);
}

/* Sampled counts against the exact probabilities: each within 6 standard deviations. */
static void test_random_counts(void **state)
{
    static double probabilities[OUTCOMES_MAX];

    (void)state;
    for (uint64_t seed = 2001; seed <= 2060; seed++) {
        struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
        struct ks_counts *counts = NULL;
        struct ks_counts *tight = NULL;
        struct writer writer;
        struct ks_circuit *circuit = parse(random_program(&writer, seed));

        spec.shots = 5000;
        spec.seed = seed;
        OK(ks_simulate_probabilities(circuit, &spec, probabilities));
        OK(ks_simulate(circuit, &spec, &counts));
        spec.memory_max = ks_state_bytes(QUBITS, KS_PRECISION_DOUBLE); /* no room for copies */
        OK(ks_simulate(circuit, &spec, &tight));
        assert_int_equal(ks_counts_size(counts), ks_counts_size(tight));
        for (size_t i = 0; i < ks_counts_size(counts); i++) {
            const double mean =
                5000 * probabilities[strtoull(ks_counts_outcome(counts, i), NULL, 2)];

            assert_true(fabs((double)ks_counts_count(counts, i) - mean) <= 6 * sqrt(mean) + 4);
            assert_string_equal(ks_counts_outcome(counts, i), ks_counts_outcome(tight, i));
            assert_int_equal(ks_counts_count(counts, i), ks_counts_count(tight, i));
        }
        ks_counts_free(counts);
        ks_counts_free(tight);
        ks_circuit_free(circuit);
        ks_buf_done(&writer.text);
    }
}

/* --- chosen programs ---------------------------------------------------------------------- */

#define HEAD "OPENQASM 3.0;\ninclude \"stdgates.inc\";\n"

/* The same by the other methods; control flow around Clifford gates by the tableau too. */
static void test_methods(void **state)
{
    static const char *const text = HEAD
        "qubit[4] q; bit[3] c; bit[2] d; int[8] n; h q[0]; s q[0]; cx q[0], q[1]; sx q[2];\n"
        "while (n < 4) { n += 1; h q[3]; cz q[2], q[3]; h q[3]; c[0] = measure q[3];\n"
        "  if (c[0]) { n = 9; y q[1]; } else { h q[2]; reset q[3]; } }\n"
        "if (n > 8) { cy q[1], q[2]; c[1] = measure q[1]; } swap q[0], q[2];\n"
        "c[2] = measure q[2]; d[0] = measure q[0];";
    struct ks_circuit *circuit = parse(ks_bytes_text(text));
    static double want[OUTCOMES_MAX];

    (void)state;
    assert_true(circuit->dynamic);
    dense_probabilities(circuit, want);
    for (unsigned m = KS_METHOD_STATEVECTOR; m < KS_METHOD_COUNT; m++) {
        struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
        struct ks_counts *counts = NULL;

        compare_with_oracle(circuit, ks_bytes_text(text), (enum ks_method)m);
        spec.method = (enum ks_method)m;
        spec.shots = 5000;
        OK(ks_simulate(circuit, &spec, &counts));
        assert_int_equal(ks_counts_facts(counts)->method, m);
        for (size_t i = 0; i < ks_counts_size(counts); i++) {
            const double mean = 5000 * want[strtoull(ks_counts_outcome(counts, i), NULL, 2)];

            assert_true(fabs((double)ks_counts_count(counts, i) - mean) <= 6 * sqrt(mean) + 4);
        }
        ks_counts_free(counts);
    }
    ks_circuit_free(circuit);
}

/* BODY has one certain outcome. */
static void expect_outcome(const char *body, const char *outcome)
{
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;
    struct ks_buf text;

    ks_buf_init(&text, 1 << 16);
    ks_buf_put_text(&text, HEAD);
    ks_buf_put_text(&text, body);
    struct ks_circuit *circuit = parse(ks_buf_view(&text));
    spec.shots = 100;
    OK(ks_simulate(circuit, &spec, &counts));
    if (ks_counts_size(counts) != 1 || strcmp(ks_counts_outcome(counts, 0), outcome) != 0) {
        fail_msg("%s: %zu outcomes, %s", body, ks_counts_size(counts),
                 ks_counts_outcome(counts, 0));
    }
    ks_counts_free(counts);
    check_round_trip(circuit);
    ks_circuit_free(circuit);
    ks_buf_done(&text);
}

static void test_chosen(void **state)
{
    (void)state;
    /* Repeat until success ends with 1, teleportation of |1> arrives. */
    expect_outcome("qubit q; bit c; while (!c) { reset q; h q; c = measure q; }", "1");
    expect_outcome(
        "qubit[3] q; bit[2] m; bit out; x q[0]; h q[1]; cx q[1], q[2]; cx q[0], q[1];"
        "h q[0]; m = measure q[0:1]; if (m[1]) x q[2]; if (m[0]) z q[2];"
        "out = measure q[2]; m = 0;",
        "100");
    /* A condition is looked at once: the body may change what it was on. */
    expect_outcome("qubit q; bit[2] c; if (c[0] == 0) { x q; c[0] = measure q; c[1] = 1; }"
                   " else { c[1] = 0; }",
                   "11");
    expect_outcome("bit[8] c; int[8] i = 100; i += 100; c = i;", "11001000"); /* wraps: -56 */
    expect_outcome("bit[8] c; int[8] i = 100; i += 100; c[0] = i < 0;", "00000001");
    expect_outcome("bit[8] c; uint[8] w = 200; w += 100; c = w;", "00101100");
    expect_outcome("bit[8] c; int i = -7; c = i / 2;", "11111101");
    expect_outcome("bit[8] c; int i = -7; c = i % 4;", "11111101");
    expect_outcome("bit[8] c; c = \"01010011\";", "01010011");
    expect_outcome("bit[4] c; for int i in {3, 1} { c[i] = 1; }", "1010");
    expect_outcome("bit[4] c; c[-1] = 1; const int k = 2 ** 3 - 7; c[k] = true;", "1010");
    expect_outcome("bit[4] c; int i = 0; while (true) { i += 1; if (i == 3) continue; "
                   "if (i > 5) break; } c = i;",
                   "0110");
}

/* A hundred turns of two outcomes each: no course of events is too unlikely to count. */
static void test_unlikely(void **state)
{
    struct ks_circuit *circuit =
        parse(ks_bytes_text(HEAD "qubit q; bit c; int i; while (i < 100) { i += 1; h q; "
                                 "c = measure q; }"));
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;

    (void)state;
    spec.shots = 1000;
    OK(ks_simulate(circuit, &spec, &counts));
    assert_int_equal(ks_counts_size(counts), 2);
    assert_int_equal(ks_counts_count(counts, 0) + ks_counts_count(counts, 1), 1000);
    assert_in_range(ks_counts_count(counts, 0), 400, 600);
    ks_counts_free(counts);
    ks_circuit_free(circuit);
}

/* Loops that never end stop with an error, not never. */
static void test_endless(void **state)
{
    const struct ks_bytes text =
        ks_bytes_text(HEAD "qubit q; bit c; int i; while (true) { i += 1; }");
    struct ks_circuit *circuit = parse(text);
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;

    (void)state;
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_LIMIT,
                   "more than 1000000 loops in one run");
    ks_circuit_free(circuit);
}

/* What OpenQASM 2 can say prints as OpenQASM 2. */
static void test_plain_prints_old(void **state)
{
    static const char want[] = "OPENQASM 2.0;\ninclude \"qelib1.inc\";\nqreg q[2];\n"
                               "creg c[1];\ncreg d[2];\nh q[0];\nmeasure q[0] -> c[0];\n"
                               "if(c==1) x q[1];\nif(c==0) u(1,2,3) q[1];\n"
                               "if(d==2) reset q[0];\n";
    struct ks_circuit *circuit =
        parse(ks_bytes_text(HEAD "qubit[2] q; bit c; bit[2] d; h q[0]; c = measure q[0];"
                                 "if (c) { x q[1]; } else U(1, 2, 3) q[1];"
                                 "if (d == 2) { reset q[0]; } if (d == 1) { } gphase(1);"));
    struct ks_buf out;

    (void)state;
    ks_buf_init(&out, 4096);
    ks_circuit_print(circuit, &out);
    ks_buf_put_u8(&out, 0);
    OK(ks_buf_check(&out));
    assert_string_equal((const char *)out.data, want);
    assert_false(circuit->dynamic);
    ks_buf_done(&out);
    ks_circuit_free(circuit);
}

/* --- cancelling --------------------------------------------------------------------------- */

/* Says true from a moment on. */
struct moment {
    uint64_t cancel_us;
};

static bool is_past(void *context)
{
    const struct moment *moment = context;

    return ks_clock_monotonic_us() >= moment->cancel_us;
}

static void expect_cancelled_by(enum ks_method method, const char *body, uint64_t shots,
                                struct ks_pool *pool, const struct ks_noise *noise)
{
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;
    uint64_t late_us = UINT64_MAX;
    struct ks_buf text;

    ks_buf_init(&text, 8 << 20);
    ks_buf_put_text(&text, HEAD);
    ks_buf_put_text(&text, body);
    struct ks_circuit *circuit = parse(ks_buf_view(&text));
    spec.shots = shots;
    spec.pool = pool;
    spec.noise = noise;
    spec.method = method;
    spec.cancelled = is_past;
    /* The best of some attempts: the machine may be busy with other things. */
    for (unsigned i = 0; i < 5 && late_us > 100000 * SLOWER; i++) {
        struct moment moment = {.cancel_us = ks_clock_monotonic_us() + 150000};

        spec.cancel_context = &moment;
        expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_CANCELLED, "cancelled");
        late_us = ks_clock_monotonic_us() - moment.cancel_us;
    }
    if (late_us > 100000 * SLOWER) {
        fail_msg("stopped after %llu us: %s", (unsigned long long)late_us, body);
    }
    ks_circuit_free(circuit);
    ks_buf_done(&text);
}

static void expect_cancelled(const char *body, uint64_t shots, struct ks_pool *pool,
                             const struct ks_noise *noise)
{
    expect_cancelled_by(KS_METHOD_STATEVECTOR, body, shots, pool, noise);
}

static void test_cancel(void **state)
{
    static const struct ks_noise noise = {
        .version = 1, .gate1.depolarizing = 0.001, .read0_as1 = 0.01};
    struct ks_pool *pool = NULL;

    (void)state;
    OK(ks_pool_new(2, &pool));
    for (int i = 0; i < 2; i++) {
        struct ks_pool *used = i == 0 ? NULL : pool;

        /* Many gates on a small state, few on a large one, many branches, a long loop, and
         * shots. */
        expect_cancelled(
            "qubit[12] q; bit[12] c; for int i in [0:200000] { for int k in [0:10] "
            "{ cx q[k], q[k + 1]; ry(0.1) q[k]; } } c = measure q;",
            1, used, NULL);
        expect_cancelled("qubit[25] q; bit[25] c; for int i in [0:100] { h q; for int k in "
                         "[0:23] { cx q[k], q[k + 1]; } } c = measure q;",
                         1, used, NULL);
        expect_cancelled("qubit[10] q; bit[10] c; for int i in [0:99] { h q; c = measure q; }",
                         1000000, used, NULL);
        expect_cancelled(
            "qubit[8] q; bit[8] c; h q; while (c < 256) { h q; c[0] = measure q[0]; "
            "rx(1) q; }",
            1, used, NULL);
        expect_cancelled("qubit[22] q; bit[22] c; h q; c = measure q;", 10000000, used, NULL);
        expect_cancelled("qubit[9] q; bit[9] c; for int i in [0:99] { h q; } c = measure q;",
                         10000000, used, &noise);
    }
    ks_pool_free(pool);
}

static void test_cancel_methods(void **state)
{
    static const struct {
        enum ks_method method;
        const char *body;
        uint64_t shots;
    } rows[] = {
        /* Frames, the tree of a tableau, pairs of many amplitudes, and large bonds. */
        {KS_METHOD_STABILIZER,
         "qubit[100] q; bit[100] c; for int i in [0:20] { h q; c = measure q; }", 10000000},
        {KS_METHOD_STABILIZER,
         "qubit[200] q; bit[200] c; int n; while (n < 900000) { n += 1; h q; for int k in "
         "[0:198] { cx q[k], q[k + 1]; } c = measure q; }",
         1},
        {KS_METHOD_SPARSE,
         "qubit[22] q; bit[22] c; for int i in [0:20] { ry(0.1) q; } c = measure q;", 1},
        {KS_METHOD_MPS,
         "qubit[40] q; bit[40] c; for int i in [0:40] { ry(1) q; for int k in [0:38] "
         "{ cx q[k], q[k + 1]; rx(1) q[k]; } } c = measure q;",
         1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect_cancelled_by(rows[i].method, rows[i].body, rows[i].shots, NULL, NULL);
    }
}

/* Noise is the state vector's. */
static void test_noise_refused(void **state)
{
    static const struct ks_noise noise = {.version = 1, .gate1.x = 0.1};
    struct ks_circuit *circuit = parse(ks_bytes_text(HEAD "qubit[60] q; bit[60] c; h q;"));
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_method_choice choice;
    struct ks_counts *counts = NULL;

    (void)state;
    spec.noise = &noise;
    spec.memory_max = 1 << 20;
    OK(ks_method_choose(circuit, &spec, &choice));
    assert_int_equal(choice.method, KS_METHOD_STATEVECTOR);
    assert_string_equal(choice.why, "noise takes the state vector");
    spec.method = KS_METHOD_STABILIZER;
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_USAGE,
                   "noise takes the state vector, not 'stabilizer'");
    ks_circuit_free(circuit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_programs), cmocka_unit_test(test_random_counts),
        cmocka_unit_test(test_chosen),          cmocka_unit_test(test_unlikely),
        cmocka_unit_test(test_endless),         cmocka_unit_test(test_plain_prints_old),
        cmocka_unit_test(test_cancel),          cmocka_unit_test(test_methods),
        cmocka_unit_test(test_cancel_methods),  cmocka_unit_test(test_noise_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
