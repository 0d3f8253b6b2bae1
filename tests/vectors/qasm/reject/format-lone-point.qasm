// expect: 7:4: unexpected character '.'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
rx(.) q[0];
