// expect: 6:21: a fractional power of a power
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
pow(2) @ pow(0.5) @ pow(0.5) @ x q[0];
