// expect: 3:9: unknown include '../qelib1.inc': only qelib1.inc is built in
OPENQASM 2.0;
include "../qelib1.inc";
