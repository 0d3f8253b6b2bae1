// expect: 7:1: gate 'rx' takes 1 parameter, not 0
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
rx() q[0];
