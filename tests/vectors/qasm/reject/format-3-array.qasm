// expect: 6:1: 'array' is not supported here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
array[int[8], 3] a;
