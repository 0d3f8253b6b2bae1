#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that hang, crash, lie and try what they may not, in the place of an SDK's: ketseal-adapter answers each with
one clear error, or, where one does as it should, with its counts. Spoken to as the enclave does, frame by frame.

adapter.py KETSEAL-ADAPTER
"""

import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

LIMIT, IO = 4, 5
JOB = 30
SECONDS = 3
BELL = b'OPENQASM 2.0;include "qelib1.inc";qreg q[2];creg c[2];h q[0];cx q[0],q[1];measure q->c;'

HONEST = """
import json, sys
request = json.loads(sys.stdin.readline())
answer = {"protocol": "ketseal.adapter/1", "sdk": "qiskit", "version": "1.0", "backend": "fake", "backend_version": "2",
          "counts": {"11": request["shots"] - 1, "00": 1}, "transpiled": "ab" * 32}
"""
SAY = "print(json.dumps(answer))\n"


def changed(change):
    return HONEST + change + "\n" + SAY


def tries(what):
    """Does WHAT, and answers only if that works."""
    return HONEST + what + "\n" + SAY


# name, the program, the error and a part of its sentence; None: the counts
CASES = [
    ("honest", HONEST + SAY, None, '{"00":1,"11":99}'),
    ("flood of complaints", HONEST + "for i in range(20000): print('x' * 100, file=sys.stderr)\n" + SAY, None, '{"00":1,"11":99}'),
    ("refuses", "import json, sys\nsys.stdin.readline()\nprint(json.dumps({'protocol': 'ketseal.adapter/1', 'sdk': 'qiskit', 'refused': 'not \\x1b today'}))", LIMIT, "adapter 'qiskit': refused: not ? today"),
    ("hangs", "import sys, time\nsys.stdin.readline()\ntime.sleep(3600)", LIMIT, "no answer within 3 s"),
    ("does not listen", "import time\ntime.sleep(3600)", LIMIT, "no answer within 3 s"),
    ("computes for ever", "while True: pass", LIMIT, "no answer within 3 s"),
    ("answers and lives on", HONEST + SAY + "sys.stdout.flush()\nimport os, time\nos.close(1)\nos.close(2)\ntime.sleep(3600)", IO, "closed its output, and did not end"),
    ("crashes", "raise ValueError('no such thing')", IO, "ended with status 1: ValueError: no such thing"),
    ("leaves", "import sys\nsys.exit(7)", IO, "ended with status 7"),
    ("answers and crashes", HONEST + SAY + "sys.exit(3)", IO, "ended with status 3"),
    ("aborts", "import os\nos.abort()", IO, "ended by signal"),
    ("no program", "def", IO, "ended with status 1: SyntaxError"),
    ("says nothing", "import sys\nsys.stdin.readline()", IO, "without an answer"),
    ("speaks first", "print('hello', flush=True)\nimport time\ntime.sleep(3600)", IO, "before it was asked"),
    ("garbage", HONEST + "print('garbage')", IO, "its answer"),
    ("half an answer", HONEST + "print(json.dumps(answer)[:40])", IO, "its answer"),
    ("no newline", HONEST + "print(json.dumps(answer), end='')", IO, "without an answer"),
    ("two answers", HONEST + SAY + SAY, IO, "more than one line"),
    ("something behind", HONEST + SAY + "print(' ')", IO, "more than one line"),
    ("endless", "import sys\nsys.stdin.readline()\nwhile True: sys.stdout.write('x' * 65536)", IO, "more than 8454144 bytes"),
    ("no object", HONEST + "print('[]')", IO, "no object"),
    ("no UTF-8", HONEST + "sys.stdout.buffer.write(b'{\"a\":\"\\xff\"}\\n')", IO, "its answer"),
    ("duplicate members", HONEST + "print(json.dumps(answer)[:-1] + ', \"sdk\": \"qiskit\"}')", IO, "sdk"),
    ("duplicate outcomes", HONEST + "print(json.dumps(answer).replace('\"00\": 1', '\"11\": 1'))", IO, "its answer"),
    ("another protocol", changed("answer['protocol'] = 'ketseal.adapter/2'"), IO, "'protocol'"),
    ("another SDK", changed("answer['sdk'] = 'cirq'"), IO, "'sdk': expected 'qiskit'"),
    ("one member more", changed("answer['extra'] = 1"), IO, "extra"),
    ("one member less", changed("del answer['transpiled']"), IO, "'transpiled'"),
    ("no version", changed("answer['version'] = ''"), IO, "'version'"),
    ("version too long", changed("answer['version'] = '1' * 65"), IO, "'version'"),
    ("refusal and answer", changed("answer['refused'] = 'no'"), IO, "unknown member"),
    ("one shot less", changed("answer['counts']['11'] -= 1"), IO, "add up to 99 of 100"),
    ("one shot more", changed("answer['counts']['11'] += 1"), IO, "over 100 shots"),
    ("no counts", changed("answer['counts'] = {}"), IO, "add up to 0 of 100"),
    ("counts in a list", changed("answer['counts'] = [1]"), IO, "'counts'"),
    ("a negative count", changed("answer['counts'] = {'00': -1, '11': 101}"), IO, "a count"),
    ("a count of 0", changed("answer['counts'] = {'00': 0, '11': 100}"), IO, "one is 0"),
    ("half a count", changed("answer['counts'] = {'00': 0.5, '11': 99.5}"), IO, "a count"),
    ("a text for a count", changed("answer['counts'] = {'00': '1', '11': 99}"), IO, "a count"),
    ("a huge count", changed("answer['counts'] = {'00': 2**64 + 1, '11': 99}"), IO, "its answer"),
    ("one bit more", changed("answer['counts'] = {'000': 1, '11': 99}"), IO, "has 3 bits, not 2"),
    ("one bit less", changed("answer['counts'] = {'0': 1, '11': 99}"), IO, "has 1 bits, not 2"),
    ("no bit", changed("answer['counts'] = {'0x': 1, '11': 99}"), IO, "no bit string"),
    ("a blank", changed("answer['counts'] = {'0 ': 1, '11': 99}"), IO, "no bit string"),
    ("reads a key", tries("open('/etc/passwd').read()"), IO, "PermissionError"),
    ("looks around", tries("import os\nos.listdir('/etc')"), IO, "PermissionError"),
    ("writes a file", tries("open('/tmp/ketseal-adapter-was-here', 'w')"), IO, "PermissionError"),
    ("writes into its environment", tries("open(sys.argv[1] + '/was-here', 'w')"), IO, "PermissionError"),
    ("asks for a socket", tries("import socket\nsocket.create_connection(('127.0.0.1', 9))"), IO, "PermissionError"),
    ("starts a program", tries("import os\nos.execv('/bin/sh', ['sh', '-c', 'exit 0'])"), IO, "PermissionError"),
    ("starts a process", tries("import os\nos.fork()"), IO, "ended by signal 31"),
    ("ends its parent", tries("import os\nos.kill(os.getppid(), 9)"), IO, "ended by signal 31"),
    ("takes the worker's socket", tries("import os\nos.write(3, b'x')"), IO, "OSError: \\[Errno 9\\]"),
    ("takes all memory", tries("x = bytearray(1 << 40)"), IO, "MemoryError"),
    ("sees the environment", tries("import os\nassert set(os.environ) <= {'LC_CTYPE'}, sorted(os.environ)"), None, '{"00":1,"11":99}'),
]  # fmt: skip


def lp16(data):
    return struct.pack(">H", len(data)) + data


def lp32(data):
    return struct.pack(">I", len(data)) + data


def job(source):
    numbers = struct.pack(">IIQQQBQBId", 0, 0, 0, 100, 7, 0, 1 << 30, 0, 0, 1e-16)
    return lp32(source) + lp16(b"") + numbers + lp16(b"")


def started(adapter, environment, script):
    """ketseal-adapter as the launcher starts it, and our end of its socket."""
    ours, theirs = socket.socketpair()
    text = os.memfd_create("script")
    os.write(text, script.encode())

    def place():
        held = os.dup(theirs.fileno()), os.dup(text)
        os.dup2(held[0], 3)
        os.dup2(held[1], 4)

    process = subprocess.Popen(
        [adapter, "qiskit", environment, str(8 << 30), str(SECONDS)], preexec_fn=place, close_fds=False
    )
    theirs.close()
    os.close(text)
    time.sleep(0.3)  # it waits for its job, and so does what it started
    return process, ours


def lives(pid):
    """Not so one that ended and that nobody has asked after."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def outlives(adapter, environment):
    """Whether the interpreter lives on when ketseal-adapter is killed, as the launcher does at the end of a job."""
    process, ours = started(adapter, environment, "import time\ntime.sleep(3600)")
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    process.kill()
    process.wait()
    ours.close()
    for _ in range(100):
        if not any(lives(child) for child in children):
            return len(children) != 1
        time.sleep(0.05)
    return True


def answer_of(adapter, environment, script, source=BELL):
    """(error, text): error None with the counts."""
    process, ours = started(adapter, environment, script)
    payload = job(source)
    ours.sendall(struct.pack(">IHI", 6 + len(payload), JOB, 1) + payload)
    data = b""
    while chunk := ours.recv(1 << 16):
        data += chunk
    process.wait()
    ours.close()
    if len(data) < 12 or data[4:6] != struct.pack(">H", JOB | 0x8000):
        raise SystemExit(f"adapter: no answer but {data[:40]}, status {process.returncode}")
    (error,) = struct.unpack(">H", data[10:12])
    if error != 0:
        return error, data[14:].decode()
    (length,) = struct.unpack(">I", data[12:16])
    return None, data[16 : 16 + length].decode()


def main(adapter):
    failed = 0
    with tempfile.TemporaryDirectory(prefix="ketseal-test.") as folder:
        environment = folder + "/environment"
        made = subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=False)
        if made.returncode != 0:
            print("adapter: SKIPPED: python3 -m venv does not work here")
            return 77
        for name, script, error, words in CASES:
            got, text = answer_of(adapter, environment, script)
            good = got == error and (any(word.replace("\\", "") in text for word in words.split("|")))
            if not good:
                print(f"adapter: FAILED: {name}: {got}, {text[:300]}", file=sys.stderr)
                failed += 1
        for what, path, script, words in [
            ("no environment", folder, HONEST, "pyvenv.cfg"),
            ("no text", environment, "\0", "no text"),
            ("too long a text", environment, "#" * 100000, "1 to 98303 bytes"),
        ]:
            got, text = answer_of(adapter, path, script)
            if got != IO or words not in text:
                print(f"adapter: FAILED: {what}: {got}, {text[:300]}", file=sys.stderr)
                failed += 1
        got, text = answer_of(adapter, environment, HONEST + SAY, b"OPENQASM 2.0;\nqreg q[1];\nhh q[0];\n")
        if got != 3 or "program:3:1" not in text:
            print(f"adapter: FAILED: a program with an error: {got}, {text[:300]}", file=sys.stderr)
            failed += 1
        if outlives(adapter, environment):
            print("adapter: FAILED: the interpreter outlives its adapter", file=sys.stderr)
            failed += 1
        if pathlib.Path("/tmp/ketseal-adapter-was-here").exists():
            print("adapter: FAILED: a file was written", file=sys.stderr)
            failed += 1
    if failed == 0:
        print(f"adapter: {len(CASES) + 4} programs answered")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
