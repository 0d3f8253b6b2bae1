// expect: 7:4: the result of 'sqrt' is not a finite number
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
rx(sqrt(-1)) q[0];
