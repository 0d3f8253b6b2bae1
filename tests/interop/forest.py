# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Our scores against scikit-learn's: Spearman's rank correlation at 1,000 trees of 256 rows.

  forest.py KETSEAL FILE.csv…      the last column is the label
"""

import csv
import subprocess
import sys
import tempfile

import numpy
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest

DEMANDED = 0.98


def our_scores(ketseal, path):
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([ketseal, '-q', 'detect', 'train', '--label=label', '--trees=1000', '--seed=5',
                        f'--out={work}/m', path], check=True, stdout=subprocess.DEVNULL)
        scored = subprocess.run([ketseal, '-q', 'detect', 'score', '--label=label', f'--model={work}/m', path],
                                check=True, stdout=subprocess.PIPE, text=True).stdout
    return numpy.array([float(row['score']) for row in csv.DictReader(scored.splitlines())])


def main():
    ketseal, files = sys.argv[1], sys.argv[2:]
    failed = False
    for path in files:
        rows = numpy.loadtxt(path, delimiter=',', skiprows=1)[:, :-1]
        forest = IsolationForest(n_estimators=1000, max_samples=256, random_state=7).fit(rows)
        ours = our_scores(ketseal, path)
        rho = spearmanr(ours, -forest.score_samples(rows)).statistic
        error = numpy.abs(ours + forest.score_samples(rows)).max()
        print(f'{path}: {len(rows)} rows, Spearman {rho:.4f}, largest difference of scores {error:.3f}')
        failed = failed or not rho >= DEMANDED
    return 1 if failed or not files else 0


if __name__ == '__main__':
    sys.exit(main())
