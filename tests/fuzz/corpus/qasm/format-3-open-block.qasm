// expect: 7:1: expected '}', found the end of the file
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
if (c[0]) { x q[0];
