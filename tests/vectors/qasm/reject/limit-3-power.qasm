// expect: 6:1: a power of more than 1000000
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
pow(1000001) @ x q[0];
