// expect: 7:5: unexpected '=': a comparison is '=='
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
if(c=1) x q[0];
