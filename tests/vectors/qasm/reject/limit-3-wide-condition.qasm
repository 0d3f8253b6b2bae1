// expect: 7:37: a condition on more than 64 bits, with more behind it than gates, resets and measurements into other bits
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
bit[65] w;
if (w == 3) { if (c[0]) { x q[0]; } }
