// expect: 6:1: 'extern' is not supported here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
extern f(int) -> int;
