// expect: 4:9: 'c3x' of qelib1.inc is already declared
OPENQASM 2.0;
gate c3x a { U(0,0,0) a; }
include "qelib1.inc";
