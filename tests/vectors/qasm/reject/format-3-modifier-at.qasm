// expect: 6:6: expected '@', found 'x'
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
ctrl x q[0], q[1];
