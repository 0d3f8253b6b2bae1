// expect: 7:18: 't1' is no qubit of this gate
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g(t1) a { h t1; }
