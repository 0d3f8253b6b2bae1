// expect: 3:12: gate 'u3' needs include "qelib1.inc";
OPENQASM 2.0;
gate g a { u3(0,0,0) a; }
