// expect: 7:8: the result of '^' is not a finite number
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
rx((-8)^(1/3)) q[0];
