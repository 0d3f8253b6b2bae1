// expect: 6:1: '@' is not supported: no annotations
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
@bind(1)
x q[0];
