// expect: 7:6: expected a name, found '2'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
qreg 2[2];
