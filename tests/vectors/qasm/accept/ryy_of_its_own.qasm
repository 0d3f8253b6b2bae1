OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
ryy(1) q[0],q[1];
gate uses(t1) a,b { ryy(t1) a,b; }
gate ryy(theta) a,b { rx(theta) a; rx(theta) b; }
ryy(2) q[0],q[1];
uses(3) q[0],q[1];
