// expect: 7:1: gate 'h' takes 1 qubit, not 2
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
h q[0],q[1];
