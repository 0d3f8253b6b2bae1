// expect: 6:11: 'continue' outside of a while loop
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
if (c[0]) continue;
