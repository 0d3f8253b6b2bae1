// expect: 7:1: 'switch' is not supported here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
int i = 1;
switch (i) { case 1 { x q[0]; } }
