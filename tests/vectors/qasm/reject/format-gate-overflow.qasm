// expect: 7:19: the result of 'exp' is not a finite number
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g(t1) a { rx(exp(t1)) a; }
g(1000) q[0];
