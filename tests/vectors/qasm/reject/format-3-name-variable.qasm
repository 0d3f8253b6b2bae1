// expect: 6:5: register name '_12': a letter or '_', then letters, digits and '_', at most 255, not _0, _1 and so on
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
bit _12;
