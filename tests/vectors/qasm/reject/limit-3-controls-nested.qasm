// expect: 7:1: more than 8 controls
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
qubit[10] r;
ctrl(7) @ ccx r[0],r[1],r[2],r[3],r[4],r[5],r[6],r[7],r[8],r[9];
