#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the vectors of tests/vectors/entropy: the estimates and health tests of NIST SP 800-90B, computed
with mpmath along the text of the standard and not along src/entropy. Run it in the source root.

  tools/vectors_entropy.py               values.txt
  tools/vectors_entropy.py --nist DIR    nist.txt, from the folder cpp/selftest/refdata of NIST's own tool

tests/vectors/entropy/SOURCE describes the lines."""

import random
import re
import sys
from fractions import Fraction
from pathlib import Path

import mpmath as mp

mp.mp.prec = 300
FOLDER = Path("tests/vectors/entropy")
Z = mp.sqrt(2) * mp.erfinv(mp.mpf("0.99"))


def number(exact):
    return float(exact).hex()


# ---- the standard ---------------------------------------------------------------------------------

def mcv(samples):
    mode = max(samples.count(value) for value in set(samples))
    p = mp.mpf(mode) / len(samples)
    upper = min(mp.mpf(1), p + Z * mp.sqrt(p * (1 - p) / (len(samples) - 1)))
    return [mode, number(upper), number(abs(mp.log(upper, 2)))]


def expected_wait(p):
    """Step 7 of section 6.3.2, with its F(1/z) = Gamma(3, z) z^-3 e^z."""
    q = 1 - p
    z = 1 / q
    f = mp.gammainc(3, z) * z**-3 * mp.exp(z)
    return p / q**2 * (1 + (1 / p - 1 / q) / 2) * f - p / q * (1 / p - 1 / q) / 2


def collision(bits):
    waits = []
    at = 0
    while True:
        end = next((j for j in range(at + 1, len(bits)) if bits[j] in bits[at:j]), None)
        if end is None:
            break
        waits.append(end - at + 1)
        at = end + 1
    mean = mp.mpf(sum(waits)) / len(waits)
    sigma = mp.sqrt(sum((wait - mean)**2 for wait in waits) / (len(waits) - 1))
    lower = max(mp.mpf(2), mean - Z * sigma / mp.sqrt(len(waits)))
    low, high = mp.mpf(1) / 2, mp.mpf(1)
    if lower >= expected_wait(low):
        p = low
    elif lower == 2:
        p = high
    else:
        for _ in range(250):
            p = (low + high) / 2
            low, high = (p, high) if expected_wait(p) > lower else (low, p)
    return [len(waits), sum(waits), number(lower), number(p), number(abs(mp.log(p, 2)))]


RUNS = ["0" * 128, "01" * 64, "0" + "1" * 127, "1" + "0" * 127, "10" * 64, "1" * 128]


def markov(bits):
    text = "".join(map(str, bits))
    follows = {pair: sum(text[i:i + 2] == pair for i in range(len(text) - 1))
               for pair in ("00", "01", "10", "11")}

    def step(pair):
        total = follows[pair[0] + "0"] + follows[pair[0] + "1"]
        return Fraction(follows[pair], total) if total else Fraction(0)

    best = Fraction(0)
    for run in RUNS:
        p = Fraction(text.count(run[0]), len(text))
        for i in range(127):
            p *= step(run[i:i + 2])
        best = max(best, p)
    bits_of_run = -mp.log(mp.mpf(best.numerator) / best.denominator, 2) if best else mp.inf
    return [number(Fraction(text.count("0"), len(text))), number(step("00")), number(step("10")),
            number(abs(min(bits_of_run / 128, mp.mpf(1))))]


def repetition(samples, entropy, alpha):
    cutoff = 1 + int(mp.ceil(alpha / mp.mpf(entropy)))
    alarms = worst = run = 0
    for before, sample in zip([None] + samples, samples):
        run = run + 1 if sample == before else 1
        worst = max(worst, run)
        alarms += run == cutoff
    return [cutoff, worst, alarms]


def proportion(samples, entropy, alpha, window):
    p = mp.mpf(2)**-mp.mpf(entropy)
    tail = mp.mpf(0)
    critical = window
    while True:
        tail += mp.binomial(window, critical) * p**critical * (1 - p)**(window - critical)
        if tail > mp.mpf(2)**-alpha or critical == 0:
            break
        critical -= 1
    alarms = worst = 0
    for start in range(0, len(samples), window):
        seen = samples[start:start + window].count(samples[start])
        worst = max(worst, seen)
        alarms += seen >= 1 + critical
    return [1 + critical, worst, alarms]


# ---- samples --------------------------------------------------------------------------------------

# The 40 bits of the examples in sections 6.3.2 and 6.3.3.
EXAMPLE = "1000111001010101110011000111001010101110"


def bits_of(data):
    return [byte >> (7 - i) & 1 for byte in data for i in range(8)]


def packed(bits):
    bits = bits + [0] * (-len(bits) % 8)
    return bytes(int("".join(map(str, bits[i:i + 8])), 2) for i in range(0, len(bits), 8))


def samples():
    """(bytes, count of bits)"""
    random.seed(80090)
    yield packed([int(bit) for bit in EXAMPLE]), 40
    for text in ["00", "01", "10", "11", "0011", "010101", "000000", "111110", "0110101", "10" * 300,
                 "1" * 900, "0" * 700 + "1" * 500, "01" * 100 + "1" * 60, "110" * 200, "1000" * 200]:
        yield packed([int(bit) for bit in text]), len(text)
    for count in (16, 97, 1000, 4096):
        for share in (0.5, 0.25, 0.9, 0.995):
            yield packed([int(random.random() < share) for _ in range(count)]), count
    for stay in (0.1, 0.5, 0.8, 0.98): # a chain that keeps its value
        bits = [1]
        while len(bits) < 3000:
            bits.append(bits[-1] if random.random() < stay else 1 - bits[-1])
        yield packed(bits), len(bits)
    for values in (1, 2, 3, 17, 200, 256):
        yield bytes(random.randrange(values) * (256 // values) for _ in range(900)), 7200
    yield bytes(int(random.gauss(128, 9)) % 256 for _ in range(1100)), 8800


def lines():
    for data, count in samples():
        yield ["sample", data.hex()]
        bits = bits_of(data)[:count]
        yield ["mcv", 1, count] + mcv(bits)
        yield ["markov", 1, count] + markov(bits)
        if count >= 6:
            yield ["collision", 1, count] + collision(bits)
        for entropy, alpha in (("1", 20), ("0.5", 30), ("0.05", 40)):
            yield ["repetition", 1, count, entropy, alpha] + repetition(bits, entropy, alpha)
            yield ["proportion", 1, count, entropy, alpha] + proportion(bits, entropy, alpha, 1024)
        values = list(data)
        if len(values) >= 2:
            yield ["mcv", 8, len(values)] + mcv(values)
        for entropy, alpha in (("8", 40), ("4.25", 20), ("0.5", 30)):
            yield ["repetition", 8, len(values), entropy, alpha] + repetition(values, entropy, alpha)
            yield ["proportion", 8, len(values), entropy, alpha] + \
                proportion(values, entropy, alpha, 512)


# ---- what NIST's tool printed ---------------------------------------------------------------------

def pairs_of(count, p, p_next):
    """(first bit, {pair: count}) of a sequence with these probabilities: NIST prints no counts."""
    zeros = round(p[0] * count)
    for last in (0, 1):
        followed = [zeros - (last == 0), count - zeros - (last == 1)]
        follows = {(value, to): round(p_next[value][to] * followed[value])
                   for value in (0, 1) for to in (0, 1)}
        # Entered as often as there are zeros that are not the first.
        first = 0 if zeros - follows[0, 0] - follows[1, 0] == 1 else 1
        exact = all(abs(follows[value, to] / followed[value] - p_next[value][to]) < 1e-15
                    for value in (0, 1) for to in (0, 1))
        if exact and follows[0, 1] - follows[1, 0] == (first == 0) - (last == 0):
            return first, follows
    raise SystemExit("no sequence has these probabilities")


def nist_lines(path):
    text = path.read_text(encoding="ascii")
    count, width = re.search(r"Loaded (\d+) samples of \d+ distinct (\d+)-bit-wide", text).groups()
    kinds = ["Literal"] if width == "1" else ["Literal", "Bitstring"]
    for kind in kinds:
        found = dict(re.findall(kind + r" (.*? Estimate: [^=\n]*?) = (\S+)", text))
        bits = width == "1" or kind == "Bitstring"
        n = int(count) * (1 if kind == "Literal" else int(width))

        def of(estimate, *names):
            return [found["%s Estimate: %s" % (estimate, name)] for name in names]

        yield ["mcv", 1 if bits else 8, n] + of("Most Common Value", "Mode count", "p_u", "min entropy")
        if bits:
            yield ["collision", 1, n] + of("Collision", "v", "Sum t_i", "X-bar'", "p", "min entropy")
            p = [float(text) for text in of("Markov", "P_0", "P_1")]
            p_next = [[float(text) for text in of("Markov", "P_{%d,0}" % value, "P_{%d,1}" % value)]
                      for value in (0, 1)]
            first, follows = pairs_of(n, p, p_next)
            yield ["markov", 1, n, first] + [follows[value, to] for value in (0, 1) for to in (0, 1)] + \
                of("Markov", "P_0", "P_{0,0}", "P_{1,0}", "min entropy")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:2] == ["--nist"]:
        out = FOLDER / "nist.txt"
        made = [["file", path.stem] if line is None else line
                for path in sorted(Path(sys.argv[2]).glob("*.res")) for line in [None, *nist_lines(path)]]
    else:
        out = FOLDER / "values.txt"
        made = lines()
    out.write_text("".join(" ".join(map(str, line)) + "\n" for line in made), encoding="ascii")


if __name__ == "__main__":
    main()
