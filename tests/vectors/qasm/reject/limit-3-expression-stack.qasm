// expect: 7:5: an expression with more than 128 values that wait
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
int i;
if (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i + i * (i)))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))) > 0) x q[0];
