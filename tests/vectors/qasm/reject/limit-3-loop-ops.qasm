// expect: 6:51: with gate 'x' the circuit has more than 8388608 operations
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
for int i in [0:100000] { for int j in [0:1000] { x q[0]; } }
