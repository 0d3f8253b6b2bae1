// expect: 7:5: index 18446744073709551616, but 'q' has 3 bits
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
h q[18446744073709551616];
