// expect: 7:1: expected a statement, found '5'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
5;
