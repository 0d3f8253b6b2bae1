#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""A data set with columns of traces for tests of the figures and of the report: made up, but of a plausible shape.

  make_traces.py ROWS SEED
"""

import random
import sys

KINDS = {'delay': ('round_trip_us', 8.0), 'poisoned-counts': ('tvd', 12.0), 'shot-inflation': ('bytes_received', 6.0)}


def main():
    rows, seed = int(sys.argv[1]), int(sys.argv[2])
    draw = random.Random(seed)
    print('qubits,depth,shots,simulate_us,round_trip_us,bytes_received,tvd,label,kind')
    for number in range(rows):
        qubits = draw.choice([2, 4, 6, 8, 10, 12, 14])
        depth = draw.choice([4, 8, 16])
        simulate = 40 * 1.6 ** qubits * depth / 8 * draw.lognormvariate(0, 0.15)
        row = {'qubits': qubits, 'depth': depth, 'shots': 1000, 'simulate_us': simulate,
               'round_trip_us': simulate + 9000 * draw.lognormvariate(0, 0.2), 'bytes_received': 5000 + 40 * qubits + draw.gauss(0, 60),
               'tvd': abs(draw.gauss(0.03, 0.008))}
        kind = draw.choice(sorted(KINDS)) if number % 20 == 7 else ''
        if kind:
            column, factor = KINDS[kind]
            row[column] *= factor
        missing = number % 101 == 50
        cells = ['' if missing and name == 'round_trip_us' else f'{value:.6g}' for name, value in row.items()]
        print(','.join([*cells, '1' if kind else '0', kind]))


if __name__ == '__main__':
    main()
