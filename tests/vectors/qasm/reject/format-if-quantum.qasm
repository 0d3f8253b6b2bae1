// expect: 7:4: 'q' is not a classical register
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
if(q==1) x q[0];
