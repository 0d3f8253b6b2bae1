// expect: 7:17: 'r' is not a classical register
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
measure q[0] -> r[0];
