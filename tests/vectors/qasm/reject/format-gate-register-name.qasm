// expect: 7:6: 'q' is already declared
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate q a { x a; }
