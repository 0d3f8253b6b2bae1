# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Holds what ketseal computes against Qiskit Aer, Cirq and Stim.

simulators.py KETSEAL FOLDER [FILE…]

FILEs are OpenQASM 2 programs; beside them random ones are made here, from fixed seeds, in FOLDER. Compared are

- final states in double precision, with Aer and Cirq, up to a common phase, amplitude by amplitude;
- probabilities of outcomes, by every method that runs the program, with those that Aer's state gives;
- exact probabilities of programs that measure in the middle, with a sample of Aer's;
- supports of Clifford programs of up to 150 qubits with measurements and resets in the middle, with Stim's.

Bit order: qubit 0 is the least significant bit of an index here and in Qiskit, the most significant one in Cirq unless
told otherwise; classical bit 0 is the rightmost character here and in Qiskit, which puts spaces between registers;
measurement i is column i in Stim.
"""

import json
import math
import pathlib
import random
import subprocess
import sys

import numpy
import qiskit
import qiskit.qasm2
import qiskit.quantum_info
import qiskit_aer

try:
    import cirq
except ImportError:
    cirq = None
try:
    import stim
except ImportError:
    stim = None

TOLERANCE = 1e-10
QUBITS_MAX = 20
CLBITS_MAX = 20
SHOTS_MAX = 10000
FALSE_ALARM = 1e-9

GATES = {
    # name: qubits, parameters
    "h": (1, 0), "x": (1, 0), "y": (1, 0), "z": (1, 0), "s": (1, 0), "sdg": (1, 0), "t": (1, 0), "tdg": (1, 0),
    "sx": (1, 0), "sxdg": (1, 0), "rx": (1, 1), "ry": (1, 1), "rz": (1, 1), "u1": (1, 1), "p": (1, 1),
    "u2": (1, 2), "u3": (1, 3), "u": (1, 3), "cx": (2, 0), "cy": (2, 0), "cz": (2, 0), "ch": (2, 0), "swap": (2, 0),
    "csx": (2, 0), "crx": (2, 1), "cry": (2, 1), "crz": (2, 1), "cu1": (2, 1), "cp": (2, 1), "cu3": (2, 3),
    "cu": (2, 4), "rxx": (2, 1), "rzz": (2, 1), "ccx": (3, 0), "cswap": (3, 0), "rccx": (3, 0),
}  # fmt: skip


class Failure(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Failure(what)


class Ketseal:
    def __init__(self, program, folder):
        self.program = program
        self.state = folder / "state.npy"

    def qubits(self, path):
        done = subprocess.run([self.program, "--json", "circuit", "check", path], capture_output=True, check=True)
        return json.loads(done.stdout)["circuits"][0]["qubits"]

    def run(self, *arguments):
        return subprocess.run(
            [self.program, "--json", "circuit", "simulate", *map(str, arguments)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def read(self, *arguments):
        done = self.run(*arguments)
        need(done.returncode == 0, f"ketseal {' '.join(map(str, arguments))}: {done.stderr}")
        return json.loads(done.stdout)

    def final_state(self, path):
        """None where the program has none: it measures in the middle."""
        done = self.run(f"--state-out={self.state}", path)
        if done.returncode == 0:
            return numpy.load(self.state)
        need(done.returncode == 3, f"{path}: {done.stderr}")
        return None

    def probabilities(self, path, method):
        """By bit string; None where the method does not run the program."""
        done = self.run("--probabilities", f"--method={method}", path)
        if done.returncode == 0:
            return json.loads(done.stdout)["probabilities"]
        need(done.returncode in (2, 3), f"{path}: {method}: {done.stderr}")
        return None


# --- Qiskit ------------------------------------------------------------------------------------------


def load(path):
    return qiskit.qasm2.load(path, custom_instructions=qiskit.qasm2.LEGACY_CUSTOM_INSTRUCTIONS)


AER = qiskit_aer.AerSimulator(method="statevector", precision="double", max_parallel_threads=1)


def without_measurements(circuit):
    """The circuit up to its measurements, and (qubit, classical bit) of each in their order."""
    bare = circuit.copy_empty_like()
    measured = []
    for instruction in circuit.data:
        if instruction.operation.name == "measure":
            qubit = circuit.find_bit(instruction.qubits[0]).index
            measured.append((qubit, circuit.find_bit(instruction.clbits[0]).index))
        else:
            bare.append(instruction)
    return bare, measured


def aer_state(bare):
    circuit = bare.copy()
    circuit.save_statevector()
    result = AER.run(qiskit.transpile(circuit, AER, optimization_level=0)).result()
    need(result.success, f"Aer: {result.status}")
    return numpy.asarray(result.get_statevector())


def aer_sample(circuit):
    """Fewer shots of many qubits: Aer runs each by itself."""
    shots = min(SHOTS_MAX, 1 << 23 - circuit.num_qubits)
    result = AER.run(qiskit.transpile(circuit, AER, optimization_level=0), shots=shots, seed_simulator=1).result()
    need(result.success, f"Aer: {result.status}")
    return {outcome.replace(" ", ""): count for outcome, count in result.get_counts().items()}


# --- Cirq --------------------------------------------------------------------------------------------


def cirq_state(bare, qubits):
    """Gates as the matrices that Qiskit has for them, whose first qubit is the least significant one; Cirq does
    the rest, in double precision."""
    line = cirq.LineQubit.range(qubits)
    circuit = cirq.Circuit()
    for instruction in bare.data:
        if instruction.operation.name != "barrier":
            operands = [line[bare.find_bit(qubit).index] for qubit in instruction.qubits]
            matrix = qiskit.quantum_info.Operator(instruction.operation).data
            circuit.append(cirq.MatrixGate(matrix).on(*reversed(operands)))
    return cirq.Simulator(dtype=numpy.complex128).simulate(circuit, qubit_order=line[::-1]).final_state_vector


# --- comparing ---------------------------------------------------------------------------------------


def deviation(ours, theirs):
    need(ours.shape == theirs.shape, f"{ours.shape} amplitudes, not {theirs.shape}")
    overlap = numpy.vdot(ours, theirs)
    need(abs(overlap) > 0.5, f"overlap {abs(overlap)}")
    return float(numpy.abs(ours * (overlap / abs(overlap)) - theirs).max())


def distribution(state, measured, clbits):
    """Of the classical bits, from the probabilities of the basis states; what is not measured is 0."""
    weights = numpy.abs(state) ** 2
    index = numpy.arange(len(state))
    outcome = numpy.zeros(len(state), dtype=numpy.int64)
    last = {}
    for qubit, clbit in measured:
        last[clbit] = qubit
    for clbit, qubit in last.items():
        outcome |= ((index >> qubit) & 1) << clbit
    return numpy.bincount(outcome, weights=weights, minlength=1 << clbits)


def as_array(probabilities, clbits):
    array = numpy.zeros(1 << clbits)
    for outcome, probability in probabilities.items():
        array[int(outcome, 2)] = probability
    return array


def check_sample(path, exact, counts):
    """McDiarmid's inequality, as docs/formats/replay.md has it."""
    shots = sum(counts.values())
    shares = as_array(counts, int(math.log2(len(exact)))) / shots
    distance = float(numpy.abs(shares - exact).sum()) / 2
    spread = float(numpy.sqrt(exact * (1 - exact) / shots).sum()) / 2
    most = spread + math.sqrt(-math.log(FALSE_ALARM) / (2 * shots))
    need(distance <= most, f"{path}: total variation {distance}, at most {most}")
    return distance


class Report:
    def __init__(self):
        self.counts = {}
        self.worst = {}

    def add(self, what, value):
        need(value <= TOLERANCE, f"{what} deviates by {value}")
        self.counts[what] = self.counts.get(what, 0) + 1
        self.worst[what] = max(self.worst.get(what, 0), value)

    def lines(self):
        return [f"{what}: {count} programs, worst deviation {self.worst[what]:.1e}"
                for what, count in self.counts.items()]  # fmt: skip


def compare(ketseal, path, report, methods):
    circuit = load(path)
    qubits, clbits = circuit.num_qubits, circuit.num_clbits
    state = ketseal.final_state(path)
    if state is None:
        exact = as_array(ketseal.probabilities(path, "statevector"), clbits)
        counts = aer_sample(circuit)
        distance = check_sample(path, exact, counts)
        return f"measures in the middle; total variation {distance:.1e} of {sum(counts.values())} shots of Aer's"
    bare, measured = without_measurements(circuit)
    theirs = aer_state(bare)
    report.add("states, Qiskit Aer", deviation(state, theirs))
    if cirq is not None:
        report.add("states, Cirq", deviation(state, cirq_state(bare, qubits)))
    if not measured or clbits > CLBITS_MAX:
        return f"{qubits} qubits"
    wanted = distribution(theirs, measured, clbits)
    for method in methods:
        probabilities = ketseal.probabilities(path, method)
        if probabilities is not None:
            difference = numpy.abs(as_array(probabilities, clbits) - wanted).max()
            report.add(f"probabilities by {method}, Qiskit Aer", float(difference))
    return f"{qubits} qubits, {clbits} clbits"


# --- random programs ---------------------------------------------------------------------------------


def random_program(seed, qubits, gates):
    draw = random.Random(seed)
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";']
    split = draw.randint(1, qubits)  # two registers, to see them put side by side
    names = [f"a[{i}]" for i in range(split)] + [f"b[{i}]" for i in range(qubits - split)]
    lines.append(f"qreg a[{split}];")
    if split < qubits:
        lines.append(f"qreg b[{qubits - split}];")
    lines += [f"creg c[{qubits}];"]
    kinds = sorted(name for name, (size, _) in GATES.items() if size <= qubits)
    for _ in range(gates):
        name = draw.choice(kinds)
        size, parameters = GATES[name]
        angles = ",".join(repr(draw.uniform(-7, 7)) for _ in range(parameters))
        operands = ",".join(draw.sample(names, size))
        lines.append(f"{name}({angles}) {operands};" if parameters else f"{name} {operands};")
    bits = list(range(qubits))
    draw.shuffle(bits)
    lines += [f"measure {name} -> c[{bit}];" for name, bit in zip(names, bits)]
    return "\n".join(lines) + "\n"


# --- Stim --------------------------------------------------------------------------------------------

CLIFFORD = {"h": "H", "s": "S", "sdg": "S_DAG", "x": "X", "y": "Y", "z": "Z", "sx": "SQRT_X", "cx": "CX", "cz": "CZ",
            "cy": "CY", "swap": "SWAP"}  # fmt: skip


def random_clifford(seed, qubits):
    """The program in both languages; measurements are numbered in order."""
    draw = random.Random(seed)
    ours, theirs = [], []
    measured = 0

    def measure(qubit):
        nonlocal measured
        ours.append(f"measure q[{qubit}] -> c[{measured}];")
        theirs.append(f"M {qubit}")
        measured += 1

    for _ in range(8 * qubits):
        kind = draw.random()
        if kind < 0.03:
            measure(draw.randrange(qubits))
        elif kind < 0.05:
            qubit = draw.randrange(qubits)
            ours.append(f"reset q[{qubit}];")
            theirs.append(f"R {qubit}")
        else:
            name = draw.choice(sorted(CLIFFORD))
            size = 2 if name in ("cx", "cz", "cy", "swap") else 1
            operands = draw.sample(range(qubits), size)
            ours.append(f"{name} " + ",".join(f"q[{i}]" for i in operands) + ";")
            theirs.append(CLIFFORD[name] + " " + " ".join(map(str, operands)))
    for qubit in range(qubits):
        measure(qubit)
    head = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{qubits}];", f"creg c[{measured}];"]
    return "\n".join(head + ours) + "\n", stim.Circuit("\n".join(theirs)), measured


def hull(samples):
    """The affine hull over GF(2), in a form that two equal ones share: an offset and a reduced basis."""
    basis = {}

    def reduce(value):
        while value and value.bit_length() in basis:
            value ^= basis[value.bit_length()]
        return value

    for sample in samples[1:]:
        value = reduce(sample ^ samples[0])
        if value:
            basis[value.bit_length()] = value
    for top in sorted(basis):
        for other in basis:
            if other != top and basis[other] >> (top - 1) & 1:
                basis[other] ^= basis[top]
    offset = samples[0]
    for top in sorted(basis, reverse=True):
        if offset >> (top - 1) & 1:
            offset ^= basis[top]
    return offset, tuple(sorted(basis.values()))


def compare_with_stim(ketseal, folder, count):
    """Outcomes of a Clifford program are uniform over an affine space: 64 samples more than its dimension miss
    a part of it once in 2^64 times."""
    widest = 0
    for seed in range(count):
        qubits = 2 + seed % 10 if seed % 2 == 0 else 20 + 130 * seed // count
        text, theirs, measured = random_clifford(seed, qubits)
        path = folder / f"clifford-{seed}.qasm"
        path.write_text(text, encoding="ascii")
        shots = measured + 64
        result = ketseal.read("--method=stabilizer", f"--shots={shots}", f"--seed={seed}", path)
        ours = hull([int(outcome, 2) for outcome in result["counts"]])
        rows = theirs.compile_sampler(seed=seed).sample(shots)
        wanted = hull([sum(1 << i for i in numpy.flatnonzero(row).tolist()) for row in rows])
        need(ours == wanted, f"{path}: dimension {len(ours[1])}, Stim has {len(wanted[1])}")
        widest = max(widest, qubits)
    return f"supports, Stim: {count} programs of up to {widest} qubits, all the same"


def main():
    program, folder, files = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    ketseal = Ketseal(program, folder)
    report = Report()
    versions = [f"Qiskit {qiskit.__version__}", f"Aer {qiskit_aer.__version__}"]
    versions += [f"Cirq {cirq.__version__}" if cirq else "no Cirq", f"Stim {stim.__version__}" if stim else "no Stim"]
    print("against " + ", ".join(versions))
    real = 0
    for path in files:
        if ketseal.qubits(path) <= QUBITS_MAX:
            said = compare(ketseal, path, report, ["statevector"])
            print(f"  {pathlib.Path(path).stem}: {said}")
            real += 1
    for seed in range(60):
        qubits = 1 + seed % 8 if seed < 52 else 9 + seed % 8
        path = folder / f"random-{seed}.qasm"
        path.write_text(random_program(seed, qubits, 12 * qubits), encoding="ascii")
        methods = ["statevector", "sparse", "mps"] if qubits <= 6 else ["statevector"]
        compare(ketseal, path, report, methods)
    print(f"{real} real programs, 60 random ones")
    for line in report.lines():
        print(line)
    if stim is not None:
        print(compare_with_stim(ketseal, folder, 40))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
