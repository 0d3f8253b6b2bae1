// expect: 4:6: register 'q' has size 0
OPENQASM 2.0;
include "qelib1.inc";
qreg q[0];
