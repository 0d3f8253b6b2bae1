// expect: 7:1: gate 'h' takes 0 parameters, not 1
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
h(1) q[0];
