// expect: 2:1: expected 'OPENQASM 2.0;' first, found the end of the file
