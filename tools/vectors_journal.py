#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/journal and the seeds of its fuzzer from docs/formats/journal.md alone: an
independent writer of the key journal, with HMAC, HKDF and AES-256-GCM of Python and its package cryptography.

    tools/vectors_journal.py          from the top of the tree
"""
import hashlib
import hmac
import pathlib
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASTER = bytes(range(32))
INSTANCE = 0x0123456789ABCDEF
GENERATION = bytes(range(0xA0, 0xB0))
DEVICE = bytes([0xD0]) * 32
SALT = bytes([0x5A]) * 32
SECRET = bytes(range(0x40, 0x60))
EXPIRES = 2_000_000_000
RECORD = 184


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf(secret, salt, info, length=32):
    prk = mac(salt or bytes(32), secret)
    out, block = b"", b""
    counter = 1
    while len(out) < length:
        block = mac(prk, block + info + bytes([counter]))
        out += block
        counter += 1
    return out[:length]


MAC_KEY = hkdf(MASTER, b"", b"ketseal/journal/mac/1")
WRAP_KEY = hkdf(MASTER, b"", b"ketseal/journal/wrap/1")


def counted(rewriting):
    return struct.pack(">Q", rewriting) + GENERATION[8:]


def header(number_next, base_count, version=1, magic=b"ketseal-journal\n", generation=GENERATION):
    body = magic + struct.pack(">IQQ", version, INSTANCE, number_next) + generation
    body += struct.pack(">I", base_count)
    return body + mac(MAC_KEY, body)


def batch_body(number, count=100, mark=0, expires=EXPIRES, kind=1):
    ad = b"ketseal/journal/batch/1" + struct.pack(">QQ", INSTANCE, number) + DEVICE
    ad += struct.pack(">IQ", count, expires) + SALT
    nonce = struct.pack(">IQ", 7, number)
    sealed = AESGCM(WRAP_KEY).encrypt(nonce, SECRET, ad)
    return (struct.pack(">IQI", kind, number, mark) + DEVICE + struct.pack(">IQ", count, expires)
            + SALT + nonce + sealed)


def mark_body(number, mark, tail=None):
    return struct.pack(">IQI", 2, number, mark) + (tail or bytes(136))


def journal(head, bodies):
    out, tag = head, head[-32:]
    for body in bodies:
        assert len(body) == RECORD - 32
        tag = mac(MAC_KEY, tag + body)
        out += body + tag
    return out


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def main():
    good = journal(header(6, 2), [batch_body(3, mark=64), batch_body(5), mark_body(5, 64),
                                  batch_body(9, count=4096), mark_body(9, 4096), mark_body(5, 100),
                                  mark_body(3, 70)])
    head, base = 88, 88 + 2 * RECORD
    bodies = [batch_body(3, mark=64), batch_body(5), mark_body(5, 64)]
    accept = {
        "version-2": journal(header(6, 2, version=2, generation=counted(7)), bodies),
        "version-2-torn": journal(header(6, 2, version=2, generation=counted(7)), bodies)[:-3],
        "base-and-appended": good,
        "fresh": journal(header(1, 0), []),
        "torn-tail": good[:-1],
        "torn-to-nothing": good[:-RECORD + 1],
        "false-tail": flip(good, len(good) - 1),
        "tail-of-zeros": good[:-RECORD] + bytes(RECORD),
        "expired": journal(header(2, 1), [batch_body(1, expires=1)]),
    }
    reject = {
        "FORMAT-short-header": good[:87],
        "FORMAT-magic": journal(header(6, 0, magic=b"ketseal-journal\r"), []),
        "FORMAT-version": journal(header(6, 0, version=3), []),
        "FORMAT-version-0": journal(header(6, 0, version=0), []),
        "VERIFY-rewriting-none": journal(header(6, 0, version=2, generation=counted(0)), []),
        "VERIFY-rewriting-last": journal(header(6, 0, version=2, generation=counted(2**64 - 1)), []),
        "VERIFY-header": flip(good, 30),
        "VERIFY-generation": flip(good, 40),
        "VERIFY-base-cut": good[:base - 1],
        "VERIFY-base-cut-whole": good[:head + RECORD],
        "VERIFY-base-changed": flip(good, head + 20),
        "VERIFY-base-last-changed": flip(good[:base], base - 1),
        "VERIFY-middle-changed": flip(good, base + 14),
        "VERIFY-middle-left-out": good[:base] + good[base + RECORD:],
        "VERIFY-swapped": good[:base] + good[base + RECORD:base + 2 * RECORD]
                          + good[base:base + RECORD] + good[base + 2 * RECORD:],
        "VERIFY-two-torn": good[:-RECORD] + bytes(RECORD + 1),
        "VERIFY-type": journal(header(6, 0), [batch_body(7, kind=3)]),
        "VERIFY-count-zero": journal(header(6, 0), [batch_body(7, count=0)]),
        "VERIFY-count": journal(header(6, 0), [batch_body(7, count=4097)]),
        "VERIFY-mark-over-count": journal(header(6, 0), [batch_body(7, mark=101)]),
        "VERIFY-number-again": journal(header(6, 0), [batch_body(7), batch_body(7)]),
        "VERIFY-number-down": journal(header(6, 0), [batch_body(7), batch_body(6)]),
        "VERIFY-number-below-next": journal(header(6, 0), [batch_body(5)]),
        "VERIFY-base-number-above-next": journal(header(6, 1), [batch_body(6)]),
        "VERIFY-number-last": journal(header(6, 0), [batch_body(2**64 - 1)]),
        "VERIFY-mark-in-base": journal(header(6, 2), [batch_body(3), mark_body(3, 64)]),
        "VERIFY-mark-of-nothing": journal(header(6, 0), [mark_body(3, 64)]),
        "VERIFY-mark-down": journal(header(6, 1), [batch_body(3, mark=64), mark_body(3, 63)]),
        "VERIFY-mark-same": journal(header(6, 1), [batch_body(3, mark=64), mark_body(3, 64)]),
        "VERIFY-mark-past-count": journal(header(6, 1), [batch_body(3), mark_body(3, 101)]),
        "VERIFY-mark-tail": journal(header(6, 1), [batch_body(3),
                                                   mark_body(3, 64, bytes(135) + b"\x01")]),
        "VERIFY-base-count": journal(header(6, 16385), [batch_body(3)]),
    }
    root = pathlib.Path("tests/vectors/journal")
    for folder, files in (("accept", accept), ("reject", reject)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (root / folder / name).write_bytes(data)
    keys = [f"{i} {hkdf(SECRET, SALT, b'ketseal/one-time-key/1' + struct.pack('>I', i)).hex()}\n"
            for i in (0, 1, 63, 64, 4095)]
    (root / "keys").write_text("".join(keys))
    # The fuzzer's inputs: a mode byte; 0: the file as it is, 1: bodies to which it puts true tags.
    corpus = pathlib.Path("tests/fuzz/corpus/journal")
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "raw").write_bytes(b"\x00" + good)
    (corpus / "raw-torn").write_bytes(b"\x00" + good[:-7])
    (corpus / "raw-version-2").write_bytes(b"\x00" + accept["version-2"])
    bodies.append(mark_body(3, 70))
    (corpus / "bodies").write_bytes(b"\x01\x02" + b"".join(bodies))
    (corpus / "bodies-bad").write_bytes(b"\x01\x00" + mark_body(5, 64) + batch_body(9))


if __name__ == "__main__":
    main()
