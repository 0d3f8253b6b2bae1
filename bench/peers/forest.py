#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""An isolation forest of others as a peer of bench_forest: forest.py sklearn|isotree FEATURES ROWS

Each line of standard input is one run; the answer is the seconds of one thread's CPU that fitting 100 trees of
256 rows took, and those of scoring all rows.
"""
import sys
import time

import numpy


def forest_of(name, seed):
    if name == "sklearn":
        from sklearn.ensemble import IsolationForest
        forest = IsolationForest(n_estimators=100, max_samples=256, random_state=seed, n_jobs=1)
        return forest.fit, forest.score_samples
    from isotree import IsolationForest
    forest = IsolationForest(ntrees=100, sample_size=256, ndim=1, max_depth=8, missing_action="fail",
                             nthreads=1, random_seed=seed)
    return forest.fit, forest.predict


def main():
    name, features, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rows = numpy.random.default_rng(1).normal(size=(count, features))
    rows[::100] += 3
    for seed, _ in enumerate(sys.stdin):
        fit, score = forest_of(name, seed)
        start = time.process_time()
        fit(rows)
        fitted = time.process_time()
        score(rows)
        print(fitted - start, time.process_time() - fitted, flush=True)


if __name__ == "__main__":
    main()
