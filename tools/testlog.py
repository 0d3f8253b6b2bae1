#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Sums up meson's test logs: testlog.py TESTLOG.json

Failures are printed with their output, skips with their reason, and what passed not at all. The last
line is `PASSED FAILED SKIPPED`. A case that cmocka or bats skipped inside a test that passed is
counted, too: a skipped test must not look green.
"""

import json
import re
import sys

PASSED = {'OK', 'EXPECTEDFAIL'}
OUTPUT_LINES_MAX = 120
CASES = [
    # cmocka: what the test printed last is its reason
    re.compile(r'^(?:(?!\[)(?:SKIPPED: )?(?P<reason>.+)\n)?\[  SKIPPED \] (?:test_)?(?P<case>\w+)$', re.M),
    # bats and TAP
    re.compile(r'^ok \d+ (?P<case>.*?) # skip ?(?P<reason>.*)$', re.M | re.I),
]


def output_of(test):
    return '\n'.join(test.get(name) or '' for name in ('stdout', 'stderr')).strip('\n')


def reason_of(test):
    lines = [line.strip() for line in output_of(test).split('\n') if line.strip()]
    return lines[-1] if lines else 'no reason given'


def skipped_cases(test):
    found = {}
    for pattern in CASES:
        for match in pattern.finditer(output_of(test)):
            found.setdefault(match.group('case'), match.group('reason') or 'no reason given')
    return found


def main(path):
    """Prints what failed and what was skipped, and the sums."""
    counts = {'passed': 0, 'failed': 0, 'skipped': 0}
    with open(path, encoding='utf-8') as file:
        tests = [json.loads(line) for line in file if line.strip()]
    for test in tests:
        name = test['name']
        if test['result'] in PASSED:
            counts['passed'] += 1
            for case, reason in skipped_cases(test).items():
                counts['skipped'] += 1
                print('SKIPPED %s: %s: %s' % (name, case, reason))
        elif test['result'] == 'SKIP':
            counts['skipped'] += 1
            print('SKIPPED %s: %s' % (name, reason_of(test)))
        else:
            counts['failed'] += 1
            print('FAILED %s: %s after %.1f s' % (name, test['result'].lower(), test['duration']))
            lines = output_of(test).split('\n')
            if len(lines) > OUTPUT_LINES_MAX:
                print('    (the last %d of %d lines)' % (OUTPUT_LINES_MAX, len(lines)))
            for line in lines[-OUTPUT_LINES_MAX:]:
                print('    ' + line)
    print('%(passed)d %(failed)d %(skipped)d' % counts)


if __name__ == '__main__':
    main(sys.argv[1])
