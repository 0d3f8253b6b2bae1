// expect: 7:4: a number out of the range of a double
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
rx(1e400) q[0];
