// expect: 6:1: 'delay' is not supported here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
delay[100ns] q[0];
