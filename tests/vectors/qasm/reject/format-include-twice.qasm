// expect: 4:9: qelib1.inc is included twice
OPENQASM 2.0;
include "qelib1.inc";
include "qelib1.inc";
