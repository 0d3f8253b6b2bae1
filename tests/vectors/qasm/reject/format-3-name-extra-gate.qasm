// expect: 6:5: 'rzz' is already declared
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
bit rzz;
