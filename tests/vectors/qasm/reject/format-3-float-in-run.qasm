// expect: 7:13: 'f' would depend on the run: a float or angle may not change where it is not known whether
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
float f = 1;
if (c[0]) { f = 2; }
