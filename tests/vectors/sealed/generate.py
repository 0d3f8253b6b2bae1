#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0

"""Writes the vectors beside this file from docs/formats/sealed.md and TPM 2.0 part 3 alone, with
openssl for the operator's key. Each run makes another key."""

import hashlib
import os
import struct
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PURPOSE = b'ketseal/test'


def sha(*parts):
    return hashlib.sha256(b''.join(parts)).digest()


def sized(data):
    return struct.pack('>H', len(data)) + data


def write(name, data):
    path = os.path.join(HERE, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(data)


def policy_pcr(mask, values):
    selection = struct.pack('>IHB', 1, 0x000b, 3) + struct.pack('<I', mask)[:3]
    return sha(bytes(32), struct.pack('>I', 0x17f), selection, sha(*values))


def policy_authorize(point, purpose):
    public = (struct.pack('>HHIHHHHHH', 0x23, 0x0b, 0x40000, 0, 0x10, 0x18, 0x0b, 3, 0x10) +
              sized(point[:32]) + sized(point[32:]))
    name = struct.pack('>H', 0x0b) + sha(public)
    return sha(sha(bytes(32), struct.pack('>I', 0x16a), name), sha(b'ketseal/sealed/1\n', purpose))


def policy_or(first, second):
    return sha(bytes(32), struct.pack('>I', 0x171), first, second)


def public_area(policy):
    return (struct.pack('>HHI', 0x08, 0x0b, 0x412) + sized(policy) + struct.pack('>H', 0x10) +
            sized(sha(b'unique')))


def blob(mask, values, authority, policy, magic=b'ketseal/sealed/1\n', purpose=PURPOSE,
         private=bytes(range(200))):
    out = magic + struct.pack('>I', mask) + b''.join(values)
    out += b'\x01' + authority + sized(purpose) if authority else b'\x00'
    return out + struct.pack('>H', 0x0b) + sha(b'parent') + sized(public_area(policy)) + sized(private)


def openssl(*arguments):
    subprocess.run(('openssl',) + arguments, check=True, stderr=subprocess.DEVNULL)


def rs(der):
    """The two numbers of an Ecdsa-Sig-Value, 32 bytes each."""
    first = der[4:4 + der[3]]
    second = der[6 + der[3]:]
    return first[-32:].rjust(32, b'\0') + second[-32:].rjust(32, b'\0')


def main():
    # PCR 14 after one extension by 0e 00 … 00.
    value = sha(bytes(32), b'\x0e' + bytes(31))
    with tempfile.TemporaryDirectory() as work:
        key = os.path.join(work, 'key.pem')
        openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key)
        openssl('pkey', '-in', key, '-pubout', '-outform', 'DER', '-out',
                os.path.join(HERE, 'authority.der'))
        write('message.bin', policy_pcr(1 << 14, [value]) + sha(b'ketseal/sealed/1\n', PURPOSE))
        openssl('dgst', '-sha256', '-sign', key, '-out', os.path.join(HERE, 'signature.der'),
                os.path.join(HERE, 'message.bin'))
    with open(os.path.join(HERE, 'authority.der'), 'rb') as file:
        point = file.read()[-64:]
    with open(os.path.join(HERE, 'signature.der'), 'rb') as file:
        signature = file.read()

    one = policy_pcr(1 << 14, [value])
    both = policy_or(one, policy_authorize(point, PURPOSE))
    three = [sha(bytes([i])) for i in range(3)]
    every = [sha(bytes([i])) for i in range(24)]
    three_mask = 1 << 0 | 1 << 7 | 1 << 23
    accept = {
        'plain': blob(1 << 14, [value], b'', one),
        'authority': blob(1 << 14, [value], point, both),
        'three': blob(three_mask, three, b'', policy_pcr(three_mask, three)),
        'every': blob(0xffffff, every, point,
                      policy_or(policy_pcr(0xffffff, every), policy_authorize(point, PURPOSE))),
    }
    for name, data in accept.items():
        write('blob/accept/' + name, data)
    plain = accept['plain']
    reject = {
        'empty': b'',
        'magic': blob(1 << 14, [value], b'', one, magic=b'ketseal/sealed/2\n'),
        'no-pcr': blob(0, [], b'', one),
        'pcr-24': blob(1 << 24, [value], b'', one),
        'value-missing': blob(1 << 14, [], b'', one),
        'another-value': blob(1 << 14, [sha(value)], b'', one),
        'another-mask': blob(1 << 13, [value], b'', one),
        'authority-dropped': blob(1 << 14, [value], b'', both),
        'authority-added': blob(1 << 14, [value], point, one),
        'another-purpose': blob(1 << 14, [value], point, both, purpose=b'ketseal/tess'),
        'no-purpose': blob(1 << 14, [value], point, policy_or(one, policy_authorize(point, b'')),
                           purpose=b''),
        'long-purpose': blob(1 << 14, [value], point,
                             policy_or(one, policy_authorize(point, 81 * b'a')), purpose=81 * b'a'),
        'control-purpose': blob(1 << 14, [value], point,
                                policy_or(one, policy_authorize(point, b'a\nb')), purpose=b'a\nb'),
        'two-authorities': plain[:53] + b'\x02' + plain[54:],
        'no-private': blob(1 << 14, [value], b'', one, private=b''),
        'long-private': blob(1 << 14, [value], b'', one, private=bytes(513)),
        'trailing': plain + b'\0',
        'cut': plain[:-1],
        # userWithAuth: a password would do.
        'attributes': plain.replace(struct.pack('>I', 0x412), struct.pack('>I', 0x452)),
    }
    for name, data in reject.items():
        write('blob/reject/' + name, data)
    head = b'ketseal/authorisation/1\n' + struct.pack('>I', 1 << 14) + value
    right = head + sized(PURPOSE) + rs(signature)
    write('authorisation/accept/one', right)
    write('authorisation/reject/empty', b'')
    write('authorisation/reject/magic', b'ketseal/authorisation/2\n' + right[24:])
    write('authorisation/reject/no-pcr', right[:24] + bytes(4) + right[28:])
    write('authorisation/reject/no-purpose', head + sized(b'') + rs(signature))
    write('authorisation/reject/long-purpose', head + sized(81 * b'a') + rs(signature))
    write('authorisation/reject/trailing', right + b'\0')
    write('authorisation/reject/cut', right[:-1])


main()
