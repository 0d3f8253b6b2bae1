// expect: 7:6: 'sin' is a word of OpenQASM
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
qreg sin[2];
