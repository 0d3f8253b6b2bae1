// expect: 6:1: 'let' is not supported here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
let a = q[0];
