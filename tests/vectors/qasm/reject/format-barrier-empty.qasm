// expect: 7:8: expected a register, found ';'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
barrier;
