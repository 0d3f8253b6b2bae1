// expect: 6:9: '0b102' is no integer of at most 64 bits
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
int i = 0b102;
