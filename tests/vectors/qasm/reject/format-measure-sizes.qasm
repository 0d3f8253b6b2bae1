// expect: 7:14: measuring a register of size 2 into a register of size 3
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
measure r -> c;
