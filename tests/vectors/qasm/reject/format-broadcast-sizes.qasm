// expect: 7:6: registers 'q' of size 3 and 'r' of size 2 in one statement
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
cx q,r;
