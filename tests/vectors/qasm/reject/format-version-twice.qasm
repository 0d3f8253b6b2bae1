// expect: 3:1: 'OPENQASM' must be the first statement, once
OPENQASM 2.0;
OPENQASM 2.0;
