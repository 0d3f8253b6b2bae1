// expect: 7:20: division by zero
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g(t1) a { rx(1/t1) a; }
g(0) q[0];
