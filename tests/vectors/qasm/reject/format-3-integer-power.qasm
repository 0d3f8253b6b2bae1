// expect: 6:11: an integer to a negative power
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
int i = 2 ** -1;
