// expect: 3:9: expected a file name in quotes, found 'qelib1'
OPENQASM 2.0;
include qelib1.inc;
