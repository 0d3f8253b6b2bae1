#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""tools/testlog.py counts what fails, what is skipped, and what only looks green."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testlog # noqa: E402

CMOCKA_SKIP = """[ RUN      ] test_a
[       OK ] test_a
[ RUN      ] test_b
SKIPPED: no TPM here
[  SKIPPED ] test_b
[ RUN      ] test_c
[  SKIPPED ] test_c
[==========] 3 test(s) run.
[  SKIPPED ] 2 test(s), listed below:
[  SKIPPED ] test_b
[  SKIPPED ] test_c

 2 SKIPPED TEST(S)
"""


def sums(*tests):
    with tempfile.NamedTemporaryFile('w', suffix='.json') as file:
        for number, (result, stdout) in enumerate(tests):
            file.write(json.dumps({'name': 't%d' % number, 'result': result, 'stdout': stdout,
                                   'duration': 1.5}) + '\n')
        file.flush()
        with contextlib.redirect_stdout(io.StringIO()) as out:
            testlog.main(file.name)
    return out.getvalue().split('\n')[:-1]


class Testlog(unittest.TestCase):
    def test_good_is_quiet(self):
        self.assertEqual(['2 0 0'], sums(('OK', 'x'), ('OK', '')))

    def test_whatever_is_not_good_is_bad(self):
        for result in ('FAIL', 'TIMEOUT', 'ERROR', 'INTERRUPT', 'UNEXPECTEDPASS', 'new'):
            lines = sums(('OK', ''), (result, 'the reason'))
            self.assertEqual('1 1 0', lines[-1])
            self.assertIn('    the reason', lines)

    def test_skips(self):
        self.assertEqual(['SKIPPED t0: swtpm is absent', '0 0 1'], sums(('SKIP', 'x\nswtpm is absent\n')))
        self.assertEqual(['SKIPPED t0: b: no TPM here', 'SKIPPED t0: c: no reason given', '1 0 2'],
                         sums(('OK', CMOCKA_SKIP)))
        self.assertEqual(['SKIPPED t0: two jobs: no net', '1 0 1'],
                         sums(('OK', '1..2\nok 1 one job\nok 2 two jobs # skip no net\n')))


if __name__ == '__main__':
    unittest.main()
