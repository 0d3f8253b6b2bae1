// expect: 7:5: 'i' is not known before the run, and has to be here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
int i = 1;
x q[i];
