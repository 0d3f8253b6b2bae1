/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Parser, builder and templates that run out of memory at any allocation say so, write no
 * result, and leak nothing (the sanitizer build looks). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault/fault.h"
#include "quantum/circuit.h"

#define ALLOCATIONS_MAX 10000

typedef enum ks_err (*task)(struct ks_circuit **out_circuit);

/* Every kind of array of the parser grows beyond its first size. */
static enum ks_err parse_task(struct ks_circuit **out_circuit)
{
    static char text[60000];
    static struct ks_bytes source;
    struct ks_circuit_limits limits = KS_CIRCUIT_LIMITS_INIT;

    if (source.len == 0) {
        struct ks_buf out;
        ks_buf_init(&out, sizeof(text));
        ks_buf_put_text(&out, "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[40]; creg c[2];"
                              "qreg r[1060]; gate g0(t1,t2) a,b { rx(t1*t2) a; cx a,b; }\n");
        for (unsigned i = 1; i < 300; i++) {
            ks_buf_put_format(&out,
                              "gate g%u(t1,t2) a,b { g%u(t1,t2*2) b,a; barrier a,b; }\n"
                              "creg d%u[1]; qreg r%u[1]; if(d%u==1) g%u(1,%u) q[0],%s;\n",
                              i, i % 40 == 0 ? 0 : i - 1, i, i, i, i % 50, i,
                              i % 100 == 2 ? "r" : "r[0]"); /* broadcast costs */
        }
        ks_buf_put_text(&out, "barrier q");
        for (unsigned i = 1; i < 40; i++) {
            ks_buf_put_format(&out, ",q[%u]", i);
        }
        ks_buf_put_text(&out, ";");
        assert_int_equal(ks_buf_check(&out), KS_OK);
        ks_copy(text, out.data, out.len);
        source = ks_bytes_of(text, out.len);
        ks_buf_done(&out);
    }
    limits.qubits_max = 2000;
    return ks_circuit_parse(&source, "source", &limits, out_circuit);
}

/* The same for what OpenQASM 3 has. */
static enum ks_err parse3_task(struct ks_circuit **out_circuit)
{
    static char text[20000];
    static struct ks_bytes source;

    if (source.len == 0) {
        struct ks_buf out;
        ks_buf_init(&out, sizeof(text));
        ks_buf_put_text(&out, "OPENQASM 3.0; include \"stdgates.inc\"; qubit[4] q; bit[4] c;"
                              "for int k in {0");
        for (unsigned i = 1; i < 40; i++) {
            ks_buf_put_format(&out, ", %u", i);
        }
        ks_buf_put_text(&out, "} { ctrl(2) @ inv @ h q[0], q[1], q[2]; }\n");
        for (unsigned i = 0; i < 40; i++) {
            ks_buf_put_format(&out,
                              "const float f%u = %u; int i%u = 1; while (i%u < 3) { i%u += 1; "
                              "c[1] = measure q[1]; if (c[0]) { rx(f%u) q[1]; }\n",
                              i, i, i, i, i, i);
        }
        for (unsigned i = 0; i < 40; i++) {
            ks_buf_put_text(&out, "}");
        }
        assert_int_equal(ks_buf_check(&out), KS_OK);
        ks_copy(text, out.data, out.len);
        source = ks_bytes_of(text, out.len);
        ks_buf_done(&out);
    }
    return ks_circuit_parse(&source, "source", NULL, out_circuit);
}

static enum ks_err template_task(struct ks_circuit **out_circuit)
{
    const struct ks_template_spec spec = {
        .version = 1, .name = "rqc", .qubits = 40, .depth = 10, .seed = 1};

    return ks_circuit_template(&spec, NULL, out_circuit);
}

static void fail_each(task run)
{
    struct ks_circuit *circuit = NULL;
    enum ks_err err = run(&circuit); /* makes the source, and must work */
    uint64_t n = 0;

    if (err != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    ks_circuit_free(circuit);
    do {
        circuit = NULL;
        ks_fault_fail_alloc_at(++n);
        err = run(&circuit);
        if (!ks_fault_fired()) {
            break;
        }
        assert_int_equal(err, KS_ERR_NOMEM);
        assert_null(circuit);
    } while (n < ALLOCATIONS_MAX);
    ks_fault_fail_alloc_at(0);
    assert_int_equal(err, KS_OK);
    ks_circuit_free(circuit);
    assert_true(n > 10 && n < ALLOCATIONS_MAX);
    print_message("%llu allocations\n", (unsigned long long)n - 1);
}

static void test_parse(void **state)
{
    (void)state;
    fail_each(parse_task);
}

static void test_parse3(void **state)
{
    (void)state;
    fail_each(parse3_task);
}

static void test_template(void **state)
{
    (void)state;
    fail_each(template_task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse3),
        cmocka_unit_test(test_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
