// expect: 6:1: 'defcal' is not supported here
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
defcal x $0 { }
