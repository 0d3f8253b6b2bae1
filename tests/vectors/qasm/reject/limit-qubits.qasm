// expect: 4:6: register 'q' makes more than 1024 qubits
OPENQASM 2.0;
include "qelib1.inc";
qreg q[1025];
