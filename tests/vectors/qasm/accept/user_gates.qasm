OPENQASM 2.0;
include "qelib1.inc";
gate majority a,b,c
{
  cx c,b;
  cx c,a;
  ccx a,b,c;
}
gate rot(alpha,beta) a { rz(alpha) a; rx(-(alpha+beta)/2) a; rz(beta^2) a; }
gate deep(alpha) x,y { rot(alpha,2*alpha) x; cu3(alpha,sin(alpha),cos(alpha)) y,x; rot(pi,alpha) y; }
qreg q[3];
majority q[0],q[1],q[2];
deep(pi/2) q[2],q[0];
deep(0) q[0],q[1];
