// expect: 6:13: expected '->', found ';'
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
measure q[0];
