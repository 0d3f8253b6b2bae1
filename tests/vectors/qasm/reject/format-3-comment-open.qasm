// expect: 8:1: a comment without its closing '*/'
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
x q[0]; /* no end

