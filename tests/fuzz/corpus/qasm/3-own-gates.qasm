OPENQASM 3.0;
include "stdgates.inc";
gate rzz(a) q1, q2 { cx q1, q2; rz(a) q2; cx q1, q2; }
gate sxdg _gate_q_0 { s _gate_q_0; h _gate_q_0; s _gate_q_0; }
gate csx a,b { ctrl @ sx a,b; }
qubit[2] q; rzz(1) q[0], q[1]; sxdg q[0]; csx q[0], q[1];
