// expect: 7:3: 'x' is not a quantum register
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
h x;
