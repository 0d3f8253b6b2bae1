#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the verifier as a web page: one file that holds ketseal-verify as WebAssembly.

  web/build.py BUILD TOOLCHAIN OUT

BUILD is a configured build of meson: what it links ketseal-verify from is compiled here. TOOLCHAIN is the folder of
tools/deps.sh --web. OUT gets verify.html, and verifier.wasm as it stands in it. Same sources, same tools: same bytes.
"""

import argparse
import base64
import concurrent.futures
import gzip
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WEB = ROOT / 'web'

# Linux has what these ask for and WASI does not. The verifier calls none of them: were that to change, the link fails.
NOT_FOR_WASI = {'src/base/fs.c', 'src/base/pool.c', 'src/base/secret_pages.c', 'src/base/sys.c', 'src/crypto/keyfile.c',
                'src/cli/verify_absent.c'}

TARGET = ['-target', 'wasm32-wasi']
CFLAGS = ['-O2', '-g0', '-std=c17', '-fno-sanitize=undefined', '-ffp-contract=off', '-fno-strict-overflow',
          '-ffunction-sections', '-fdata-sections', '-D_GNU_SOURCE', '-D_FILE_OFFSET_BITS=64',
          '-D_WASI_EMULATED_MMAN', '-Isrc', '-Iinclude']
STACK_BYTES = 1 << 20
MEMORY_BYTES_MAX = 1 << 30
# The linker puts the stack first: one that overflows leaves memory and traps, and writes over nothing.
LDFLAGS = ['-O2', '-s', '-Wl,--gc-sections', f'-Wl,-z,stack-size={STACK_BYTES}', f'-Wl,--max-memory={MEMORY_BYTES_MAX}']
EMULATED = ['-lwasi-emulated-mman', '-lwasi-emulated-signal', '-lwasi-emulated-getpid',
            '-lwasi-emulated-process-clocks']


def sources(build):
    """What ketseal-verify is linked from, as the build knows it, so that a new file needs no second list."""
    query = subprocess.run(['ninja', '-C', build, '-t', 'query', 'src/cli/ketseal-verify'], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    objects = {line.strip() for line in query.splitlines() if line.strip().endswith('.o')}
    files = []
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        if entry['output'] in objects:
            path = (pathlib.Path(entry['directory']) / entry['file']).resolve()
            files.append(path.relative_to(ROOT).as_posix())
    if len(files) != len(objects):
        sys.exit(f'build.py: {len(objects)} objects, but {len(files)} sources')
    return sorted(set(files) - NOT_FOR_WASI)


def compile_program(files, toolchain, out):
    """The verifier as WebAssembly, in the file OUT."""
    zig = toolchain / 'ziglang' / 'zig'
    environment = {**os.environ, 'ZIG_GLOBAL_CACHE_DIR': str(toolchain / 'zig-cache')}

    def run(*args):
        done = subprocess.run([zig, 'cc', *TARGET, *args], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f'build.py: {done.stdout}')

    with tempfile.TemporaryDirectory() as folder:
        environment['ZIG_LOCAL_CACHE_DIR'] = folder
        objects = [f'{folder}/{name.replace("/", "_")}.o' for name in files]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda pair: run(*CFLAGS, f'-I{toolchain}/include', '-c', pair[0], '-o', pair[1]),
                              zip(files, objects)):
                pass
        run(*LDFLAGS, *objects, f'{toolchain}/libcrypto.a', *EMULATED, '-o', str(out))


def digest(text):
    """As a policy of a page's contents names a script or a style sheet."""
    return 'sha256-' + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def page(program, facts):
    """The page: everything that it is made of, in one text."""
    parts = {name: (WEB / name).read_text() for name in ('page.css', 'page.js', 'verifier.js', 'worker.js')}
    for name, text in parts.items():
        if '</script' in text.lower() or '</style' in text.lower():
            sys.exit(f'build.py: {name} would end its own element')
    values = {
        'STYLE': parts['page.css'],
        'STYLE_DIGEST': digest(parts['page.css']),
        'SCRIPT': parts['page.js'],
        'SCRIPT_DIGEST': digest(parts['page.js']),
        'WORKER': parts['verifier.js'] + parts['worker.js'],
        'PROGRAM': base64.b64encode(gzip.compress(program, compresslevel=9, mtime=0)).decode(),
        'PROGRAM_BYTES': str(len(program)),
        'PROGRAM_SHA256': hashlib.sha256(program).hexdigest(),
        **facts,
    }
    text = (WEB / 'page.html').read_text()
    for name, value in values.items():
        mark = '{{' + name + '}}'
        if mark not in text:
            sys.exit(f'build.py: page.html has no {mark}')
        text = text.replace(mark, value)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    for name in ('build', 'toolchain', 'out'):
        parser.add_argument(name, type=pathlib.Path)
    args = parser.parse_args()
    build = args.build.resolve()
    project = json.loads(subprocess.run(['meson', 'introspect', '--projectinfo', build], check=True, text=True,
                                        stdout=subprocess.PIPE).stdout)
    args.out.mkdir(parents=True, exist_ok=True)
    program = args.out / 'verifier.wasm'
    compile_program(sources(build), args.toolchain.resolve(), program.resolve())
    text = page(program.read_bytes(), {'VERSION': project['version'],
                                       'TOOLS': (args.toolchain / 'tools').read_text().strip()})
    (args.out / 'verify.html').write_text(text)


if __name__ == '__main__':
    main()
