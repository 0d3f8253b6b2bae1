// expect: 6:14: expected [first:last] or {value, value}, found '5'
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
for int i in 5 { x q[i]; }
