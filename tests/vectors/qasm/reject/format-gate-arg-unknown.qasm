// expect: 7:14: 'b' is no qubit of this gate
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate g a { h b; }
