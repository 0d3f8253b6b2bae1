OPENQASM 2.0;
include "qelib1.inc";
qreg q[1];
rx(0) q; rx(-0) q; rx(1e-7) q; rx(1e+21) q; rx(1e21) q; rx(123456789.125) q; rx(.1) q; rx(5.) q;
rx(4.9e-324) q; rx(-1.7976931348623157e308) q; rx(100000000000000000000) q; rx(0.000001) q;
rx(pi) q; rx(-3*pi/8) q; u(pi/2,-pi/2,2*pi) q;
