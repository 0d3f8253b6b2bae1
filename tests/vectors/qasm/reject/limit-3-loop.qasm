// expect: 6:42: the program takes more than 536870912 steps to read
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
for int i in [0:1:9223372036854775807] { }
