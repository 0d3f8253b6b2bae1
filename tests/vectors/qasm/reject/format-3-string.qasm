// expect: 6:5: a string that is not 1 to 64 of the digits 0 and 1
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
c = "012";
