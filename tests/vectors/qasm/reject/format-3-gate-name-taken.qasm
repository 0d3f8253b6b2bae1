// expect: 6:6: 'cx' is already declared
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
gate cx a, b { x a; }
