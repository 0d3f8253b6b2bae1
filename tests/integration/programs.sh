# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Programs that one method each is made for, in files of the current folder, for the tests that source this:
# wide.qasm (60 qubits, stabilizer), w40.qasm (W state, sparse), line.qasm (40 qubits, mps), bell.qasm; and
# deep.qasm (36 qubits) that none runs.

programs_make() {
    python3 - <<'PROGRAMS'
import math, random

def program(name, qubits, lines):
    with open(name, 'w') as out:
        out.write('OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[%d];\ncreg c[%d];\n' % (qubits, qubits))
        out.write(''.join(line + ';\n' for line in lines) + 'measure q -> c;\n')

def chain(gate, qubits):
    return ['%s q[%d], q[%d]' % (gate, i, i + 1) for i in range(qubits - 1)]

program('bell.qasm', 2, ['h q[0]', 'cx q[0], q[1]'])
program('wide.qasm', 60, ['h q'] + chain('cz', 60) + ['s q', 'h q'])
split = []
for i in range(39):
    angle = 2 * math.acos(math.sqrt(1 / (40 - i)))
    split += ['cu3(%r, 0, 0) q[%d], q[%d]' % (angle, i, i + 1), 'cx q[%d], q[%d]' % (i + 1, i)]
program('w40.qasm', 40, ['x q[0]'] + split)
turn = ['ry(%r) q[%d]' % (0.1 + 0.07 * i, i) for i in range(40)]
program('line.qasm', 40, turn + chain('cz', 40) + turn)
draw = random.Random(1)
deep = []
for _ in range(40):
    deep += ['u3(%r, %r, %r) q[%d]' % (draw.random(), draw.random(), draw.random(), i) for i in range(36)]
    for _ in range(18):
        deep.append('cx q[%d], q[%d]' % tuple(draw.sample(range(36), 2)))
program('deep.qasm', 36, deep)
PROGRAMS
}
