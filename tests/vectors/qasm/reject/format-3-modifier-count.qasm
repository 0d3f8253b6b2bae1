// expect: 6:8: gate 'x' takes 2 qubits, not 1
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
ctrl @ x q[0];
