// expect: 6:4: a range without an index in it
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
x q[2:0];
