// expect: 7:7: 'c' is not a quantum register
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
reset c[0];
