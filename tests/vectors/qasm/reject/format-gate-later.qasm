// expect: 7:12: unknown gate 'k'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g a { k a; }
gate k a { x a; }
