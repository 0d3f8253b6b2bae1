// expect: 7:1: 'q' is a register, not a gate
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
q[0];
