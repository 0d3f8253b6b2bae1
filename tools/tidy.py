#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""The house rules, executed: floors, banned calls, sizes, form.

  tools/tidy.py                     check the files of this tree
  tools/tidy.py --headers BUILD     compile each header alone, with the flags of BUILD's
                                    compile_commands.json; name sources that no target builds
  tools/tidy.py --rules             list the rules

Prints `file:line: rule: message` and exits with 1 if anything was found. tools/test_tidy.py feeds
each rule something that breaks it.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys

# ---- what the rules know --------------------------------------------------------------------------

FLOORS = {
    'base': 0,
    'crypto': 1,
    'quantum': 2, 'qkd': 2, 'ledger': 2, 'attest': 2, 'entropy': 2, 'chain': 2, 'detect': 2, 'learn': 2,
    'fl': 2,
    'record': 3,
    'tpm': 4, 'store': 4, 'net': 4, 'config': 4,
    'enclave': 5, 'anchor': 5, 'client': 5,
    'server': 6, 'kme': 6, 'witness': 6, 'cli': 6, 'mpi': 6,
}
PURE_FLOORS = (2, 3)

# The installed headers (include/ketseal/NAME.h) stand on the floor of the module behind them.
PUBLIC_OWNER = {'abi': 'client', 'bytes': 'base', 'error': 'base', 'circuit': 'quantum', 'record': 'record', 'verify': 'record',
                'client': 'client'}

# Programs and modules that link a closed set of modules: they include nothing else.
VERIFIER = {'base', 'crypto', 'ledger', 'attest', 'chain', 'record'}
CLOSED = [
    (r'src/(crypto|ledger|attest|chain|record)/', VERIFIER, 'the verifier links'),
    (r'src/cli/(verify_main|verdict)\.[ch]$', VERIFIER, 'the verifier links'),
    (r'src/quantum/', {'base', 'quantum'}, 'the worker links'),
    (r'src/enclave/(worker_main|work|frame|sandbox)\.[ch]$', {'base', 'quantum', 'enclave'},
     'the worker links'),
    (r'src/fl/', {'base', 'crypto', 'fl'}, 'the worker of a round links'),
    (r'src/enclave/(worker_fl_main|fl_work)\.[ch]$', {'base', 'crypto', 'fl', 'enclave'}, 'the worker of a round links'),
]

# Headers from outside, by the modules that own them. None stands for files outside src/.
OUTSIDE = [
    (r'openssl/', {'crypto', 'net', None}),
    (r'tss2/', {'tpm', None}),
    (r'sqlite3\.h', {'store', None}),
    (r'(event2/|event\.h|evhttp\.h)', {'net', 'server', None}),
    (r'curl/', {'net', None}),
    (r'(seccomp\.h|linux/(landlock|seccomp|filter|audit|bpf)\.h)', {'enclave', None}),
    (r'cyaml/', {'config', 'server', 'kme', 'witness', 'cli', None}),
    (r'cblas\.h', {'learn', None}),
    (r'zlib\.h', {'learn', None}),
    (r'mpi\.h', {'mpi', None}),
    (r'secp256k1', {'anchor', None}),
    (r'(immintrin|x86intrin|cpuid|arm_neon|arm_sve)\.h', {'quantum', 'qkd', 'detect', 'fl', 'learn', None}),
    (r'(cmocka\.h|valgrind/)', {None}),
]
CMOCKA = re.compile(r'cmocka\.h|valgrind/')
# The C library and the kernel. A header that is in neither list needs an owner above.
SYSTEM = set('''assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal
    stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string time uchar wchar
    aio dirent dlfcn endian fcntl fts ftw getopt glob grp libgen netdb poll pthread pty pwd sched
    semaphore spawn strings sysexits syslog termios ucontext unistd utime wordexp
    arpa/inet netinet/in netinet/tcp net/if elf link'''.split())

# Called nowhere; who may is said by a pattern on the path. Tests and benches may use the C library
# to have something independent to compare with, so for them only TESTS_TOO holds.
BANNED = [
    (r'memcpy|memmove', r'src/base/|src/quantum/kernel', 'use ks_copy'),
    (r'strcpy|strcat|strncpy|strncat|stpcpy|sprintf|vsprintf|gets', None,
     'no bound: use ks_buf or snprintf'),
    (r'atoi|atol|atoll|atof|strtol|strtoll|strtoul|strtoull|strtof|strtold|sscanf', r'src/base/',
     'use base/text.h'),
    # QASM's and Python's numbers are no JSON; all readers check the form before, and strtod rounds correctly.
    (r'strtod', r'src/base/|src/quantum/qasm_lex\.c$|src/record/pyjson\.c$', 'use base/json.h'),
    (r'system|popen', None, 'runs a shell: use posix_spawn or fork and exec'),
    (r'exit|quick_exit', None, 'return an error; only a file with a main exits'),
    (r'abort', r'src/base/err\.c$', 'use KS_ASSERT'),
    (r'malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf', r'src/base/mem\.c$',
     'use base/mem.h'),
    (r'alloca|strtok', None, 'see STYLE: no stack growth by input, no hidden state'),
    (r'rand|srand|random|srandom|drand48|rand_r', None, 'use crypto/digest.h or the job\'s generator'),
    (r'assert', None, 'use KS_ASSERT, which stays on in release'),
]
TESTS_TOO = re.compile(r'^(strcpy|strcat|strncat|sprintf|vsprintf|gets|atoi|atol|atoll|alloca|'
                       r'rand|srand|assert)$')
# memcmp by file: how many are permitted, since each was looked at and compares nothing secret.
MEMCMP = {
    'src/base/mem.c': 2,
}

# A kernel is written once for numbers of any kind, and names them.
TYPED = re.compile(r'src/(quantum|qkd|detect|fl|learn)/kernel')
# Included several times on purpose, each time with other macros: no guard, and nothing alone.
BODIES = re.compile(r'src/(quantum/kernel_(body|lanes|move|neon)|(qkd|fl)/kernel_body|learn/(kernel_body|net_(blas|body|layers|patches|vector)))\.h$')

# Functions of libraries, defined again so that a static program goes without them, or another one until it needs them.
NAMES_OF_OTHERS = re.compile(r'src/(cli/verify_absent|net/curl_late)\.c$')

PURE_HEADERS = re.compile(r'(time|unistd|fcntl|signal|dirent|poll|netdb|spawn|pthread|dlfcn|termios|'
                          r'locale|syslog)\.h$|sys/|arpa/|netinet/|net/|linux/')
PURE_BASE = {'sys', 'log'}
PURE_CALLS = re.compile(r'(?<![\w.>])(time|clock|clock_gettime|gettimeofday|localtime(?:_r)?|getenv|'
                        r'secure_getenv|setenv|open|openat|creat|fopen|fdopen|freopen|tmpfile|mkstemp|'
                        r'read|write|pread|pwrite|socket|connect|bind|listen|accept|send|recv|'
                        r'getrandom|getentropy|printf|fprintf|vfprintf|puts|fputs|putchar|perror|'
                        r'fork|execv|execve|pthread_create|setlocale)\s*\(')

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 1000
# Built on machines of one kind only.
OF_MACHINE = re.compile(r'src/(quantum|qkd|detect|fl|learn)/(kernel.*|net)_(portable|x86|pclmul|avx2|avx512|neon)')
SPDX = ('SPDX-FileCopyrightText: The ketseal authors', 'SPDX-License-Identifier: Apache-2.0')

# Written in two parts, so that this file does not find itself.
LEFTOVER = re.compile(r'\b(TO' r'DO|FIX' r'ME|X' r'XX)\b')
MACHINE = re.compile(r'(?<![\w.*])/(ro' r'ot|ho' r'me|wo' r'rk)/')

RULES = {
    'floor': 'a module includes lower floors and itself; siblings never include each other',
    'closed': 'what the verifier and the worker link is a closed set',
    'pure': 'floors 2 and 3 know no file, socket, clock, environment, thread or log',
    'global': 'floors 2 and 3 keep no mutable variable of file scope',
    'owner': 'a header from outside appears in its owner module alone',
    'rooted': 'includes are rooted at src/ (or the header stands beside a test)',
    'internal': 'internal.h belongs to its module',
    'banned': 'calls that have a safer form in base',
    'memcmp': 'memcmp only where it was counted',
    'function-size': 'a function has at most %d lines' % FUNCTION_LINES_MAX,
    'file-size': 'a file has at most %d lines' % FILE_LINES_MAX,
    'spdx': 'the two-line SPDX header',
    'guard': 'a header has the include guard its path spells',
    'leftover': 'no note to oneself without an issue',
    'machine': 'no path of somebody\'s machine',
    'goto': 'goto out, forward, and no other label',
    'braces': 'braces always',
    'comment': '/* */ comments',
    'typedef': 'typedef for function pointers only',
    'name': 'every extern function is ks_ + noun + verb',
    'conditional': 'no #if inside a function: use a second file',
    'header-alone': 'a header compiles alone, and twice (--headers)',
    'unbuilt': 'each source of src/ belongs to a target (--headers)',
}


class Findings(list):
    def add(self, path, line, rule, message):
        assert rule in RULES, rule
        self.append((path, line, rule, message))


# ---- reading C ------------------------------------------------------------------------------------

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, keep_strings=False):
    """TEXT with comments and contents of literals blanked; lines and columns stay where they are."""
    def replace(match):
        token = match.group(0)
        if token[0] in '"\'':
            if keep_strings:
                return token
            return token[0] + re.sub(r'[^\n]', ' ', token[1:-1]) + token[0]
        return re.sub(r'[^\n]', ' ', token)
    return TOKEN.sub(replace, text)


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


def functions(code):
    """(name, first line of the signature, line of '{', line of '}', is static), by the brace in
    column 0 that clang-format puts there."""
    lines = code.split('\n')
    found = []
    start = 0
    for number, line in enumerate(lines):
        if line == '{':
            first = number - 1
            while first > 0 and lines[first - 1].strip() and \
                    not re.match(r'\s*[}#]|.*[;\\]\s*$', lines[first - 1]):
                first -= 1
            signature = ' '.join(lines[first:number])
            name = re.search(r'(\w+)\s*\(', re.sub(r'__attribute__\s*\(\(.*?\)\)', '', signature))
            # No parenthesis: clang-format 14 puts the brace of some types there, too.
            start = (name.group(1), first + 1, number + 1,
                     bool(re.search(r'\bstatic\b', signature))) if name else 0
        elif line.startswith('}') and start:
            found.append((start[0], start[1], start[2], number + 1, start[3]))
            start = 0
    return found


def closing(code, opening):
    depth = 0
    for offset in range(opening, len(code)):
        if code[offset] == '(':
            depth += 1
        elif code[offset] == ')':
            depth -= 1
            if depth == 0:
                return offset
    return -1


def module_of(path):
    match = re.match(r'src/(\w+)/', path)
    if match:
        return match.group(1)
    match = re.match(r'include/ketseal/(\w+)\.h$', path)
    return PUBLIC_OWNER.get(match.group(1)) if match else None


def floor_name(module):
    return '%s (floor %d)' % (module, FLOORS[module])


# ---- rules on C -----------------------------------------------------------------------------------

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"\n]+)"|<([^>\n]+)>)', re.M)


def check_rooted_include(path, line, name, out):
    module = module_of(path)
    target = module_of('include/' + name) if name.startswith('ketseal/') else name.split('/')[0]
    if name.startswith('../') or '/../' in name or ('/' not in name and path.startswith(('src/', 'include/'))):
        out.add(path, line, 'rooted', 'include "%s" is not rooted at src/' % name)
        return
    if module is None or '/' not in name:
        return
    if target not in FLOORS:
        out.add(path, line, 'floor', '"%s" belongs to no module of src/' % name)
        return
    if path.startswith('include/') and not name.startswith('ketseal/'):
        out.add(path, line, 'floor', 'an installed header includes "%s", which is not installed' % name)
    if target != module and FLOORS[target] >= FLOORS[module]:
        out.add(path, line, 'floor', '%s may not include %s' % (floor_name(module), floor_name(target)))
    if name.endswith('/internal.h') and target != module:
        out.add(path, line, 'internal', '"%s" is internal to %s' % (name, target))
    for pattern, allowed, who in CLOSED:
        # An installed header gives types and constants; that nothing of it is linked is the
        # verifier's own target to show. Files of one set may include each other.
        inside = any(re.match(other, 'src/' + name) for other, _, whose in CLOSED if whose == who)
        if re.match(pattern, path) and target not in allowed and not inside and \
                not name.startswith('ketseal/'):
            out.add(path, line, 'closed', '"%s": %s %s only' % (name, who, ', '.join(sorted(allowed))))
            break
    if FLOORS[module] in PURE_FLOORS and target == 'base':
        if os.path.splitext(name.split('/')[1])[0] in PURE_BASE:
            out.add(path, line, 'pure', '"%s" in %s' % (name, floor_name(module)))


def check_outside_include(path, line, name, out):
    module = module_of(path)
    for pattern, owners in OUTSIDE:
        if re.match(pattern, name):
            allowed = module in owners
            if CMOCKA.match(name) and not path.startswith('tests/'):
                allowed = False
            if not allowed:
                who = ', '.join(sorted(owner for owner in owners if owner)) or 'tests'
                out.add(path, line, 'owner', '<%s> belongs to %s' % (name, who))
            break
    else:
        stem = name[:-2] if name.endswith('.h') else name
        if path.startswith(('src/', 'include/')) and stem not in SYSTEM and \
                not stem.startswith(('sys/', 'linux/', 'asm/')):
            out.add(path, line, 'owner', '<%s> has no owner: add it to tools/tidy.py' % name)
    if module and FLOORS.get(module) in PURE_FLOORS and PURE_HEADERS.match(name):
        out.add(path, line, 'pure', '<%s> in %s' % (name, floor_name(module)))


def check_includes(path, text, out):
    module = re.match(r'src/(\w+)/', path)
    if module and module.group(1) not in FLOORS:
        out.add(path, 1, 'floor', 'src/%s has no floor: add it to tools/tidy.py' % module.group(1))
        return
    public = re.match(r'include/ketseal/(\w+)\.h$', path)
    if public and public.group(1) not in PUBLIC_OWNER:
        out.add(path, 1, 'floor', 'installed header without an owner: add it to tools/tidy.py')
        return
    for match in INCLUDE.finditer(blank(text, keep_strings=True)):
        line = line_of(text, match.start())
        if match.group(1):
            check_rooted_include(path, line, match.group(1), out)
        else:
            check_outside_include(path, line, match.group(2), out)


def check_calls(path, code, out):
    product = path.startswith(('src/', 'include/'))
    has_main = re.search(r'^int main\(', code, re.M)
    for names, allowed, message in BANNED:
        if allowed and re.match(allowed, path):
            continue
        if has_main and names.startswith('exit'):
            continue
        # Not a member (x.free, x->read) and not a longer name; free also as a value.
        for match in re.finditer(r'(?<![\w.])(?<!->)(%s)\b(?=\s*[(),;])' % names, code):
            before = code[max(0, match.start() - 40):match.start()]
            called = re.match(r'\s*\(', code[match.end():match.end() + 3])
            passed = match.group(1) == 'free' and re.search(r'[=(,]\s*$', before)
            if not called and not passed:
                continue
            if re.search(r'__attribute__\s*\(\($', before) or re.search(r'\bSCMP_SYS\($', before):
                continue
            if product or TESTS_TOO.match(match.group(1)):
                out.add(path, line_of(code, match.start()), 'banned',
                        '%s: %s' % (match.group(1), message))
    if product:
        places = [line_of(code, m.start()) for m in re.finditer(r'(?<![\w.])memcmp\s*\(', code)]
        if len(places) > MEMCMP.get(path, 0):
            out.add(path, places[-1], 'memcmp', '%d calls, %d counted: ks_ct_equal for secrets, '
                    'ks_bytes_equal for the rest' % (len(places), MEMCMP.get(path, 0)))


def check_pure(path, code, out):
    module = module_of(path)
    if not path.startswith('src/') or FLOORS.get(module) not in PURE_FLOORS:
        return
    for match in PURE_CALLS.finditer(code):
        out.add(path, line_of(code, match.start()), 'pure',
                '%s() in %s' % (match.group(1), floor_name(module)))
    check_globals(path, code, out)


def mutable(declaration):
    """Whether DECLARATION (up to '=' or ';') declares an object that can be written."""
    head = declaration.split('=')[0]
    if re.match(r'\s*(typedef|extern)\b|\s*#', head) or '_Static_assert' in head:
        return False
    if '(' in head and not re.match(r'[^(]*\(\s*\*', head):
        return False # a function
    if re.match(r'\s*(?:static\s+)?(struct|union|enum)\s*\w*\s*$', head):
        return False # a type
    if '(' in head:
        return not re.search(r'\(\s*\*\s*const\b', head)
    if '*' in head:
        return not re.search(r'\bconst\b', head.rsplit('*', 1)[1])
    return not re.search(r'\bconst\b', head)


def check_globals(path, code, out):
    code = re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', lambda m: re.sub(r'[^\n]', ' ', m.group(0)), code,
                  flags=re.M)
    depth = 0
    start = 0
    declaration = ''
    for offset, char in enumerate(code):
        if char == '{':
            if depth == 0:
                declaration = code[start:offset]
            depth += 1
        elif char == '}':
            depth -= 1
            if depth == 0 and '=' not in declaration:
                # The end of a function or of a type: a variable may follow a type's brace.
                after = re.match(r'\s*(\w+)[^;{}]*;', code[offset + 1:]) \
                    if re.match(r'\s*(static\s+)?(const\s+)?(struct|union|enum)\b[^()]*$', declaration) else None
                if after and after.group(1) != '__attribute__' and 'const' not in declaration:
                    out.add(path, line_of(code, offset), 'global', 'variable %s' % after.group(1))
                start = offset + 1
        elif char == ';' and depth == 0:
            text = code[start:offset]
            if '{' in text and '=' not in text.split('{')[0]:
                text = '' # what follows a type's brace was seen above
            if re.search(r'\w', text) and re.search(r'\w[\s*]+\w', text.split('=')[0]) and mutable(text):
                first = start + len(text) - len(text.lstrip())
                out.add(path, line_of(code, first), 'global',
                        ' '.join(text.split('=')[0].split())[:60])
            start = offset + 1
    for match in re.finditer(r'^[ \t]+static\s+([^;={]*)', code, re.M):
        if mutable('static ' + match.group(1)):
            out.add(path, line_of(code, match.start()), 'global',
                    'static %s inside a function' % ' '.join(match.group(1).split()))


def check_functions(path, code, out):
    for name, first, opening, last, is_static in functions(code):
        if last - first + 1 > FUNCTION_LINES_MAX:
            out.add(path, first, 'function-size', '%s has %d lines' % (name, last - first + 1))
        ours = is_static or name.startswith('ks_') or name == 'main' or NAMES_OF_OTHERS.match(path)
        if path.startswith('src/') and not ours:
            out.add(path, first, 'name', 'extern function %s' % name)
        body = code.split('\n')[opening:last - 1]
        for number, line in enumerate(body):
            if path.startswith('src/') and re.match(r'\s*#\s*(if|ifdef|ifndef)\b', line):
                out.add(path, opening + number + 1, 'conditional', 'in %s' % name)
            match = re.match(r'\s*([A-Za-z_]\w*)\s*:(?!:)\s*$', line)
            if match and match.group(1) not in ('out', 'default'):
                out.add(path, opening + number + 1, 'goto', 'label %s in %s' % (match.group(1), name))


def check_form(path, text, code, out):
    for match in re.finditer(r'\bgoto\s+(?!out\s*;)(\w+)', code):
        out.add(path, line_of(code, match.start()), 'goto', 'goto %s' % match.group(1))
    for match in TOKEN.finditer(text):
        if match.group(0).startswith('//'):
            out.add(path, line_of(text, match.start()), 'comment', 'a // comment')
    for match in re.finditer(r'^[ \t]*typedef\b([^;]*)', code, re.M):
        if path.startswith(('src/', 'include/')) and not TYPED.match(path) and not re.search(r'\(\s*\*', match.group(1)):
            out.add(path, line_of(code, match.start()), 'typedef', 'struct and enum keep their tags')
    for match in re.finditer(r'\b(if|for|while|switch)\s*\(', code):
        if re.search(r'#[ \t]*$', code[:match.start()].rsplit('\n', 1)[-1]):
            continue
        end = closing(code, match.end() - 1)
        rest = code[end + 1:].lstrip(' \t\n\\') if end >= 0 else '{'
        # clang-format puts the end of a do beside its brace.
        tail_of_do = match.group(1) == 'while' and code[:match.start()].rstrip(' \t').endswith('}')
        if not rest.startswith('{') and not tail_of_do:
            out.add(path, line_of(code, match.start()), 'braces', '%s without braces' % match.group(1))
    for match in re.finditer(r'^[^#\n]*\belse\b(?!\s*(\{|if\b))', code, re.M):
        out.add(path, line_of(code, match.start()), 'braces', 'else without braces')


def check_guard(path, text, out):
    if path.startswith('include/ketseal/'):
        want = 'KETSEAL_' + path[len('include/ketseal/'):]
    else:
        want = 'KS_' + (path[len('src/'):] if path.startswith('src/') else path)
    want = re.sub(r'\W', '_', want).upper()
    directives = re.findall(r'^[ \t]*#[ \t]*(.*?)[ \t]*$', blank(text), re.M)
    if directives[:2] != ['ifndef ' + want, 'define ' + want] or directives[-1] != 'endif':
        out.add(path, 1, 'guard', 'the first lines must be #ifndef and #define %s' % want)


# ---- rules on every file --------------------------------------------------------------------------

C_FILE = re.compile(r'.*\.[ch]$')
SOURCE = re.compile(r'.*\.(c|h|py|sh|bats|mjs|go|rs)$|(.*/)?(meson\.build|meson_options\.txt|Makefile|'
                    r'run)$')
# Text that people wrote: notes to oneself and paths of machines are looked for in these.
PROSE = re.compile(r'.*\.(md|yaml|yml|toml|1|8|5|7|service|socket|html|js|ts|sol|in|clang-tidy)$|'
                   r'(.*/)?[A-Z]+$')
DATA = re.compile(r'tests/(vectors|fuzz/corpus)/|data/')


def check_file(path, text, out):
    if path.endswith('/run') and not text.startswith('#!'):
        return
    if SOURCE.match(path) and not DATA.match(path):
        head = '\n'.join(text.split('\n')[:4])
        if not all(line in head for line in SPDX):
            out.add(path, 1, 'spdx', 'the first lines lack the SPDX header')
        if text.count('\n') > FILE_LINES_MAX:
            out.add(path, FILE_LINES_MAX + 1, 'file-size', '%d lines' % text.count('\n'))
    if (SOURCE.match(path) or PROSE.match(path)) and not DATA.match(path):
        for number, line in enumerate(text.split('\n')):
            if LEFTOVER.search(line):
                out.add(path, number + 1, 'leftover', LEFTOVER.search(line).group(0))
            if MACHINE.search(line):
                out.add(path, number + 1, 'machine', MACHINE.search(line).group(0))
    if C_FILE.match(path) and not DATA.match(path):
        code = blank(text)
        check_includes(path, text, out)
        check_calls(path, code, out)
        check_pure(path, code, out)
        check_functions(path, code, out)
        check_form(path, text, code, out)
        if path.endswith('.h') and not BODIES.match(path):
            check_guard(path, text, out)


def files_of(root):
    listed = subprocess.run(['git', '-C', root, 'ls-files', '-z', '--cached', '--others',
                             '--exclude-standard'], capture_output=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.decode().split('\0')
    else: # an unpacked archive
        names = [os.path.relpath(os.path.join(folder, name), root)
                 for folder, _, files in os.walk(root) for name in files]
        names = [name for name in names if not re.match(r'(\.git|build)/', name)]
    return sorted(name for name in set(names) if name and os.path.isfile(os.path.join(root, name)))


def check_tree(root):
    out = Findings()
    for path in files_of(root):
        if SOURCE.match(path) or PROSE.match(path):
            with open(os.path.join(root, path), encoding='utf-8', errors='replace') as file:
                check_file(path, file.read(), out)
    return out


# ---- headers alone --------------------------------------------------------------------------------

def compile_flags(build):
    """{absolute path of a source: flags without input and output}, and its working folder."""
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as file:
        commands = json.load(file)
    flags = {}
    for entry in commands:
        words = shlex.split(entry['command'])
        kept = []
        skip = False
        for word in words:
            if skip:
                skip = False
            elif word in ('-o', '-MF', '-MQ', '-MT'):
                skip = True
            elif word not in ('-c', '-MD', '-MMD', entry['file']):
                kept.append(word)
        flags[os.path.realpath(os.path.join(entry['directory'], entry['file']))] = \
            (kept, entry['directory'])
    return flags


def flags_for(root, path, flags):
    """Those of a source beside the header, else of one in the same part of the tree, else any."""
    folder = os.path.join(os.path.realpath(root), os.path.dirname(path)) + os.sep
    part = os.path.join(os.path.realpath(root), path.split('/')[0]) + os.sep
    for prefix in (folder, part, ''):
        for source in sorted(flags):
            if source.startswith(prefix):
                return flags[source]
    raise SystemExit('tidy.py: compile_commands.json is empty')


def check_header_alone(root, path, flags):
    words, directory = flags_for(root, path, flags)
    full = os.path.join(os.path.realpath(root), path)
    # Twice, so that the guard works; and a declaration, since a translation unit may not be empty.
    unit = '#include "%s"\n#include "%s"\nextern int ks_tidy_unit;\n' % (full, full)
    done = subprocess.run(words + ['-fsyntax-only', '-x', 'c', '-'], input=unit, cwd=directory,
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.split('\n') if 'error' in line] or [done.stderr.strip()]
    # The compiler colours its errors when asked to by the build.
    return re.sub(r'\x1b\[[0-9;]*[mK]', '', errors[0])


def check_headers(root, build):
    out = Findings()
    flags = compile_flags(build)
    paths = [path for path in files_of(root) if not DATA.match(path)]
    headers = [path for path in paths if path.endswith('.h') and not BODIES.match(path)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = pool.map(lambda path: check_header_alone(root, path, flags), headers)
        for path, error in zip(headers, errors):
            if error is not None:
                out.add(path, 1, 'header-alone', error)
    for path in paths:
        full = os.path.join(os.path.realpath(root), path)
        if path.startswith('src/') and path.endswith('.c') and full not in flags and \
                not OF_MACHINE.match(path):
            out.add(path, 1, 'unbuilt', 'no target of %s compiles this file' % os.path.basename(build))
    return out


def main():
    parser = argparse.ArgumentParser(description='check the house rules')
    parser.add_argument('--root', default=os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    parser.add_argument('--headers', metavar='BUILD', help='compile each header alone')
    parser.add_argument('--rules', action='store_true', help='list the rules')
    args = parser.parse_args()
    if args.rules:
        for rule, text in RULES.items():
            print('%-14s %s' % (rule, text))
        return 0
    found = check_headers(args.root, args.headers) if args.headers else check_tree(args.root)
    for path, line, rule, message in sorted(found):
        print('%s:%d: %s: %s' % (path, line, rule, message))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
