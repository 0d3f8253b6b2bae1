// expect: 7:6: name '_q' does not start with a small letter
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
qreg _q[2];
