// expect: 6:5: index 3 of 3 bits
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
x q[3];
