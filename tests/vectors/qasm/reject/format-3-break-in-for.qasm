// expect: 6:37: 'break' inside of 'for', which is unrolled: write 'while'
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
while (c[0]) { for int i in [0:1] { break; } }
