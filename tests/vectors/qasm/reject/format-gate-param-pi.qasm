// expect: 7:8: 'pi' is a word of OpenQASM
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g(pi) a { h a; }
