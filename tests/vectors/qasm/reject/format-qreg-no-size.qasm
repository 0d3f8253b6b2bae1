// expect: 4:7: expected '[', found ';'
OPENQASM 2.0;
include "qelib1.inc";
qreg q;
