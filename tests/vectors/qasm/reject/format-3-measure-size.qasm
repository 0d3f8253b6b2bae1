// expect: 6:1: measuring a register of size 2 into a register of size 3
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
c = measure q[0:1];
