// expect: 7:17: measuring a qubit of size 1 into a register of size 3
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
measure q[0] -> c;
