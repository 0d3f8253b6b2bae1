// expect: 6:1: a fractional power of gate 'h'
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
pow(0.5) @ h q[0];
