// expect: 6:6: 'int' is a word of OpenQASM
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
qreg int[2];
