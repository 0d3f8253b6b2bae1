/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm_library.c: the gates of qelib1.inc that are not native, by definitions of our own with
 * the same matrices as in Qiskit's qelib1.inc; and the native ones that stdgates.inc has not,
 * as the canonical OpenQASM 3 text defines them. They decide what a canonical text and so a
 * circuit_hash is: never change one. */

#include "quantum/qasm.h"

/* c3x: for bits a, b, c: abc = (a + b + c - a^b - b^c - a^c + a^b^c) / 4, as phases on |-> of
 * d; c3sqrtx has half the phase. c4x (Barenco et al., Phys. Rev. A 52, 3457, lemma 7.5) with
 * sqrtX for its root. */
const char ks_qasm_library[] =
    "gate u0(gamma) q { id q; }\n"
    "gate rccx a,b,c { h c; t c; cx b,c; tdg c; cx a,c; t c; cx b,c; tdg c; h c; }\n"
    "gate rc3x a,b,c,d { h d; t d; cx c,d; tdg d; h d; cx a,d; t d; cx b,d; tdg d; cx a,d; t "
    "d;\n"
    "  cx b,d; tdg d; h d; t d; cx c,d; tdg d; h d; }\n"
    "gate c3x a,b,c,d { h d; cp(pi/4) a,d; cx a,b; cp(-pi/4) b,d; cx a,b; cp(pi/4) b,d; cx "
    "b,c;\n"
    "  cp(-pi/4) c,d; cx a,c; cp(pi/4) c,d; cx b,c; cp(-pi/4) c,d; cx a,c; cp(pi/4) c,d; h d; "
    "}\n"
    "gate c3sqrtx a,b,c,d { h d; cp(pi/8) a,d; cx a,b; cp(-pi/8) b,d; cx a,b; cp(pi/8) b,d;\n"
    "  cx b,c; cp(-pi/8) c,d; cx a,c; cp(pi/8) c,d; cx b,c; cp(-pi/8) c,d; cx a,c;\n"
    "  cp(pi/8) c,d; h d; }\n"
    "gate c4x a,b,c,d,e { csx d,e; c3x a,b,c,d; h e; cp(-pi/2) d,e; h e; c3x a,b,c,d;\n"
    "  c3sqrtx a,b,c,e; }\n"
    "gate ryy(theta) a,b { sdg a; sdg b; rxx(theta) a,b; s a; s b; }\n";

const char *ks_gate_definition(enum ks_gate gate)
{
    switch (gate) {
    case KS_GATE_SXDG:
        return "gate sxdg a { inv @ sx a; }";
    case KS_GATE_CSX:
        return "gate csx a,b { ctrl @ sx a,b; }";
    case KS_GATE_CU1:
        return "gate cu1(t) a,b { cp(t) a,b; }";
    case KS_GATE_CU3:
        return "gate cu3(t,r,l) a,b { cu(t,r,l,0) a,b; }";
    case KS_GATE_RXX:
        return "gate rxx(t) a,b { h a; h b; cx a,b; rz(t) b; cx a,b; h b; h a; }";
    case KS_GATE_RZZ:
        return "gate rzz(t) a,b { cx a,b; rz(t) b; cx a,b; }";
    default:
        return NULL;
    }
}
