// expect: 6:5: unknown name 'k'
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
if (k == 1) x q[0];
