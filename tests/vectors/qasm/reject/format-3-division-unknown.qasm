// expect: 7:7: the divisor is not known before the run
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
int i = 4;
i = 4 / i;
