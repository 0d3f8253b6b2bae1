// expect: 4:1: gate 'x' needs include "stdgates.inc";
OPENQASM 3.0;
qubit q;
x q;
