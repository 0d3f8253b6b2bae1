// expect: 7:1: 'n' is constant
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
const int n = 2;
n = 3;
