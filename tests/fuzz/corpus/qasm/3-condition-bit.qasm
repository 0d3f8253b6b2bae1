OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q; bit[2] c; bit[70] w;
c = measure q; w[64] = measure q[0];
if (c[1] == 1) x q[0];
if (c[1] == 2) x q[0];
if (w == 18446744073709551616) { x q[1]; sxdg q[0]; rzz(0.5) q[0], q[1]; csx q[0], q[1]; cu1(1) q[0],q[1];
cu3(1,2,3) q[0],q[1]; rxx(1) q[0],q[1]; u(1,2,3) q[0]; }
