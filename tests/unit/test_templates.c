/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Templates against texts that Python made: clifford_t_sampling with its own random.Random, the
 * others by an implementation of docs/formats/templates.md of its own (tools/vectors_*.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "quantum/circuit.h"
#include "quantum/mt19937.h"
#include "vector_files.h"

static void check_vector(void *context, const char *name, struct ks_bytes want)
{
    unsigned *count = context;
    char text[64] = {0};
    unsigned long long seed = 0;
    struct ks_template_spec spec = {.version = 1, .name = text};
    struct ks_circuit *circuit = NULL;
    struct ks_buf out;

    /* NAME is template_qubits_depth_seed.qasm; the template may have underlines of its own. */
    size_t at = strlen(name);
    for (unsigned underlines = 0; underlines < 3; underlines++) {
        do {
            assert_true(at > 0);
            at--;
        } while (name[at] != '_');
    }
    assert_true(at < sizeof(text));
    memcpy(text, name, at);
    assert_int_equal(sscanf(name + at, "_%u_%u_%llu.qasm", &spec.qubits, &spec.depth, &seed),
                     3);
    spec.seed = seed;
    assert_int_equal(ks_circuit_template(&spec, NULL, &circuit), KS_OK);
    ks_buf_init(&out, SIZE_MAX);
    ks_circuit_print(circuit, &out);
    assert_int_equal(ks_buf_check(&out), KS_OK);
    if (!ks_bytes_equal(ks_buf_view(&out), want)) {
        fail_msg("%s differs", name);
    }
    ks_buf_done(&out);
    ks_circuit_free(circuit);
    (*count)++;
}

static void test_vectors(void **state)
{
    unsigned count = 0;

    (void)state;
    vector_each("circuit", 25, &count, check_vector);
}

static void test_names(void **state)
{
    size_t count = 0;

    (void)state;
    for (const char *name; (name = ks_circuit_template_name(count)) != NULL; count++) {
        const struct ks_template_spec spec = {
            .version = 1, .name = name, .qubits = 2, .depth = 3, .seed = 4};
        struct ks_circuit *circuit = NULL;
        assert_int_equal(ks_circuit_template(&spec, NULL, &circuit), KS_OK);
        assert_int_equal(ks_circuit_qubits(circuit), 2);
        assert_int_equal(ks_circuit_clbits(circuit), 2);
        ks_circuit_free(circuit);
    }
    assert_int_equal(count, 6);
}

static void test_refused(void **state)
{
    static const struct {
        struct ks_template_spec spec;
        enum ks_err err;
        const char *detail;
    } cases[] = {
        {{.version = 1, .name = "nope", .qubits = 2},
         KS_ERR_USAGE,
         "unknown template 'nope': bell, clifford_t_sampling, ghz, hea, qft or rqc"},
        {{.version = 1, .name = "bell", .qubits = 3},
         KS_ERR_USAGE,
         "template 'bell' has 2 qubits, not 3"},
        {{.version = 1, .name = "ghz", .qubits = 0},
         KS_ERR_USAGE,
         "template 'ghz' needs 1 qubit or more, not 0"},
        {{.version = 1, .name = "ghz", .qubits = 1025},
         KS_ERR_LIMIT,
         "register 'q' makes more than 1024 qubits"},
        {{.version = 1, .name = "hea", .qubits = 1024, .depth = UINT32_MAX},
         KS_ERR_LIMIT,
         "more than 10000 operations"},
        {{.version = 2, .name = "ghz", .qubits = 2}, KS_ERR_USAGE, "template spec version 2"},
    };
    struct ks_circuit_limits limits = KS_CIRCUIT_LIMITS_INIT;

    (void)state;
    limits.ops_max = 10000;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ks_circuit *circuit = NULL;
        assert_int_equal(ks_circuit_template(&cases[i].spec, &limits, &circuit), cases[i].err);
        assert_string_equal(ks_err_detail(), cases[i].detail);
        assert_null(circuit);
    }
}

/* Values of python3's random.Random. */
static void test_mt19937(void **state)
{
    struct ks_mt19937 mt;

    (void)state;
    ks_mt19937_init(&mt, 0);
    assert_int_equal(ks_mt19937_u32(&mt), 3626764237U);
    ks_mt19937_init(&mt, 42);
    assert_true(ks_mt19937_double(&mt) == 0.6394267984578837);
    ks_mt19937_init(&mt, 42);
    for (unsigned i = 0; i < 9999; i++) {
        (void)ks_mt19937_u32(&mt);
    }
    assert_int_equal(ks_mt19937_u32(&mt), 3981887252U);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_mt19937),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
