// expect: 7:5: expected an operator, ',' or ')', found 'pi'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
rx(2pi) q[0];
