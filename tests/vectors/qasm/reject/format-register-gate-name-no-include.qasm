// expect: 3:6: 'x' is a word of OpenQASM or qelib1.inc
OPENQASM 2.0;
qreg x[2];
