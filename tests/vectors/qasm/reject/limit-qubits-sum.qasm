// expect: 5:6: register 'r' makes more than 1024 qubits
OPENQASM 2.0;
include "qelib1.inc";
qreg q[1000];
qreg r[25];
