OPENQASM 2.0;
include "qelib1.inc";
qreg a[3]; qreg b[3]; qreg one[1]; creg c[3]; creg d[1];
h a; cx a,b; cx a[1],b; ccx a,b,one[0]; u3(1,2,3) one;
reset b; measure b -> c; measure one -> d; measure a[2]->d[0]; barrier a,b[1];
