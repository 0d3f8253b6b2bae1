// expect: 6:4: a size from 1 to 64
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
int[65] i;
