/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The builder: what it refuses, what it counts, and the text of what it built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "quantum/circuit.h"

#define OK(call) assert_int_equal((call), KS_OK)

static struct ks_circuit_builder *new_builder(uint32_t qubits, uint32_t clbits)
{
    struct ks_circuit_builder *builder = NULL;

    OK(ks_circuit_builder_new(NULL, &builder));
    if (qubits > 0) {
        OK(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), qubits));
    }
    if (clbits > 0) {
        OK(ks_circuit_builder_creg(builder, KS_LITERAL("c"), clbits));
    }
    return builder;
}

static void assert_refused(enum ks_err got, enum ks_err err, const char *detail)
{
    assert_int_equal(got, err);
    assert_string_equal(ks_err_detail(), detail);
}

static void test_gate_table(void **state)
{
    (void)state;
    for (enum ks_gate gate = 0; gate < KS_GATE_COUNT; gate++) {
        const struct ks_gate_info *info = ks_gate_info(gate);
        assert_true(info->qubits <= KS_OP_QUBITS_MAX && info->params <= KS_OP_PARAMS_MAX);
        assert_non_null(info->name);
    }
    assert_string_equal(ks_gate_info(KS_GATE_X)->name, "x");
    assert_string_equal(ks_gate_info(KS_GATE_CU)->name, "cu");
    assert_int_equal(ks_gate_info(KS_GATE_CU)->params, 4);
}

static void test_registers_refused(void **state)
{
    struct ks_circuit_builder *builder = new_builder(2, 2);
    char long_name[257];

    (void)state;
    memset(long_name, 'a', sizeof(long_name));
    assert_refused(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), 1), KS_ERR_FORMAT,
                   "'q' is already declared");
    assert_refused(ks_circuit_builder_qreg(builder, KS_LITERAL("c"), 1), KS_ERR_FORMAT,
                   "'c' is already declared");
    assert_refused(ks_circuit_builder_creg(builder, KS_LITERAL("q"), 1), KS_ERR_FORMAT,
                   "'q' is already declared");
    assert_refused(ks_circuit_builder_qreg(builder, KS_LITERAL("r"), 0), KS_ERR_FORMAT,
                   "register 'r' has size 0");
    assert_refused(ks_circuit_builder_qreg(builder, KS_LITERAL("r"), 1023), KS_ERR_LIMIT,
                   "register 'r' makes more than 1024 qubits");
    static const char *const reserved[] = {"x",  "u0",  "ryy",     "c4x",   "barrier",
                                           "if", "sin", "measure", "reset", "pi"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        assert_int_equal(ks_circuit_builder_qreg(builder, ks_bytes_text(reserved[i]), 1),
                         KS_ERR_FORMAT);
    }
    static const char *const names[] = {"", "Q", "_q", "1q", "q-", "q\xc3\xa9", "q "};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(ks_circuit_builder_creg(builder, ks_bytes_text(names[i]), 1),
                         KS_ERR_FORMAT);
    }
    assert_int_equal(ks_circuit_builder_qreg(builder, ks_bytes_of(long_name, 256), 1),
                     KS_ERR_FORMAT);
    OK(ks_circuit_builder_qreg(builder, ks_bytes_of(long_name, 255), 1));
    ks_circuit_builder_free(builder);
}

static void test_operations_refused(void **state)
{
    struct ks_circuit_builder *builder = new_builder(2, 2);
    const uint32_t same[] = {1, 1};
    const uint32_t outside[] = {0, 2};
    const double infinite = INFINITY;
    const double not_a_number = NAN;
    struct ks_condition condition = {.first = 0, .count = 1};

    (void)state;
    assert_refused(ks_circuit_builder_gate(builder, KS_GATE_CX, same, NULL), KS_ERR_FORMAT,
                   "the same qubit twice in one gate");
    assert_refused(ks_circuit_builder_gate(builder, KS_GATE_CX, outside, NULL), KS_ERR_FORMAT,
                   "qubit 2 of 2");
    assert_refused(ks_circuit_builder_gate(builder, KS_GATE_RX, same, &infinite), KS_ERR_FORMAT,
                   "a parameter of 'rx' is not a finite number");
    assert_refused(ks_circuit_builder_gate(builder, KS_GATE_RX, same, &not_a_number),
                   KS_ERR_FORMAT, "a parameter of 'rx' is not a finite number");
    assert_refused(ks_circuit_builder_measure(builder, 0, 2), KS_ERR_FORMAT,
                   "classical bit 2 of 2");
    assert_refused(ks_circuit_builder_measure(builder, 2, 0), KS_ERR_FORMAT, "qubit 2 of 2");
    assert_refused(ks_circuit_builder_reset(builder, 2), KS_ERR_FORMAT, "qubit 2 of 2");
    assert_refused(ks_circuit_builder_condition(builder, &condition), KS_ERR_FORMAT,
                   "a condition must be on a whole classical register");
    condition.first = 2;
    assert_refused(ks_circuit_builder_condition(builder, &condition), KS_ERR_FORMAT,
                   "condition on classical bit 2 of 2");
    ks_circuit_builder_free(builder);

    builder = new_builder(0, 0);
    assert_refused(ks_circuit_builder_barrier(builder), KS_ERR_FORMAT,
                   "a barrier without qubits");
    ks_circuit_builder_free(builder);
}

static void test_limits(void **state)
{
    struct ks_circuit_limits limits = KS_CIRCUIT_LIMITS_INIT;
    struct ks_circuit_builder *builder = NULL;

    (void)state;
    limits.version = 2;
    assert_refused(ks_circuit_builder_new(&limits, &builder), KS_ERR_USAGE,
                   "circuit limits version 2");
    limits.version = 1;
    limits.ops_max = 2;
    OK(ks_circuit_builder_new(&limits, &builder));
    OK(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), 1));
    OK(ks_circuit_builder_reset(builder, 0));
    assert_int_equal(ks_circuit_builder_room(builder), 1);
    OK(ks_circuit_builder_barrier(builder));
    assert_refused(ks_circuit_builder_reset(builder, 0), KS_ERR_LIMIT,
                   "more than 2 operations");
    ks_circuit_builder_free(builder);
}

static void test_many_conditions(void **state)
{
    struct ks_circuit_builder *builder = new_builder(1, 20);
    struct ks_condition condition = {.first = 0, .count = 20};
    struct ks_circuit *circuit = NULL;

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 65534; i++) {
            condition.value = i;
            OK(ks_circuit_builder_condition(builder, &condition));
            OK(ks_circuit_builder_reset(builder, 0));
        }
    }
    condition.value = 65534;
    assert_refused(ks_circuit_builder_condition(builder, &condition), KS_ERR_LIMIT,
                   "more than 65534 different conditions");
    OK(ks_circuit_builder_finish(builder, &circuit));
    assert_int_equal(circuit->condition_count, 65534);
    for (size_t i = 0; i < circuit->op_count; i++) {
        assert_int_equal(circuit->conditions[circuit->ops[i].condition - 1].value, i % 65534);
    }
    ks_circuit_free(circuit);
    ks_circuit_builder_free(builder);
}

static uint32_t depth_of(const char *body)
{
    char source[1024];
    struct ks_circuit *circuit = NULL;

    (void)snprintf(source, sizeof(source),
                   "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[3]; creg c[2]; creg d[2]; %s",
                   body);
    const struct ks_bytes bytes = ks_bytes_text(source);
    if (ks_circuit_parse(&bytes, "depth", NULL, &circuit) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    const uint32_t depth = ks_circuit_depth(circuit);
    ks_circuit_free(circuit);
    return depth;
}

static void test_depth(void **state)
{
    (void)state;
    assert_int_equal(depth_of(""), 0);
    assert_int_equal(depth_of("h q;"), 1);
    assert_int_equal(depth_of("h q[0]; h q[0]; h q[1];"), 2);
    assert_int_equal(depth_of("h q[0]; cx q[0],q[1]; cx q[1],q[2]; h q[0];"), 3);
    assert_int_equal(depth_of("h q[0]; barrier q; h q[1];"), 2);
    assert_int_equal(depth_of("barrier q; barrier q;"), 0);
    /* Two measurements into one bit are a chain; into two bits of one register they are none.
     */
    assert_int_equal(depth_of("measure q[0] -> c[0]; measure q[1] -> c[0];"), 2);
    assert_int_equal(depth_of("measure q[0] -> c[0]; measure q[1] -> c[1];"), 1);
    /* A condition reads all of its register and holds back what writes there. */
    assert_int_equal(depth_of("measure q[0] -> c[0]; if(c==1) x q[1];"), 2);
    assert_int_equal(depth_of("measure q[0] -> c[0]; if(d==1) x q[1];"), 1);
    assert_int_equal(depth_of("if(c==1) x q[1]; measure q[0] -> c[0];"), 2);
    assert_int_equal(depth_of("if(c==1) x q[1]; if(c==1) x q[2];"), 2);
}

static void test_text(void **state)
{
    static const char want[] = "OPENQASM 2.0;\n"
                               "include \"qelib1.inc\";\n"
                               "qreg q[2];\n"
                               "qreg other_Reg9[1];\n"
                               "creg c[2];\n"
                               "creg big[128];\n"
                               "cu3(0,1e-7,-1e+21) other_Reg9[0],q[1];\n"
                               "if(c==2) rx(0.1) q[0];\n"
                               "if(big==18446744073709551618) reset q[1];\n"
                               "barrier q,other_Reg9;\n"
                               "if(c==0) measure other_Reg9[0] -> big[127];\n";
    struct ks_circuit_builder *builder = new_builder(2, 2);
    struct ks_circuit *circuit = NULL;
    struct ks_buf out;
    const uint32_t qubits[] = {2, 1};
    const double params[] = {-0.0, 1e-7, -1e21};
    const double angle = 0.1;
    struct ks_condition condition = {.first = 0, .count = 2, .value = 2};
    const struct ks_condition wide = {.first = 2, .count = 128, .value = 2, .high = {1}};

    (void)state;
    OK(ks_circuit_builder_qreg(builder, KS_LITERAL("other_Reg9"), 1));
    OK(ks_circuit_builder_creg(builder, KS_LITERAL("big"), 128));
    OK(ks_circuit_builder_gate(builder, KS_GATE_CU3, qubits, params));
    OK(ks_circuit_builder_condition(builder, &condition));
    OK(ks_circuit_builder_gate(builder, KS_GATE_RX, (uint32_t[]){0}, &angle));
    OK(ks_circuit_builder_condition(builder, &wide));
    OK(ks_circuit_builder_reset(builder, 1));
    OK(ks_circuit_builder_barrier(builder));
    condition.value = 0;
    OK(ks_circuit_builder_condition(builder, &condition));
    OK(ks_circuit_builder_measure(builder, 2, 129));
    OK(ks_circuit_builder_finish(builder, &circuit));
    ks_circuit_builder_free(builder);
    assert_false(signbit(circuit->params[0]));
    assert_int_equal(ks_circuit_ops(circuit), 4);
    assert_int_equal(ks_circuit_clbits(circuit), 130);

    ks_buf_init(&out, SIZE_MAX);
    ks_circuit_print(circuit, &out);
    ks_buf_put_u8(&out, 0);
    OK(ks_buf_check(&out));
    assert_string_equal((const char *)out.data, want);
    ks_buf_done(&out);

    ks_buf_init(&out, 40); /* too small: the error is the buffer's */
    ks_circuit_print(circuit, &out);
    assert_int_equal(ks_buf_check(&out), KS_ERR_LIMIT);
    ks_buf_done(&out);
    ks_circuit_free(circuit);
}

static uint64_t random_state = 88172645463325252U;

static uint64_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Every finite double as an angle: what is printed is read back to the same bits. */
static void test_angles_round_trip(void **state)
{
    struct ks_circuit_builder *builder = new_builder(1, 0);
    struct ks_circuit *first = NULL;
    struct ks_circuit *second = NULL;
    struct ks_buf out;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        double angle;
        uint64_t word = random_word();
        if (i % 2 == 0) { /* in the range of angles that people write */
            word = (word & UINT64_C(0x800fffffffffffff)) | (1023 - word % 40) << 52;
        }
        memcpy(&angle, &word, sizeof(angle));
        if (isfinite(angle)) {
            OK(ks_circuit_builder_gate(builder, KS_GATE_P, (uint32_t[]){0}, &angle));
        }
    }
    OK(ks_circuit_builder_finish(builder, &first));
    ks_circuit_builder_free(builder);
    ks_buf_init(&out, SIZE_MAX);
    ks_circuit_print(first, &out);
    const struct ks_bytes text = ks_buf_view(&out);
    OK(ks_circuit_parse(&text, "angles", NULL, &second));
    assert_int_equal(first->param_count, second->param_count);
    assert_memory_equal(first->params, second->params, first->param_count * sizeof(double));
    ks_buf_done(&out);
    ks_circuit_free(first);
    ks_circuit_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate_table),
        cmocka_unit_test(test_registers_refused),
        cmocka_unit_test(test_operations_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_conditions),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_angles_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
