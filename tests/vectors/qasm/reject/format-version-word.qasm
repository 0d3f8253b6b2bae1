// expect: 2:10: expected the version 2.0, found 'two'
OPENQASM two;
