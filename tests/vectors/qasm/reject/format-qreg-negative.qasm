// expect: 4:8: expected the size of the register, found '-'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[-1];
