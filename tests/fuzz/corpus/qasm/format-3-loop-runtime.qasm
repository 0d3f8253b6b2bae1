// expect: 7:17: 'n' is not known before the run, and has to be here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
int n = 2;
for int i in [0:n] { x q[i]; }
