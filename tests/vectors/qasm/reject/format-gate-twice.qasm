// expect: 8:6: 'g' is already declared
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g a { h a; }
gate g a { x a; }
