// expect: 7:6: expected an operator or ')', found ','
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
u2((1,2)) q[0];
