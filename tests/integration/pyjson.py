#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""JSON as Python reads and writes it, by Python itself and by record/pyjson.h: the same bytes for random texts and
for damaged ones, and what one refuses the other does.   pyjson.py PYJSON_LINES"""

import json
import random
import struct
import subprocess
import sys

TEXTS = 8000
draw = random.Random(20261126)
ESCAPES = ["\\n", "\\/", "\\u0041", "\\u00e9", "\\ud83d\\ude00", "\\ud800", "\\udc00x", "\\u007F", "\\\"", "\\\\", "\\b"]


def a_string():
    pieces = draw.choices(["a", "Z", " ", "é", "☃", "😀", "\x7f", *ESCAPES], k=draw.randrange(6))
    return '"' + "".join(pieces) + '"'


def a_float():
    while True:
        value = struct.unpack("<d", draw.randbytes(8))[0]
        if value == value and abs(value) != float("inf"):
            return value


def a_number():
    kind = draw.randrange(7)
    if kind == 0:
        return str(draw.randrange(-(10 ** draw.randrange(1, 30)), 10 ** draw.randrange(1, 30)))
    if kind == 1:
        return repr(a_float())
    if kind == 2:
        return f"{a_float():.{draw.randrange(1, 25)}e}"
    if kind == 3:
        return f"{draw.uniform(-1e6, 1e6):.{draw.randrange(1, 20)}f}"
    if kind == 4:
        return f"{draw.choice(['', '-'])}{draw.randrange(10)}.{draw.randrange(1000)}{draw.choice(['', 'e5', 'E-7', 'e+20', 'e-5', 'e400'])}"
    if kind == 5:
        return repr(2.0 ** draw.randrange(-1074, 1024))
    return draw.choice(["NaN", "Infinity", "-Infinity", "-0", "-0.0", "0", "1E16", "1e15", "9007199254740993", "123456789012345680.0"])


def a_space():
    return "".join(draw.choices([" ", "\n", "\t", "\r"], k=draw.choice([0, 0, 0, 1, 2])))


def a_value(depth):
    kind = draw.randrange(8 if depth < 5 else 5)
    if kind < 2:
        text = a_string()
    elif kind < 4:
        text = a_number()
    elif kind == 4:
        text = draw.choice(["true", "false", "null"])
    elif kind == 5:
        text = "[" + ",".join(a_value(depth + 1) for _ in range(draw.randrange(4))) + a_space() + "]"
    else:
        members = (a_space() + a_string() + a_space() + ":" + a_value(depth + 1) for _ in range(draw.randrange(5)))
        text = "{" + ",".join(members) + a_space() + "}"
    return a_space() + text + a_space()


def a_text():
    text = a_value(0).encode("utf-8")
    if draw.randrange(3) == 0:
        damaged = bytearray(text)
        for _ in range(draw.randrange(1, 3)):
            at = draw.randrange(len(damaged) + 1)
            damaged[at:at + draw.randrange(2)] = draw.choice([b"", b"0", b"}", b",", b'"', b"\\", b"\x01", b"\xff", b".", b"e"])
        text = bytes(damaged)
    return text


def by_python(text, ascii_only):
    try:
        value = json.loads(text.decode("utf-8"))
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=ascii_only).encode("utf-8")
    except ValueError:
        return b"-"


texts = [a_text() for _ in range(TEXTS)]
told = b"".join(b"%d\n%s" % (len(text), text) for text in texts)
answer = subprocess.run([sys.argv[1]], input=told, capture_output=True, check=True).stdout.split(b"\n")
assert len(answer) == 2 * TEXTS + 1, len(answer)
refused = 0
for i, text in enumerate(texts):
    for j, ascii_only in enumerate((True, False)):
        want = by_python(text, ascii_only)
        refused += want == b"-"
        if answer[2 * i + j] != want:
            sys.exit(f"{text!r}: ours {answer[2 * i + j]!r}, Python's {want!r}")
assert TEXTS // 10 < refused < TEXTS, refused
print(f"{TEXTS} texts, {refused} of {2 * TEXTS} refused, as Python")
