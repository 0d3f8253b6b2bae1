// expect: 7:1: controls: 1 to 8 in all
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
qubit[10] r;
ctrl(9) @ x r;
