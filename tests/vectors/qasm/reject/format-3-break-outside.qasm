// expect: 6:1: 'break' outside of a while loop
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
break;
