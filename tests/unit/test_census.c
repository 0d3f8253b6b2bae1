/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Operations by their kind, against counts by hand. */
#include "unit/expect.h"

#include "quantum/census.h"

#define HEAD     "OPENQASM 2.0;include \"qelib1.inc\";qreg q[3];creg c[3];"
#define OK(call) assert_int_equal((call), KS_OK)

static void test_census(void **state)
{
    static const struct {
        const char *source;
        struct ks_census wanted;
    } cases[] = {
        {HEAD, {.measures_last = true}},
        {HEAD "h q;cx q[0],q[1];barrier q;ccx q[0],q[1],q[2];measure q->c;",
         {3, 1, 1, 1, 3, true}},
        {HEAD
         "s q[0];sdg q[0];x q[1];y q[1];z q[1];id q[2];sx q[2];swap q[0],q[1];cz q[1],q[2];",
         {7, 2, 0, 0, 0, true}},
        {HEAD "t q[0];rz(0.3) q[0];rz(pi/2) q[1];rx(pi) q[2];ch q[0],q[1];crz(pi) q[0],q[1];"
              "rzz(pi/2) q[0],q[2];",
         {4, 3, 0, 3, 0, true}}, /* crz(pi) is S of the control's and CZ */
        /* A gate behind a measurement, a reset, a condition: not one state. */
        {HEAD "measure q[0]->c[0];h q[1];", {1, 0, 0, 0, 1, false}},
        {HEAD "reset q[0];h q[1];measure q->c;", {1, 0, 0, 0, 3, false}},
        {HEAD "h q[0];if(c==1) x q[1];measure q->c;", {2, 0, 0, 0, 3, false}},
        {HEAD "measure q[0]->c[0];barrier q;measure q[1]->c[1];", {0, 0, 0, 0, 2, true}},
        /* A loop's body counts once. */
        {"OPENQASM 3.0;include \"stdgates.inc\";qubit[2] q;bit[2] c;"
         "while(!c[0]){h q[0];c[0]=measure q[0];}t q[1];",
         {2, 0, 0, 1, 1, false}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ks_bytes source = ks_bytes_text(cases[i].source);
        const struct ks_census *wanted = &cases[i].wanted;
        struct ks_circuit *circuit = NULL;
        struct ks_census census;

        OK(ks_circuit_parse(&source, "t", NULL, &circuit));
        ks_census_take(circuit, &census);
        if (census.gates_1q != wanted->gates_1q || census.gates_2q != wanted->gates_2q ||
            census.gates_more != wanted->gates_more ||
            census.gates_nonclifford != wanted->gates_nonclifford ||
            census.measurements != wanted->measurements ||
            census.measures_last != wanted->measures_last) {
            fail_msg("%s: %d %d %d, %d not Clifford, %d measurements, last: %d",
                     cases[i].source, (int)census.gates_1q, (int)census.gates_2q,
                     (int)census.gates_more, (int)census.gates_nonclifford,
                     (int)census.measurements, census.measures_last);
        }
        ks_circuit_free(circuit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_census)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
