// expect: 4:9: 'h' of qelib1.inc is already declared
OPENQASM 2.0;
gate h a { U(0,0,0) a; }
include "qelib1.inc";
