// expect: 3:9: unknown include 'stdgates.inc': only qelib1.inc is built in
OPENQASM 2.0;
include "stdgates.inc";
