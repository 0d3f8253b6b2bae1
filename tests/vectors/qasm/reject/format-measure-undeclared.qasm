// expect: 6:9: unknown register 'q'
OPENQASM 2.0;
include "qelib1.inc";
qreg reg[1];
creg c[1];
measure q[0] -> c[0];
