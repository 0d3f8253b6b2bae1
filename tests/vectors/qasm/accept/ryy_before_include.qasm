OPENQASM 2.0;
gate ryy(t1) a,b { CX a,b; U(t1,0,0) b; }
include "qelib1.inc";
qreg q[2];
ryy(2) q[0],q[1];
