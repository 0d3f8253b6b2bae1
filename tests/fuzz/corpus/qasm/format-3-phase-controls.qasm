// expect: 6:11: gate 'gphase' takes 3 qubits, not 2
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
ctrl(3) @ gphase(1) q[0], q[1];
