OPENQASM 3;
include "stdgates.inc";
qreg q[3]; creg c[3]; creg d;
h q; cx q[0:1], q[2]; measure q -> c; measure q[0] -> d[0];
if (c == 3) x q[-1];
reset q; barrier q[0], q[1]; barrier;
