// expect: 6:25: gate 'gphase' takes 3 qubits, not 2
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
gate g a, b { ctrl(3) @ gphase(1) a, b; }
