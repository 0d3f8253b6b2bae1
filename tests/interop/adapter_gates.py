# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Every native gate, measurements and resets in the middle, and conditions, as an SDK's program runs them, against the exact
probabilities of ketseal's own simulator.

adapter_gates.py KETSEAL SDK PROGRAM PRECISION      (run by the interpreter of the SDK's environment)
"""

import json
import math
import random
import subprocess
import sys
import tempfile

SHOTS = 20000
FALSE_ALARM = 1e-9
GATES = {
    # name: qubits, parameters
    "id": (1, 0), "x": (1, 0), "y": (1, 0), "z": (1, 0), "h": (1, 0), "s": (1, 0), "sdg": (1, 0), "t": (1, 0),
    "tdg": (1, 0), "sx": (1, 0), "sxdg": (1, 0), "rx": (1, 1), "ry": (1, 1), "rz": (1, 1), "p": (1, 1), "u1": (1, 1),
    "u2": (1, 2), "u3": (1, 3), "u": (1, 3), "cx": (2, 0), "cy": (2, 0), "cz": (2, 0), "ch": (2, 0), "csx": (2, 0),
    "swap": (2, 0), "crx": (2, 1), "cry": (2, 1), "crz": (2, 1), "cp": (2, 1), "cu1": (2, 1), "cu3": (2, 3), "cu": (2, 4),
    "rxx": (2, 1), "rzz": (2, 1), "ccx": (3, 0), "cswap": (3, 0),
}  # fmt: skip
HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'


def angle(draw):
    return f"{draw.uniform(-math.pi, math.pi):.6f}"


def turned(draw, qubits):
    """Any state, and any basis: a phase that is wrong shows."""
    return "".join(f"u3({angle(draw)},{angle(draw)},{angle(draw)}) q[{qubit}];\n" for qubit in range(qubits))


def gate_program(draw, name):
    qubits, parameters = GATES[name]
    angles = ",".join(angle(draw) for _ in range(parameters))
    operands = ",".join(f"q[{qubit}]" for qubit in draw.sample(range(qubits), qubits))
    gate = f"{name}({angles}) {operands};\n" if parameters else f"{name} {operands};\n"
    return (
        HEAD + f"qreg q[{qubits}];\ncreg c[{qubits}];\n" + turned(draw, qubits) + gate + turned(draw, qubits)
        + "".join(f"measure q[{qubit}] -> c[{qubit}];\n" for qubit in range(qubits))
    )  # fmt: skip


def dynamic_programs(draw):
    """Of which a simulator runs each shot by itself."""
    start = turned(draw, 2)
    yield "two registers", HEAD + "qreg q[2];\ncreg a[1];\ncreg b[2];\n" + start + "measure q[0] -> b[1];\nmeasure q[1] -> a[0];\n"
    yield "measured again", HEAD + "qreg q[2];\ncreg c[2];\n" + start + "measure q[0] -> c[0];\nh q[0];\nmeasure q[0] -> c[1];\nmeasure q[1] -> c[0];\n"
    yield "reset", HEAD + "qreg q[2];\ncreg c[2];\n" + start + "cx q[0],q[1];\nreset q[0];\nbarrier q;\nh q[0];\nmeasure q[0] -> c[0];\nmeasure q[1] -> c[1];\n"
    for value in range(5):
        yield f"condition {value}", HEAD + "qreg q[2];\ncreg a[2];\ncreg b[1];\n" + start + f"measure q[0] -> a[0];\nif(a=={value}) x q[1];\nmeasure q[1] -> b[0];\n"


def probabilities(ketseal, path):
    done = subprocess.run(
        [ketseal, "-q", "--json", "circuit", "simulate", "--probabilities", "--method=statevector", path],
        capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)["probabilities"]


def main(ketseal, sdk, program, precision):
    with open(program, encoding="utf-8") as file:
        text = file.read()
    ending = f'serve("{sdk}", run)\n'
    assert text.endswith(ending), "the program does not end by serving"
    folder = tempfile.gettempdir()  # the program leaves none
    space = {}
    exec(compile(text.removesuffix(ending), program, "exec"), space)  # noqa: S102: ours

    draw = random.Random(sdk)
    programs = [(f"{name} {turn}", gate_program(draw, name), SHOTS) for name in GATES for turn in range(2)]
    programs += [(name, source, SHOTS // 10) for name, source in dynamic_programs(draw)]
    failed = 0
    backends = set()
    with tempfile.NamedTemporaryFile("w", suffix=".qasm", dir=folder) as file:
        for name, source, shots in programs:
            file.seek(0)
            file.truncate()
            file.write(source)
            file.flush()
            want = probabilities(ketseal, file.name)
            shown = subprocess.run([ketseal, "-q", "circuit", "show", file.name], capture_output=True, check=True)
            canonical = shown.stdout.decode()
            request = {
                "precision": precision, "program": canonical, "protocol": "ketseal.adapter/1", "seed": 2**53 - 1,
                "shots": shots,
            }  # fmt: skip
            answer = space["run"](space["Request"](json.dumps(request)))
            counts = answer["counts"]
            backends.add(answer["backend"])
            # Hoeffding, for each outcome and each program.
            bound = math.sqrt(math.log(2 * 8 * len(programs) / FALSE_ALARM) / (2 * shots))
            off = max(abs(counts.get(outcome, 0) / shots - want.get(outcome, 0)) for outcome in {*counts, *want})
            if off > bound or sum(counts.values()) != shots:
                print(f"adapter_gates: FAILED: {sdk}: {name}: {off:.3f} off, bound {bound:.3f}\n{canonical}", file=sys.stderr)
                failed += 1
    if failed == 0:
        print(f"adapter_gates: {' '.join(sorted(backends))}, {precision}: {len(programs)} programs, each outcome within {bound:.3f} at most")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
