#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Aggregation of ours beside numpy and scipy: fl.py FL_PEER

Sums are compared with exact fractions, medians and trimmed means with numpy and scipy, the geometric median with what a
general minimiser finds, and the other rules with a few lines of numpy in double.
"""
import fractions
import subprocess
import sys

import numpy
from scipy import optimize, stats
from scipy.spatial import distance


def ask(rule, rows, attackers=0, iterations=0):
    rows = numpy.ascontiguousarray(rows, dtype=numpy.float32)
    answer = subprocess.run([sys.argv[1], rule, str(attackers), str(iterations), *map(str, rows.shape)], input=rows.tobytes(),
                            stdout=subprocess.PIPE, check=True).stdout
    return numpy.frombuffer(answer, numpy.float32).astype(numpy.float64)


def expect(what, got, want, tolerance):
    error = numpy.max(numpy.abs(got - want) / (1 + numpy.abs(want)))
    print('%-16s largest error %.2g' % (what, error))
    if not error <= tolerance:
        sys.exit('%s: off by %g, at most %g' % (what, error, tolerance))


def sums(rows):
    weights = range(1, len(rows) + 1)
    exact = numpy.array([float(sum(w * fractions.Fraction(float(x)) for w, x in zip(weights, column)) / sum(weights))
                         for column in rows.T])
    for width, bound in (('sum-64', 2 ** -25), ('sum-128', 2 ** -65)):
        error = numpy.abs(ask(width, rows) - exact)
        print('%-16s largest error %.2g' % (width, error.max()))
        if not (error <= bound + 1.001 * 2 ** -24 * numpy.abs(exact) + 2 ** -149).all():
            sys.exit('%s: beyond its bound' % width)


def krum_order(rows, attackers):
    apart = distance.squareform(distance.pdist(rows, 'sqeuclidean'))
    scores = numpy.sort(apart, axis=1)[:, 1:max(len(rows) - attackers - 2, 1) + 1].sum(axis=1)
    return numpy.argsort(scores, kind='stable')


def bulyan(rows, attackers):
    left, chosen = list(range(len(rows))), []
    while len(chosen) < len(rows) - 2 * attackers:
        best = left[krum_order(rows[left], attackers)[0]]
        left.remove(best)
        chosen.append(rows[best])
    chosen = numpy.array(chosen)
    keep = len(rows) - 4 * attackers
    nearest = numpy.argsort(numpy.abs(chosen - numpy.median(chosen, axis=0)), axis=0, kind='stable')[:keep]
    return numpy.take_along_axis(chosen, nearest, axis=0).mean(axis=0)


def clip(rows, radius, iterations):
    center = numpy.zeros(rows.shape[1])
    for _ in range(iterations):
        steps = rows - center
        lengths = numpy.linalg.norm(steps, axis=1, keepdims=True)
        center += (steps * numpy.minimum(1, radius / lengths)).mean(axis=0)
    return center


def geometric_median(rows):
    found = optimize.minimize(lambda v: numpy.linalg.norm(rows - v, axis=1).sum(), rows.mean(axis=0),
                              jac=lambda v: ((v - rows) / numpy.linalg.norm(rows - v, axis=1, keepdims=True)).sum(axis=0),
                              method='BFGS', options={'gtol': 1e-9})
    return found.x


def fltrust(root, rows):
    lengths = numpy.linalg.norm(rows, axis=1)
    trust = numpy.maximum(0, rows @ root / lengths / numpy.linalg.norm(root))
    return (trust / lengths * numpy.linalg.norm(root)) @ rows / trust.sum()


def main():
    random = numpy.random.default_rng(1)
    sums((random.normal(size=(30, 200)) * 10.0 ** random.integers(-12, 1, size=(30, 200))).astype(numpy.float32))
    for count, attackers, params in ((11, 2, 1000), (24, 5, 333), (25, 5, 40)):
        rows = (random.normal(size=params) + random.normal(size=(count, params))).astype(numpy.float32).astype(numpy.float64)
        rows[:attackers] *= -3
        expect('mean', ask('mean', rows), rows.mean(axis=0), 1e-6)
        expect('median', ask('median', rows, attackers), numpy.median(rows, axis=0), 1e-6)
        expect('trimmed-mean', ask('trimmed-mean', rows, attackers), stats.trim_mean(rows, attackers / count + 1e-9, axis=0), 1e-6)
        expect('krum', ask('krum', rows, attackers), rows[krum_order(rows, attackers)[0]], 1e-6)
        expect('multi-krum', ask('multi-krum', rows, attackers),
               rows[krum_order(rows, attackers)[:count - attackers - 2]].mean(axis=0), 1e-6)
        expect('bulyan', ask('bulyan', rows, (count - 3) // 4), bulyan(rows, (count - 3) // 4), 1e-6)
        expect('rfa', ask('rfa', rows, attackers, 300), geometric_median(rows), 1e-4)
        expect('centered-clip', ask('centered-clip', rows, attackers, 4), clip(rows, 10, 4), 1e-5)
        root = rows[-1] + random.normal(size=params)
        root = root.astype(numpy.float32).astype(numpy.float64)
        expect('fltrust', ask('fltrust', numpy.vstack([root, rows])), fltrust(root, rows), 1e-5)
    values = (random.normal(size=(2, 5000)) * 10.0 ** random.integers(-9, 4, size=(2, 5000))).astype(numpy.float32)
    expect('f16', ask('f16', values), values[0].astype(numpy.float16).astype(numpy.float64), 0)


main()
