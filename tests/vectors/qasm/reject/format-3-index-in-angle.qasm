// expect: 7:4: 'i' is not known before the run, and angles must be
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
int i = 1;
rx(i) q[0];
