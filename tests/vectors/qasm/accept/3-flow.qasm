OPENQASM 3.0;
include "stdgates.inc";
/* Each form of block. */
const int n = 3;
qubit[n] q;
bit[n] c;
bit flag;
int[8] i = 0;
uint[5] w = 0b1_01;
bool done;
for int k in [0:n - 2] {
    cx q[k], q[k + 1];
    if (k % 2 == 0) { x q[k]; } else h q[k];
}
for uint k in {2, 0} h q[k];
for k in [2:-2:0] t q[k];
c[0] = measure q[0];
if (c[0]) { x q[1]; barrier q; } else { z q[1]; }
if (!c[0]) if (c == 2) y q[1]; else y q[2];
while (i < 4 && !flag) {
    i += 1;
    h q[2];
    flag = measure q[2];
    if (flag) break;
    if (i == 2) continue;
    reset q[2];
}
if (c == 5 || w >= 3) { c[1] = measure q[1]; x q[2]; } else if (i > 2) { done = true; }
if (true) { x q[0]; } else { undeclared q[9]; }
if (n == 2) { nothing of this is read, but (brackets [do {nest}]); } else { y q[0]; }
while (false) { x q[0]; }
done = i;
c = (w << 1) ^ c;
c[2] = done;
flag = !done && (c[1] == 0);
