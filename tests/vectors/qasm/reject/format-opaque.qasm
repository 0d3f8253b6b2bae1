// expect: 7:8: opaque gate 'magic' has no definition to run
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
opaque magic(a,b) x1,y1;
