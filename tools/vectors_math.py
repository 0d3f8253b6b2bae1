#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/math/values.txt with mpmath: lines of function, arguments, and the exact value as
the sum of two doubles, all hexadecimal. Run it in the source root."""

import random
import struct
from pathlib import Path

import mpmath as mp

mp.mp.prec = 1200
random.seed(20240101)


def any_double():
    while True:
        value = struct.unpack("<d", random.getrandbits(64).to_bytes(8, "little"))[0]
        if value == value and abs(value) != float("inf"):
            return value


def line(function, args, exact):
    high = float(exact)
    if high == 0 or abs(high) == float("inf"):
        return None
    low = float(exact - mp.mpf(high))
    return " ".join([function, *(arg.hex() for arg in args), high.hex(), low.hex()])


def angles():
    for k in list(range(1, 40)) + [10**power + 7 for power in range(2, 16)]:
        yield float(mp.pi / 4 * k)
    yield 6381956970095103.0 * 2.0**797  # the double closest to a multiple of pi / 2
    yield 2.0**1023
    yield 1.7976931348623157e308
    yield 5e-324
    yield 1e-300
    yield 0.1
    for _ in range(150):
        yield random.uniform(-7, 7)
        yield random.uniform(-1e5, 1e5)
        yield any_double()


lines = []
for x in angles():
    for function, exact in (("sin", mp.sin), ("cos", mp.cos), ("tan", mp.tan)):
        lines.append(line(function, [x], exact(mp.mpf(x))))
for x in [1.0, -1.0, 709.78, -708.3, -745.0, 1e-20, -1e-300, 0.5] + [
        random.uniform(-745, 709.7) for _ in range(150)] + [
        random.uniform(-1, 1) * 2.0**random.randint(-60, 0) for _ in range(100)]:
    lines.append(line("exp", [x], mp.exp(mp.mpf(x))))
for x in [2.0, 10.0, 0.5, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1 + 2.0**-52,
          1 - 2.0**-53] + [abs(any_double()) for _ in range(150)] + [
          random.uniform(0.5, 2) for _ in range(100)]:
    lines.append(line("ln", [x], mp.log(mp.mpf(x))))
for _ in range(300):
    base = abs(any_double()) if random.random() < 0.3 else random.uniform(0, 10)
    power = random.uniform(-1, 1) * 740 / max(1e-6, abs(float(mp.log(base))))
    lines.append(line("pow", [base, power], mp.power(mp.mpf(base), mp.mpf(power))))
for base in range(-12, 13):
    for power in range(-9, 10):
        if base != 0:
            lines.append(line("pow", [float(base), float(power)], mp.mpf(base)**power))

path = Path("tests/vectors/math/values.txt")
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text("\n".join(text for text in lines if text) + "\n", encoding="ascii")
