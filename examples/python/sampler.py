# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""A Qiskit program whose results are sealed: sampler.py DEVICE"""

import sys

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from ketseal.qiskit import KetsealSampler

theta = Parameter("theta")
circuit = QuantumCircuit(2)
circuit.ry(theta, 0)
circuit.cx(0, 1)
circuit.measure_all()

sampler = KetsealSampler(sys.argv[1])  # was: StatevectorSampler()
angles = np.linspace(0, np.pi, 3)
result = sampler.run([(circuit, angles)], shots=1000).result()[0]
for i, (angle, record) in enumerate(zip(angles, result.metadata["records"])):
    print(f"theta {angle:.3f}: {result.data.meas[i].get_counts()}, record {record['record_id']}")
