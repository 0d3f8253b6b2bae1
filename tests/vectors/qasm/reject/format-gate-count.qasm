// expect: 7:12: gate 'cx' takes 2 qubits, not 1
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g a { cx a; }
