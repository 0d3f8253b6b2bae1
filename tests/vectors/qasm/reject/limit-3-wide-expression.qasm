// expect: 7:5: a register of more than 64 bits in an expression
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
bit[65] w;
if (w > 3) x q[0];
