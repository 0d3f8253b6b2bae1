// expect: 6:17: division by zero
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
const int n = 4 / (2 - 2);
