// a byte order mark, comments and every kind of white space
OPENQASM	2.0 ;
include"qelib1.inc";// π // twice
qreg
q
[
2
]
;h q[ 0 ] ;cx q[0],
	q[1];creg c[1];measure q[1]->c[0];//end