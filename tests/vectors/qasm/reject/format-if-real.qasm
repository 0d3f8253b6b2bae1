// expect: 7:7: expected an integer, found '1.0'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
if(c==1.0) x q[0];
