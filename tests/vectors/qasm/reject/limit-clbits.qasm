// expect: 4:6: register 'c' makes more than 1024 classical bits
OPENQASM 2.0;
include "qelib1.inc";
creg c[99999999999999999999999];
