OPENQASM 2.0;
gate h a { U(pi/2,0,pi) a; }
gate cx c,t { CX c,t; }
gate nothing(a,b) a1,b1 { }
gate also() a,b { nothing(1,2) b,a; h a; }
qreg q[2];
h q[0]; cx q[0],q[1]; also() q[1],q[0]; nothing(pi,-pi) q[0],q[1]; U(0,0,0) q;
