// expect: 7:1: unknown gate 'hh'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
hh q[0];
