// expect: 6:1: 'duration' is not supported here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
duration d1 = 100ns;
