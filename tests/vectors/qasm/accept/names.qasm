OPENQASM 2.0;
include "qelib1.inc";
qreg qreg_1[1]; creg creg_2[1]; qreg ifx[1]; creg pi_[1]; qreg aB_9[1];
gate gateX(sinus) a { rx(sinus) a; }
gateX(pi) qreg_1[0]; h ifx; x aB_9; measure qreg_1 -> pi_;
gate shadow(q) h { rx(q) h; }
shadow(1) ifx[0];
