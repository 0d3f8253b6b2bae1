OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[3] c;
bit[1] flag;
int[8] _0;
uint[5] _1;
uint[1] _2;
_0=0;
_1=5;
cx q[0],q[1];
x q[0];
cx q[1],q[2];
h q[1];
h q[2];
h q[0];
t q[2];
t q[0];
c[0]=measure q[0];
if(c[0]==1) x q[1];
barrier q;
if(c[0]==0) z q[1];
if(!(c[0])) {
if(c==2) {
y q[1];
} else {
y q[2];
}
}
while((_0<4)&&!(flag[0])) {
_0=_0+1;
h q[2];
flag[0]=measure q[2];
if(flag[0]) {
break;
}
if(_0==2) {
continue;
}
reset q[2];
}
if((c==5)||(_1>=3)) {
c[1]=measure q[1];
x q[2];
} else {
if(_0>2) {
_2=1;
}
}
x q[0];
y q[0];
_2=bool(_0);
c=(_1<<1)^c;
c[2]=bool(_2);
flag[0]=!(_2)&&(c[1]==0);
