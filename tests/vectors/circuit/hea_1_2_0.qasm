OPENQASM 2.0;
include "qelib1.inc";
qreg q[1];
creg c[1];
ry(5.550005491840885) q[0];
rz(2.7113703706918337) q[0];
ry(0.16608828528395128) q[0];
rz(6.1002313801415875) q[0];
measure q[0] -> c[0];
