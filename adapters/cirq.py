# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# Cirq, sampled by its own simulator; in single precision by qsim where that is installed.

import cmath
import hashlib
import importlib.abc
import importlib.machinery
import math
import types


class Pictures(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Cirq imports matplotlib, which wants to write files. Nothing is drawn here: any name of it is an empty class."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] in ("matplotlib", "mpl_toolkits"):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: type(name, (), {})
        return module

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Pictures())

import cirq  # noqa: E402
import numpy  # noqa: E402

try:
    import qsimcirq
except ImportError:
    qsimcirq = None


def matrix(theta, phi, lam, gamma=0.0):
    """U(theta, phi, lambda) of OpenQASM, times e^(i gamma)."""
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    phase = cmath.exp(1j * gamma)
    return phase * numpy.array(
        [[c, -cmath.exp(1j * lam) * s], [cmath.exp(1j * phi) * s, cmath.exp(1j * (phi + lam)) * c]]
    )  # fmt: skip


def turn(angle):
    return cirq.ZPowGate(exponent=angle / math.pi)


def general(theta, phi, lam, gamma=0.0):
    return cirq.MatrixGate(matrix(theta, phi, lam, gamma))


GATES = {
    "id": lambda: cirq.I,
    "x": lambda: cirq.X,
    "y": lambda: cirq.Y,
    "z": lambda: cirq.Z,
    "h": lambda: cirq.H,
    "s": lambda: cirq.S,
    "sdg": lambda: cirq.S**-1,
    "t": lambda: cirq.T,
    "tdg": lambda: cirq.T**-1,
    "sx": lambda: cirq.X**0.5,
    "sxdg": lambda: cirq.X**-0.5,
    "rx": cirq.rx,
    "ry": cirq.ry,
    "rz": cirq.rz,
    "p": turn,
    "u1": turn,
    "u2": lambda phi, lam: general(math.pi / 2, phi, lam),
    "u3": general,
    "u": general,
    "cx": lambda: cirq.CX,
    "cy": lambda: cirq.Y.controlled(),
    "cz": lambda: cirq.CZ,
    "ch": lambda: cirq.H.controlled(),
    "csx": lambda: (cirq.X**0.5).controlled(),
    "swap": lambda: cirq.SWAP,
    "crx": lambda angle: cirq.rx(angle).controlled(),
    "cry": lambda angle: cirq.ry(angle).controlled(),
    "crz": lambda angle: cirq.rz(angle).controlled(),
    "cp": lambda angle: turn(angle).controlled(),
    "cu1": lambda angle: turn(angle).controlled(),
    "cu3": lambda theta, phi, lam: general(theta, phi, lam).controlled(),
    "cu": lambda theta, phi, lam, gamma: general(theta, phi, lam, gamma).controlled(),
    "rxx": lambda angle: cirq.XXPowGate(exponent=angle / math.pi, global_shift=-0.5),
    "rzz": lambda angle: cirq.ZZPowGate(exponent=angle / math.pi, global_shift=-0.5),
    "ccx": lambda: cirq.CCX,
    "cswap": lambda: cirq.CSWAP,
}


def conditions(bits, value, keys):
    """What Cirq is to look at for BITS to be VALUE; None: they never are. A bit without a measurement is 0."""
    if value >> len(bits):
        return None
    found = []
    for place, bit in enumerate(bits):
        want = value >> place & 1
        if bit in keys:
            key = cirq.MeasurementKey(keys[bit])
            found.append(cirq.BitMaskKeyCondition(key, target_value=want, equal_target=True, bitmask=1))
        elif want == 1:
            return None
    return found


def build(program):
    """The circuit, and the key of the last measurement into each classical bit."""
    line = cirq.LineQubit.range(program.qubits)
    circuit = cirq.Circuit()
    keys = {}
    for number, operation in enumerate(program.operations):
        qubits = [line[qubit] for qubit in operation.qubits]
        if operation.name == "barrier":
            continue  # nothing is moved across it here: Cirq merges no gates by itself
        if operation.name == "measure":
            if operation.condition is not None:
                raise Refused("Cirq's adapter has no measurement under a condition")
            keys[operation.clbit] = f"m{number}"
            made = cirq.measure(*qubits, key=keys[operation.clbit])
        elif operation.name == "reset":
            made = cirq.reset(qubits[0])
        elif operation.name in GATES:
            made = GATES[operation.name](*operation.params).on(*qubits)
        else:
            raise Refused(f"Cirq's adapter has no gate '{operation.name}'")
        if operation.condition is not None:
            name, value = operation.condition
            found = conditions(program.registers[name], value, keys)
            if found is None:
                continue
            made = made.with_classical_controls(*found) if found else made
        circuit.append(made)
    return circuit, keys


def count(measurements, keys, width, shots):
    """Rows of bits, bit 0 rightmost, as outcomes with their numbers."""
    rows = numpy.full((shots, width), ord("0"), dtype=numpy.uint8)
    for bit, key in keys.items():
        rows[:, width - 1 - bit] += measurements[key][:, 0].astype(numpy.uint8)
    outcomes, numbers = numpy.unique(rows, axis=0, return_counts=True)
    return {bytes(outcome).decode(): int(number) for outcome, number in zip(outcomes, numbers)}


def choose(request, circuit):
    """The simulator, its name and version. qsim knows single precision alone, and gates before measurements."""
    # A RandomState of a whole seed: Cirq's own takes 32 bits.
    generator = numpy.random.RandomState(numpy.random.MT19937(numpy.random.SeedSequence(request.seed)))
    plain = all(operation.condition is None and operation.name != "reset" for operation in request.program.operations)
    if qsimcirq is not None and request.single and plain and circuit.are_all_measurements_terminal():
        options = qsimcirq.QSimOptions(cpu_threads=1)
        return qsimcirq.QSimSimulator(qsim_options=options, seed=generator), "cirq-qsim", qsimcirq.__version__
    dtype = numpy.complex64 if request.single else numpy.complex128
    return cirq.Simulator(dtype=dtype, seed=generator), "cirq-simulator", cirq.__version__


def run(request):
    circuit, keys = build(request.program)
    simulator, backend, backend_version = choose(request, circuit)
    result = simulator.run(circuit, repetitions=request.shots)
    return {
        "version": cirq.__version__,
        "backend": backend,
        "backend_version": backend_version,
        "counts": count(result.measurements, keys, request.program.clbits, request.shots),
        "transpiled": hashlib.sha256(cirq.to_json(circuit).encode()).hexdigest(),
    }


serve("cirq", run)
