#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/qkd/finite.txt with mpmath: finite-key bounds of Lim et al., Phys. Rev. A 89, 022307
(2014), equations (1) to (5), in another language and at fifty digits. A line: three intensities, three
probabilities, epsilon_sec, n_X, n_Z and m_Z of each intensity, then s_X0, s_X1, phi_X and the length without
leak and verification. Run it in the source root."""

import random
from pathlib import Path

from mpmath import exp, factorial, ln, log, mp, mpf, sqrt

mp.dps = 50
random.seed(20240102)


def h(p):
    return mpf(0) if p <= 0 or p >= 1 else -p * log(p, 2) - (1 - p) * log(1 - p, 2)


def bounds(mu, p, eps, n_x, n_z, m_z):
    mu, p, eps = [mpf(v) for v in mu], [mpf(v) for v in p], mpf(eps)
    tau = [sum(p[k] * exp(-mu[k]) * mu[k] ** n / factorial(n) for k in range(3)) for n in (0, 1)]

    def moved(counts, k, sign):
        shifted = counts[k] + sign * sqrt(mpf(sum(counts)) / 2 * ln(21 / eps))
        return exp(mu[k]) / p[k] * max(mpf(0), shifted)

    def vacuum(n):
        return max(mpf(0), tau[0] * (mu[1] * moved(n, 2, -1) - mu[2] * moved(n, 1, 1)) / (mu[1] - mu[2]))

    def single(n):
        several = (mu[1] ** 2 - mu[2] ** 2) / mu[0] ** 2 * (moved(n, 0, 1) - vacuum(n) / tau[0])
        return max(mpf(0), tau[1] * mu[0] * (moved(n, 1, -1) - moved(n, 2, 1) - several)
                   / (mu[0] * (mu[1] - mu[2]) - mu[1] ** 2 + mu[2] ** 2))

    s_0, s_1, z_1 = vacuum(n_x), single(n_x), single(n_z)
    phi = mpf(1) / 2
    if s_1 >= 1 and z_1 >= 1:
        b = tau[1] * (moved(m_z, 1, 1) - moved(m_z, 2, -1)) / (mu[1] - mu[2]) / z_1
        if b < phi:
            gamma = sqrt((s_1 + z_1) * (1 - b) * b / (s_1 * z_1 * ln(2))
                         * log((s_1 + z_1) / (s_1 * z_1 * (1 - b) * b) * 441 / eps ** 2, 2))
            phi = min(phi, b + gamma)
    return s_0, s_1, phi, s_0 + s_1 * (1 - h(phi)) - 6 * log(21 / eps, 2)


def line():
    mu = [random.uniform(0.4, 0.9), random.uniform(0.1, 0.35), random.choice([0.0, 0.002, 0.01])]
    weights = [random.uniform(0.2, 1) for _ in range(3)]
    p = [w / sum(weights) for w in weights]
    eps = 10.0 ** -random.randint(3, 15)
    pulses = 10 ** random.uniform(6, 12)
    eta = 10 ** random.uniform(-4, -0.5)
    dark, wrong, x = 10 ** random.uniform(-8, -5), random.uniform(0.002, 0.06), random.uniform(0.6, 0.95)
    gain = [1 - (1 - dark) ** 2 * float(exp(-m * eta)) for m in mu]
    n_x = [int(pulses * x * x * p[k] * gain[k]) for k in range(3)]
    n_z = [int(pulses * (1 - x) ** 2 * p[k] * gain[k]) for k in range(3)]
    m_z = [int(n_z[k] * (wrong + dark / gain[k])) for k in range(3)]
    found = bounds(mu, p, eps, n_x, n_z, m_z)
    return " ".join([*(v.hex() for v in [*mu, *p, eps]), *(str(c) for c in [*n_x, *n_z, *m_z]),
                     *(float(v).hex() for v in found)])


target = Path("tests/vectors/qkd/finite.txt")
target.parent.mkdir(exist_ok=True)
target.write_text("".join(line() + "\n" for _ in range(200)))
