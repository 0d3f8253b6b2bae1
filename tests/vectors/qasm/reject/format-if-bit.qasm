// expect: 7:4: a condition is on a whole register, not on one bit
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
if(c[0]==1) x q[0];
