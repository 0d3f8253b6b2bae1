// expect: 2:10: OpenQASM version 3.1: 2.0 and 3.0 are supported
OPENQASM 3.1;
