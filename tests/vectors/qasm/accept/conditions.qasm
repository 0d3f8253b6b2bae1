OPENQASM 2.0;
include "qelib1.inc";
qreg q[2]; creg c[2]; creg wide[301]; creg e[1];
if(c==0) h q;            // each qubit under the same condition
if ( c == 3 ) cx q[0] , q[1] ;
if(c==99) x q[0];        // never true: 2 bits
if(wide==2037035976334486086268445688409378161051468393665936250636140449354381299763336706183397376) x q[1];
if(wide==18446744073709551615) x q[1];
if(e==1) measure q[0] -> e[0];
if(c==3) measure q -> c;
if(c==0) reset q[1];
x q[0];                  // the condition ended with its statement
gate pair(t1) a,b { ry(t1) a; barrier a,b; rz(-t1) b; }
if(c==1) pair(0.5) q[1],q[0];
