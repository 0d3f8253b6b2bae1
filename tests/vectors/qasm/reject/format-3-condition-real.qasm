// expect: 6:5: expected an integer, a bit or '(', found '1.5'
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
if (1.5) x q[0];
