OPENQASM 3.0;
include "stdgates.inc";
qubit _q; qubit[2] Big; bit C; bit[2] _c;
h _q; cx _q, Big[0]; C = measure _q; _c = measure Big;
