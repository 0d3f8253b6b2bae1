// expect: 6:13: 'gate' may only stand outside of blocks
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
if (c[0]) { gate g a { x a; } }
