#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Feeds tools/tidy.py something that breaks each rule, and something that only looks like it."""

import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy # noqa: E402

SPDX_C = ('/* SPDX-FileCopyrightText: The ketseal authors\n'
          ' * SPDX-License-Identifier: Apache-2.0 */\n\n')
SPDX_SH = ('#!/bin/sh\n# SPDX-FileCopyrightText: The ketseal authors\n'
           '# SPDX-License-Identifier: Apache-2.0\n')
FIRST = 4 # the line after SPDX_C


def body(*lines):
    """A function with LINES in it."""
    return 'void ks_x(void)\n{\n' + ''.join('    %s\n' % line for line in lines) + '}\n'


def guarded(name, text):
    return '#ifndef %s\n#define %s\n\n%s\n#endif\n' % (name, name, text)


# (rule, path, text after the SPDX lines, line on which it must be found)
BAD = [
    # floors
    ('floor', 'src/base/x.c', '#include "crypto/sign.h"\n', FIRST),
    ('floor', 'src/ledger/x.c', '#include "attest/quote.h"\n', FIRST),
    ('floor', 'src/record/x.c', '#include "net/tls.h"\n', FIRST),
    ('floor', 'src/client/x.c', '#include "enclave/frame.h"\n', FIRST),
    ('floor', 'src/server/x.c', '# include "cli/verb.h"\n', FIRST),
    ('floor', 'src/base/x.c', '#include "ketseal/circuit.h"\n', FIRST),
    ('floor', 'src/gadget/x.c', '\n', 1),
    ('floor', 'src/net/x.c', '#include "gadget/x.h"\n', FIRST),
    ('floor', 'include/ketseal/gadget.h', guarded('KETSEAL_GADGET_H', ''), 1),
    ('floor', 'include/ketseal/verify.h', guarded('KETSEAL_VERIFY_H', '#include "base/mem.h"'), FIRST + 3),
    ('closed', 'src/record/x.c', '#include "quantum/plan.h"\n', FIRST),
    ('closed', 'src/quantum/x.c', '#include "crypto/digest.h"\n', FIRST),
    ('closed', 'src/cli/verify_main.c', '#include "store/store.h"\n', FIRST),
    ('closed', 'src/enclave/worker_main.c', '#include "tpm/tpm.h"\n', FIRST),
    # purity
    ('pure', 'src/ledger/x.c', '#include "base/sys.h"\n', FIRST),
    ('pure', 'src/record/x.h', guarded('KS_RECORD_X_H', '#include "base/log.h"'), FIRST + 3),
    ('pure', 'src/quantum/x.c', '#include <time.h>\n', FIRST),
    ('pure', 'src/attest/x.c', '#include <sys/socket.h>\n', FIRST),
    ('pure', 'src/quantum/x.c', body('x = getenv("HOME");'), FIRST + 2),
    ('pure', 'src/record/x.c', body('now = time(NULL);'), FIRST + 2),
    ('pure', 'src/record/x.c', body('f = fopen(name, "r");'), FIRST + 2),
    ('pure', 'src/fl/x.c', body('fd = open (name, 0);'), FIRST + 2),
    ('pure', 'src/learn/x.c', body('fd = socket(1, 2, 3);'), FIRST + 2),
    ('pure', 'src/chain/x.c', body('printf("%d", 1);'), FIRST + 2),
    ('pure', 'src/detect/x.c', body('clock_gettime(0, &now);'), FIRST + 2),
    # variables
    ('global', 'src/ledger/x.c', 'static int count;\n', FIRST),
    ('global', 'src/quantum/x.c', 'int ks_count = 3;\n', FIRST),
    ('global', 'src/quantum/x.c', 'static const char *name = "x";\n', FIRST),
    ('global', 'src/quantum/x.c', 'static const char *names[] = {"a", "b"};\n', FIRST),
    ('global', 'src/record/x.c', 'static struct ks_table table[] = {\n    {1, 2},\n};\n', FIRST),
    ('global', 'src/record/x.c', 'static void (*hook)(int) = NULL;\n', FIRST),
    ('global', 'src/record/x.c', 'static struct state {\n    int x;\n} state;\n', FIRST + 2),
    ('global', 'src/attest/x.c', '_Thread_local int last;\n', FIRST),
    ('global', 'src/attest/x.c', body('static int calls;'), FIRST + 2),
    ('global', 'src/attest/x.c', body('static const char *last = 0;'), FIRST + 2),
    # owners
    ('owner', 'src/record/x.c', '#include <openssl/evp.h>\n', FIRST),
    ('owner', 'src/enclave/x.c', '#include <tss2/tss2_esys.h>\n', FIRST),
    ('owner', 'src/server/x.c', '#include <sqlite3.h>\n', FIRST),
    ('owner', 'src/enclave/x.c', '#include <event2/event.h>\n', FIRST),
    ('owner', 'src/client/x.c', '#include <curl/curl.h>\n', FIRST),
    ('owner', 'src/server/x.c', '#include <seccomp.h>\n', FIRST),
    ('owner', 'src/server/x.c', '#include <linux/landlock.h>\n', FIRST),
    ('owner', 'src/base/x.c', '#include <cyaml/cyaml.h>\n', FIRST),
    ('owner', 'src/base/x.c', '#include <cmocka.h>\n', FIRST),
    ('owner', 'bench/x.c', '#include <cmocka.h>\n', FIRST),
    ('owner', 'src/net/x.c', '#include <foreign.h>\n', FIRST),
    ('rooted', 'src/base/x.c', '#include "mem.h"\n', FIRST),
    ('rooted', 'src/base/x.c', '#include "../crypto/sign.h"\n', FIRST),
    ('rooted', 'tests/unit/x.c', '#include "../x.h"\n', FIRST),
    ('internal', 'src/net/x.c', '#include "crypto/internal.h"\n', FIRST),
    # calls
    ('banned', 'src/net/x.c', body('memcpy(a, b, 3);'), FIRST + 2),
    ('banned', 'src/quantum/plan.c', body('memmove(a, b, 3);'), FIRST + 2),
    ('banned', 'src/base/x.c', body('strcpy(a, b);'), FIRST + 2),
    ('banned', 'tests/unit/x.c', body('strcat(a, b);'), FIRST + 2),
    ('banned', 'src/base/x.c', body('x = 1;', 'sprintf(a, "%s", b);'), FIRST + 3),
    ('banned', 'src/cli/x.c', body('x = atoi(text);'), FIRST + 2),
    ('banned', 'src/cli/x.c', body('x = strtoull(text, NULL, 10);'), FIRST + 2),
    ('banned', 'src/cli/x.c', body('x = strtod(text, NULL);'), FIRST + 2),
    ('banned', 'src/cli/x.c', body('system("ls");'), FIRST + 2),
    ('banned', 'src/cli/x.c', body('f = popen("ls", "r");'), FIRST + 2),
    ('banned', 'src/cli/x.c', body('exit(1);'), FIRST + 2),
    ('banned', 'src/cli/x.c', body('abort();'), FIRST + 2),
    ('banned', 'src/base/buf.c', body('x = malloc(3);'), FIRST + 2),
    ('banned', 'src/net/x.c', body('x = calloc(3, 1);'), FIRST + 2),
    ('banned', 'src/net/x.c', body('x = realloc(x, 1);'), FIRST + 2),
    ('banned', 'src/net/x.c', body('free(x);'), FIRST + 2),
    ('banned', 'src/net/x.c', body('set_release(x, free);'), FIRST + 2),
    ('banned', 'src/net/x.c', body('x = alloca(3);'), FIRST + 2),
    ('banned', 'src/net/x.c', body('gets(x);'), FIRST + 2),
    ('banned', 'src/net/x.c', body('x = rand();'), FIRST + 2),
    ('banned', 'src/net/x.c', body('assert(x > 0);'), FIRST + 2),
    ('memcmp', 'src/net/x.c', body('if (memcmp(a, b, 3)) {', '}'), FIRST + 2),
    ('memcmp', 'src/base/mem.c', body('x = memcmp(a, b, 3);', 'x = memcmp(a, b, 3);',
                                      'x = memcmp(a, b, 3);'), FIRST + 4),
    # sizes
    ('function-size', 'src/net/x.c', body(*['x++;'] * tidy.FUNCTION_LINES_MAX), FIRST),
    ('file-size', 'src/net/x.c', '\n' * tidy.FILE_LINES_MAX, tidy.FILE_LINES_MAX + 1),
    ('file-size', 'tools/x.py', '\n' * tidy.FILE_LINES_MAX, tidy.FILE_LINES_MAX + 1),
    # form
    ('spdx', 'src/net/x.c', None, 1),
    ('spdx', 'src/net/meson.build', None, 1),
    ('spdx', 'tools/x.sh', None, 1),
    ('spdx', 'tools/x.py', None, 1),
    ('guard', 'src/net/x.h', 'int ks_x(void);\n', 1),
    ('guard', 'src/net/x.h', guarded('KS_NET_Y_H', ''), 1),
    ('guard', 'src/net/x.h', '#ifndef KS_NET_X_H\n#define KS_NET_Y_H\n#endif\n', 1),
    ('guard', 'src/net/x.h', '#include <stdio.h>\n' + guarded('KS_NET_X_H', ''), 1),
    ('guard', 'include/ketseal/error.h', guarded('KS_ERROR_H', ''), 1),
    ('guard', 'src/net/x.h', '#pragma once\n', 1),
    ('leftover', 'src/net/x.c', '/* TO' 'DO: later */\n', FIRST),
    ('leftover', 'tools/x.sh', '# FIX' 'ME\n', FIRST),
    ('leftover', 'docs/x.md', 'XX' 'X here\n', FIRST),
    ('machine', 'src/net/x.c', body('f("/ho' 'me/me/x");'), FIRST + 2),
    ('machine', 'docs/x.md', 'see /ro' 'ot/x\n', FIRST),
    ('machine', 'tools/x.sh', 'cd /wo' 'rk/x\n', FIRST),
    ('goto', 'src/net/x.c', body('goto fail;'), FIRST + 2),
    ('goto', 'src/net/x.c', 'void ks_x(void)\n{\nfail:\n    return;\n}\n', FIRST + 2),
    ('braces', 'src/net/x.c', body('if (x)', '    y();'), FIRST + 2),
    ('braces', 'src/net/x.c', body('for (i = 0; i < f(x); i++) y();'), FIRST + 2),
    ('braces', 'src/net/x.c', body('while (x)', '    y();'), FIRST + 2),
    ('braces', 'src/net/x.c', body('if (x) {', '} else', '    y();'), FIRST + 3),
    ('comment', 'src/net/x.c', 'int x; // note\n', FIRST),
    ('typedef', 'src/net/x.h', guarded('KS_NET_X_H', 'typedef struct x x_t;'), FIRST + 3),
    ('name', 'src/net/x.c', 'int make(void)\n{\n}\n', FIRST),
    ('conditional', 'src/net/x.c', 'static int f(void)\n{\n#ifdef A\n#endif\n}\n', FIRST + 2),
]

# Files in which nothing is to be found.
GOOD = [
    ('src/base/mem.c', '#include "base/mem.h"\n#include <string.h>\n' + body(
        'memcpy(a, b, 1);', 'x = memcmp(a, b, 1);', 'free(x);', 'x = memcmp(a, b, 1);')),
    ('src/net/x.c', '#include "base/sys.h"\n#include <openssl/ssl.h>\n#include "ketseal/error.h"\n' + body(
        '/* memcpy(a, b, 3) and free(x) in words */', 'f("strcpy(a, b)");', 'table->free(x);',
        'pool.read(x);', 'ks_free(x);', '(void)open(name, 0);')),
    ('src/cli/main.c', 'int main(void)\n{\n    exit(1);\n}\n'),
    ('src/record/x.c', '#include "ketseal/circuit.h"\n#include "ledger/note.h"\n'
                       'struct pair {\n    int a;\n};\n'
                       'enum ks_kind { KS_A, KS_B };\n'
                       'static const struct pair pairs[] = {{1}, {2}};\n'
                       'static const char *const names[] = {"a", "b"};\n'
                       'static int compare(const void *a,\n                   const void *b);\n'
                       'enum ks_err ks_y(const uint8_t (*values)[32]);\n'
                       '_Static_assert(1 < 2, "x");\n'
                       '#define TWICE(x)  \\\n    do {      \\\n        x; x; \\\n    } while (0)\n' + body(
                           'static const int limit = 3;', 'static const char *const list[] = {"a"};',
                           'ks_read_u8(&r, &x);', 'double time;', 'do {', '    x++;', '} while (x < 3);',
                           'if (x) {', '} else if (y) {', '} else {', '}', 'goto out;') +
                       'void ks_z(void)\n{\nout:\n    return;\n}\n'),
    ('tests/unit/x.c', '#include <cmocka.h>\n#include <openssl/evp.h>\n#include "expect.h"\n' + body(
        'x = malloc(3);', 'x = strtoull(text, NULL, 10);', 'assert_true(x);', 'mkstemp("/tmp/XXXXXX");')),
    ('src/quantum/kernel_body.h', 'typedef KS_REAL real;\n'),
    ('src/net/x.h', guarded('KS_NET_X_H', 'typedef int (*ks_handler)(int);')),
    ('src/enclave/worker_main.c', '#include "quantum/simulate.h"\n#include "enclave/frame.h"\n'),
]


def findings(path, text):
    if text is not None and tidy.SOURCE.match(path):
        text = (SPDX_C if path.endswith(('.c', '.h')) else SPDX_SH) + text
    elif text is not None:
        text = '\n' * (FIRST - 1) + text
    out = tidy.Findings()
    tidy.check_file(path, text if text is not None else 'x\n', out)
    return out


class Tidy(unittest.TestCase):
    def test_bad(self):
        for rule, path, text, line in BAD:
            with self.subTest(rule=rule, path=path, text=text):
                found = [(f[2], f[1]) for f in findings(path, text)]
                self.assertIn((rule, line), found)

    def test_good(self):
        for path, text in GOOD:
            with self.subTest(path=path):
                self.assertEqual([], list(findings(path, text)))

    def test_every_rule_has_a_breaker(self):
        here = {'header-alone', 'unbuilt'} # test_headers
        self.assertEqual(set(tidy.RULES), {bad[0] for bad in BAD} | here)

    def test_every_banned_name(self):
        for names, allowed, _ in tidy.BANNED:
            for name in names.split('|'):
                with self.subTest(name=name):
                    found = findings('src/net/x.c', body('%s(1);' % name))
                    self.assertIn(('banned', FIRST + 2), [(f[2], f[1]) for f in found])

    def test_every_floor(self):
        """Each ordered pair of modules: allowed exactly when the target is lower or the same."""
        for module, floor in tidy.FLOORS.items():
            for target, below in tidy.FLOORS.items():
                found = findings('src/%s/x.c' % module, '#include "%s/y.h"\n' % target)
                refused = 'floor' in [f[2] for f in found]
                self.assertEqual(refused, not (module == target or below < floor), (module, target))

    def test_headers(self):
        spdx = SPDX_C
        with tempfile.TemporaryDirectory() as root:
            def write(path, text):
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, 'w', encoding='utf-8') as file:
                    file.write(text)
            write('src/net/good.h', spdx + guarded('KS_NET_GOOD_H', '#include <stddef.h>\nsize_t ks_a(void);'))
            write('src/net/needy.h', spdx + guarded('KS_NET_NEEDY_H', 'size_t ks_b(void);'))
            write('src/net/twice.h', spdx + 'struct ks_twice {\n    int x;\n};\n')
            write('src/net/built.c', spdx + '#include "net/good.h"\n')
            write('src/net/unbuilt.c', spdx)
            write('build/compile_commands.json', json.dumps([{
                'directory': os.path.join(root, 'build'), 'file': '../src/net/built.c',
                'command': 'cc -I../src -Wall -Werror -MD -MQ a.o -MF a.d -o a.o -c ../src/net/built.c'}]))
            found = tidy.check_headers(root, os.path.join(root, 'build'))
        self.assertEqual([('src/net/needy.h', 'header-alone'), ('src/net/twice.h', 'header-alone'),
                          ('src/net/unbuilt.c', 'unbuilt')], sorted((f[0], f[2]) for f in found))

    def test_exit_code(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, 'src/net'))
            with open(os.path.join(root, 'src/net/x.c'), 'w', encoding='utf-8') as file:
                file.write(SPDX_C + '#include "server/site.h"\n')
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tidy.py')
            done = tidy.subprocess.run([sys.executable, script, '--root', root], capture_output=True,
                                       text=True, check=False)
        self.assertEqual((1, 'src/net/x.c:4: floor: net (floor 4) may not include server (floor 6)\n'),
                         (done.returncode, done.stdout))


if __name__ == '__main__':
    unittest.main()
