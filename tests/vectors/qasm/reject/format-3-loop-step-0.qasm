// expect: 6:14: a range in steps of 0
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
for int i in [0:0:2] { x q[i]; }
