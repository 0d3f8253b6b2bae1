// expect: 6:11: a name that is not UTF-8
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
const int ÿ = 1;
