// expect: 7:6: the same qubit twice in one gate
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
cx q,q;
