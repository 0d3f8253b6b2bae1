// expect: 7:19: unknown parameter or function 't2'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g(t1) a { rx(t2) a; }
