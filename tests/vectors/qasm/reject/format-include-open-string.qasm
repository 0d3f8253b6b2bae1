// expect: 3:9: a string without its closing '"'
OPENQASM 2.0;
include "qelib1.inc;
