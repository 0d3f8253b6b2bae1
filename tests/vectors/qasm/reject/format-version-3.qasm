// expect: 2:10: OpenQASM version 3.0: only 2.0 is supported
OPENQASM 3.0;
