// expect: 2:1: expected 'OPENQASM 2.0;' first, found 'include'
include "qelib1.inc";
