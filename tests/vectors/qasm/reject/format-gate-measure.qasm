// expect: 7:12: 'measure' cannot stand here
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g a { measure a -> c; }
