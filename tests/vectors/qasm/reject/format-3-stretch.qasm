// expect: 6:1: 'stretch' is not supported here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
stretch s1;
