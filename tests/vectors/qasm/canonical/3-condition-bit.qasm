OPENQASM 3.0;
include "stdgates.inc";
gate sxdg a { inv @ sx a; }
gate csx a,b { ctrl @ sx a,b; }
gate cu1(t) a,b { cp(t) a,b; }
gate cu3(t,r,l) a,b { cu(t,r,l,0) a,b; }
gate rxx(t) a,b { h a; h b; cx a,b; rz(t) b; cx a,b; h b; h a; }
gate rzz(t) a,b { cx a,b; rz(t) b; cx a,b; }
qubit[2] q;
bit[2] c;
bit[70] w;
c[0]=measure q[0];
c[1]=measure q[1];
w[64]=measure q[0];
if(c[1]==1) x q[0];
if(c[1]==2) x q[0];
if(w==18446744073709551616) x q[1];
if(w==18446744073709551616) sxdg q[0];
if(w==18446744073709551616) rzz(0.5) q[0],q[1];
if(w==18446744073709551616) csx q[0],q[1];
if(w==18446744073709551616) cu1(1) q[0],q[1];
if(w==18446744073709551616) cu3(1,2,3) q[0],q[1];
if(w==18446744073709551616) rxx(1) q[0],q[1];
if(w==18446744073709551616) U(1,2,3) q[0];
