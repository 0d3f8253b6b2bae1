// expect: 6:9: unknown include 'qelib1.inc': only stdgates.inc is built in
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
include "qelib1.inc";
