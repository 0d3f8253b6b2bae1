// expect: 8:6: 'ryy' is already declared
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg r[2];
creg c[3];
gate ryy(t1) a,b { cx a,b; }
gate ryy(t1) a,b { cx a,b; }
