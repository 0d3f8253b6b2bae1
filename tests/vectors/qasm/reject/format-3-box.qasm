// expect: 6:1: 'box' is not supported here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
box { x q[0]; }
