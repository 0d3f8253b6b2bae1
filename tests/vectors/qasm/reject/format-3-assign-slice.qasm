// expect: 6:1: a value for some bits of a register
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
c[0:1] = 2;
