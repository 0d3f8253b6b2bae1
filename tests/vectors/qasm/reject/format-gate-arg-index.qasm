// expect: 7:15: expected ',', found '['
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g a { h a[0]; }
