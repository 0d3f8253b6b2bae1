// expect: 7:3: unknown register 'w'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
h w[0];
