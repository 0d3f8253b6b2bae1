// expect: 6:1: 'angle' of another size than 64 is not supported
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
angle[20] a = pi;
