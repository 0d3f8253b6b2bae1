// expect: 7:19: qubit 'a' twice in one gate
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g a,b { cx a,a; }
