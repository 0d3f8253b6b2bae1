// expect: 7:7: expected an operator or ')', found 'q'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
rx((1 q[0];
