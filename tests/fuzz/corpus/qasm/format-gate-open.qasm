// expect: 7:16: expected a gate or '}', found the end of the file
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g a { h a;