OPENQASM 3.0;
include "stdgates.inc";
const float x1 = pi / 4; const int k = 7 / 2; const uint[4] m = 19; const bool b1 = k > 2;
const angle a1 = τ / 2; const bit b = 1; float y1 = x1 * 2; y1 = y1 + k;
qubit[4] q;
rx(x1) q[0]; ry(k) q[1]; rz(m) q[2]; p(a1 + b) q[3]; rx(1/2) q[0]; ry(y1) q[b1]; rz(euler - ℇ) q[0]; u1(log(2)) q[0];
gate g(θ, φ) a, b2 { rx(θ / 2) a; gphase(φ); ctrl @ gphase(φ * x1) b2; ctrl(2) @ gphase(1) a, b2; }
g(0.5, 1_0) q[k - 3], q[-1]; inv @ g(1, 2) q[0], q[1]; ctrl @ g(1, 2) q[0], q[1], q[2];
pow(0.5) @ z q[0]; pow(1/2) @ x q[0]; pow(0) @ x q[0]; inv @ pow(1/4) @ s q[1]; pow(-2) @ t q[2]; negctrl @ x q[0], q[1];
gphase(pi); ctrl @ swap q[0], q[1], q[2]; ctrl @ ctrl @ swap q[0], q[1], q[2], q[3]; ctrl(3) @ u3(1,2,3) q[0],q[1],q[2],q[3];
