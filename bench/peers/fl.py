#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""numpy as a peer of bench_fl: fl.py PARAMS WEIGHT

Each line of standard input is one run: an update of float32 times a weight is added to a sum of float64, in place
and without a temporary array of its size more than numpy's own, for as long as 0.1 seconds; the answer is the seconds of CPU
of one such addition, twice.
"""
import sys
import time

import numpy


def main():
    params, weight = int(sys.argv[1]), float(sys.argv[2])
    update = numpy.random.default_rng(1).uniform(-0.05, 0.05, params).astype(numpy.float32)
    total = numpy.zeros(params)
    scaled = numpy.empty(params)
    for _ in sys.stdin:
        start = time.process_time()
        passes = 0
        while time.process_time() - start < 0.1:
            numpy.multiply(update, weight, out=scaled)
            numpy.add(total, scaled, out=total)
            passes += 1
        seconds = (time.process_time() - start) / passes
        print(seconds, seconds, flush=True)


if __name__ == "__main__":
    main()
