OPENQASM 2.0;
include "qelib1.inc";
qreg a[1]; h a; creg m[1]; measure a -> m; qreg b[2]; creg n[2];
cx a[0],b[1]; measure b -> n; if(n==2) x a; reset a; measure a -> m;
