#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""How well the detector finds what was done to jobs, by kind: the table of docs/detection.md.

  bench/detection.py BUILD DIRECTORY [ROWS]

Makes two data sets in DIRECTORY with `ketseal trace build`, unless they are there: train.csv, with one anomaly in
twenty rows, and test.csv, of another seed, with one in five. Forests are grown on the first one without looking at its
labels, from all columns and from those in SIGNALS, and tried on the second one. Prints Markdown.
"""

import csv
import json
import os
import subprocess
import sys

ROWS = 5000
CONTAMINATION = 0.05
SEED = 1
IDENTITY = ('job', 'device', 'side', 'started_at', 'label', 'kind')

# What a forest can be told instead of everything: how it went, without what was asked for.
SIGNALS = ('round_trip_us', 'connect_us', 'handshake_us', 'key_latency_us', 'bytes_sent', 'bytes_received', 'retries',
           'key_source', 'pcr_match', 'tvd_sigma', 'error', 'shots', 'admit_us', 'quote_us')

# Which columns say what was done. The first reason is right when it is one of these.
PATH = {'round_trip_us', 'connect_us', 'handshake_us', 'key_latency_us'}
BROKEN = {'error', 'retries', 'bytes_sent', 'bytes_received', 'round_trip_us', 'tls_group', 'tls_resumed'}
CAUSES = {
    'delay': PATH, 'loss': PATH, 'throttle': PATH,
    'cut': BROKEN, 'tamper': BROKEN, 'downgrade': BROKEN, 'mitm': BROKEN, 'mitm_classical': BROKEN,
    'altered': BROKEN | {'key_latency_us'}, 'replay': {'retries', 'key_latency_us', 'key_us'},
    'shots': {'shots', 'simulate_us', 'worker_cpu_us'},
    'exhaustion': PATH | {'admit_us', 'intent_us', 'queue_us', 'parse_us', 'simulate_us', 'quote_us', 'sign_us', 'key_us',
                          'commit_us', 'checkpoint_us', 'worker_cpu_us'},
    'poisoned': {'tvd_sigma', 'tvd'}, 'pcr': {'pcr_match'},
    'eavesdrop': {'key_source', 'key_latency_us', 'key_us'},
}


def run(*arguments):
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout


def make(build, path, rows, seed, anomalies):
    if os.path.exists(path):
        return
    tests = os.path.join(build, 'tests/lab')
    run(os.path.join(build, 'src/cli/ketseal'), 'trace', 'build', f'--rows={rows}', f'--seed={seed}',
        f'--anomalies={anomalies}', f'--out={path}.part', f'--libexec={build}/src', f'--poisoned-worker={tests}/lying_worker',
        f'--altering-server={tests}/altering_server', f'--extending-enclave={tests}/extending_enclave')
    os.rename(path + '.part', path)


def select(source, target, columns):
    with open(source, newline='') as rows, open(target, 'w', newline='') as out:
        writer = csv.writer(out, lineterminator='\n')
        writer.writerow(columns)
        for row in csv.DictReader(rows):
            writer.writerow([row[name] for name in columns])


def largest(reasons, weight):
    return max(reasons, key=weight)['feature']


def try_out(ketseal, directory, name, columns):
    """The evaluation, and per kind: flagged rows, and how often the first reason is right; those by one measure alone."""
    train, test, model = (os.path.join(directory, f'{name}.{part}') for part in ('train.csv', 'test.csv', 'model'))
    select(os.path.join(directory, 'train.csv'), train, [*columns, 'label', 'kind'])
    select(os.path.join(directory, 'test.csv'), test, [*columns, 'label', 'kind'])
    flags = ('--label=label', '--kind=kind')
    run(ketseal, '-q', 'detect', 'train', *flags, f'--seed={SEED}', f'--contamination={CONTAMINATION}', f'--out={model}', train)
    evaluation = json.loads(run(ketseal, '--json', 'detect', 'evaluate', *flags, f'--model={model}', test))
    explained = json.loads(run(ketseal, '--json', 'detect', 'explain', *flags, f'--model={model}', test))
    with open(test, newline='') as rows:
        kinds = [row['kind'] for row in csv.DictReader(rows)]
    counts = {}
    for row in explained['rows']:
        kind = kinds[row['row'] - 1]
        if kind in CAUSES:
            reasons = row['reasons']
            count = counts.setdefault(kind, [0, 0, 0, 0])
            count[0] += 1
            count[1] += reasons[0]['feature'] in CAUSES[kind]
            count[2] += largest(reasons, lambda reason: reason['contribution']) in CAUSES[kind]
            count[3] += largest(reasons, lambda reason: abs(reason['robust_z'])) in CAUSES[kind]
    return evaluation, counts


def share(part, whole):
    return f'{100 * part / whole:.0f} %' if whole else '-'


def main():
    build, directory = (os.path.abspath(path) for path in sys.argv[1:3])
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else ROWS
    ketseal = os.path.join(build, 'src/cli/ketseal')
    os.makedirs(directory, exist_ok=True)
    make(build, os.path.join(directory, 'train.csv'), rows, 2, 5)
    make(build, os.path.join(directory, 'test.csv'), rows, 1, 20)
    with open(os.path.join(directory, 'test.csv'), newline='') as text:
        everything = [name for name in next(csv.reader(text)) if name not in IDENTITY]
    all_of, _ = try_out(ketseal, directory, 'all', everything)
    signals, counts = try_out(ketseal, directory, 'signals', SIGNALS)
    print('| kind | rows | ROC-AUC, all columns | ROC-AUC, signals | found | first reason right | by contribution | by robust z |')
    print('|---|---|---|---|---|---|---|---|')
    everywhere = {kind['kind']: kind['roc_auc'] for kind in all_of['kinds']}
    total = [0, 0, 0, 0]
    for kind in sorted(signals['kinds'], key=lambda kind: -kind['roc_auc']):
        name = kind['kind']
        count = counts.get(name, [0, 0, 0, 0])
        total = [a + b for a, b in zip(total, count)]
        print(f"| {name} | {kind['anomalies']} | {everywhere[name]:.3f} | {kind['roc_auc']:.3f} | "
              f"{share(count[0], kind['anomalies'])} | "
              + ' | '.join(share(right, count[0]) for right in count[1:]) + ' |')
    print(f"| all | {signals['anomalies']} | {all_of['roc_auc']:.3f} | {signals['roc_auc']:.3f} | "
          f"{share(total[0], signals['anomalies'])} | "
          + ' | '.join(share(right, total[0]) for right in total[1:]) + ' |')
    normal = signals['false_positives'] + signals['true_negatives']
    print(f"\nOf {normal} normal rows {share(signals['false_positives'], normal)} are called anomalies.")


if __name__ == '__main__':
    main()
