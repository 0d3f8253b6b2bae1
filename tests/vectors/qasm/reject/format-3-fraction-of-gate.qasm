// expect: 7:1: a fractional power of gate 'g', which is not native
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
gate g a { x a; y a; }
pow(0.5) @ g q[0];
