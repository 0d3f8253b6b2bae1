// expect: 6:14: a range is [first:last]
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
for int i in [3] { x q[i]; }
