// expect: 6:1: a fractional power of 'rz' with an angle beyond 2 pi
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
pow(0.5) @ rz(7) q[0];
