// expect: 7:7: expected '(' after the name of a function, found ')'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
rx(sin) q[0];
