#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Boot logs and lists of measured files, with the PCR values that they lead to.

  tools/vectors_platform_logs.py tests/vectors/platform-logs

Writes accept/NAME.tcg and accept/NAME.ima, each with NAME.json beside it (what a reader has to find),
and reject/: the first word of a name is the error that it has to give. The values are replayed here by
hashlib; nothing of ketseal takes part. The structures are those of TCG PC Client Platform Firmware
Profile 1.05 and of Linux' security/integrity/ima. The same run gives the same bytes.
"""

import hashlib
import json
import os
import struct
import sys

ALGS = {'sha1': (0x0004, 20), 'sha256': (0x000b, 32), 'sha384': (0x000c, 48), 'sha512': (0x000d, 64)}
EV = {
    'EV_POST_CODE': 0x1, 'EV_NO_ACTION': 0x3, 'EV_SEPARATOR': 0x4, 'EV_ACTION': 0x5,
    'EV_S_CRTM_VERSION': 0x8, 'EV_IPL': 0xd, 'EV_EFI_VARIABLE_DRIVER_CONFIG': 0x80000001,
    'EV_EFI_VARIABLE_BOOT': 0x80000002, 'EV_EFI_BOOT_SERVICES_APPLICATION': 0x80000003,
    'EV_EFI_GPT_EVENT': 0x80000006, 'EV_EFI_ACTION': 0x80000007,
    'EV_EFI_PLATFORM_FIRMWARE_BLOB2': 0x8000000a, 'EV_EFI_HANDOFF_TABLES2': 0x8000000b,
    'EV_EFI_VARIABLE_BOOT2': 0x8000000c, 'EV_EFI_VARIABLE_AUTHORITY': 0x800000e0,
}
GLOBAL = bytes.fromhex('61dfe48bca93d211aa0d00e098032b8c')
SECURITY = bytes.fromhex('cbb219d73a3d9645a3bcdad00e67656f')


def digest(alg, data):
    return hashlib.new(alg, data).digest()


# ---- the firmware's log ----------------------------------------------------------------------------

def spec_event(algs, version=(0, 2), signature=b'Spec ID Event03\0', vendor=b''):
    data = signature + struct.pack('<I4B', 0, version[0], version[1], 0, 2)
    data += struct.pack('<I', len(algs))
    for alg in algs:
        data += struct.pack('<HH', *ALGS[alg])
    data += bytes([len(vendor)]) + vendor
    return struct.pack('<II', 0, 3) + bytes(20) + struct.pack('<I', len(data)) + data


def event(pcr, kind, data, algs, hashed=None, digests=None):
    """HASHED is what was measured where it is not the data; DIGESTS overrides all."""
    body = hashed if hashed is not None else data
    if digests is None:
        digests = [(ALGS[a][0], bytes(ALGS[a][1]) if kind == 'EV_NO_ACTION' else digest(a, body))
                   for a in algs]
    out = struct.pack('<III', pcr, EV.get(kind, kind if isinstance(kind, int) else 0), len(digests))
    for alg, value in digests:
        out += struct.pack('<H', alg) + value
    return out + struct.pack('<I', len(data)) + data


def variable(guid, name, contents):
    return guid + struct.pack('<QQ', len(name), len(contents)) + name.encode('utf-16-le') + contents


def load_option(name):
    end = struct.pack('<BBH', 0x7f, 0xff, 4)
    return struct.pack('<IH', 1, len(end)) + name.encode('utf-16-le') + b'\0\0' + end


def image(path):
    name = path.encode('utf-16-le') + b'\0\0'
    hd = struct.pack('<BBH', 4, 1, 42) + bytes(38)
    node = struct.pack('<BBH', 4, 4, 4 + len(name)) + name + struct.pack('<BBH', 0x7f, 0xff, 4)
    return struct.pack('<QQQQ', 0x7e5f3018, 959224, 0, len(hd + node)) + hd + node


def locality(value):
    return b'StartupLocality\0' + bytes([value])


def uefi_events():
    """(pcr, kind, data, hashed or None) of a machine that boots shim, GRUB and Linux."""
    out = [(0, 'EV_NO_ACTION', locality(3), None),
           (0, 'EV_S_CRTM_VERSION', 'Example 1.7\0'.encode('utf-16-le'), None),
           (0, 'EV_EFI_PLATFORM_FIRMWARE_BLOB2', b'\x05PEIFV' + struct.pack('<QQ', 0x820000, 0xe0000),
            b'firmware volume'),
           (7, 'EV_EFI_VARIABLE_DRIVER_CONFIG', variable(GLOBAL, 'SecureBoot', b'\1'), None),
           (7, 'EV_EFI_VARIABLE_DRIVER_CONFIG', variable(GLOBAL, 'PK', b'platform key'), None),
           (7, 'EV_EFI_VARIABLE_DRIVER_CONFIG', variable(SECURITY, 'db', b'allowed'), None),
           (7, 'EV_EFI_VARIABLE_DRIVER_CONFIG', variable(SECURITY, 'dbx', b''), None),
           (7, 'EV_SEPARATOR', bytes(4), None),
           (1, 'EV_EFI_HANDOFF_TABLES2', b'\x06SMBIOS' + bytes(12), b'tables'),
           # EDK II hashes the contents alone, BOOT2 the whole structure.
           (1, 'EV_EFI_VARIABLE_BOOT', variable(GLOBAL, 'BootOrder', b'\1\0\0\0'), b'\1\0\0\0'),
           (1, 'EV_EFI_VARIABLE_BOOT2', variable(GLOBAL, 'Boot0001', load_option('debian')), None),
           (4, 'EV_EFI_ACTION', b'Calling EFI Application from Boot Option', None)]
    out += [(pcr, 'EV_SEPARATOR', bytes(4), None) for pcr in range(7)]
    out += [(5, 'EV_EFI_GPT_EVENT', b'EFI PART' + bytes(84) + struct.pack('<Q', 1) + bytes(128), None),
            (7, 'EV_EFI_VARIABLE_AUTHORITY', variable(SECURITY, 'db', b'signer'), None),
            (4, 'EV_EFI_BOOT_SERVICES_APPLICATION', image('\\EFI\\debian\\shimx64.efi'), b'shim'),
            (14, 'EV_IPL', b'MokList\0', b'mok list'),
            (4, 'EV_EFI_BOOT_SERVICES_APPLICATION', image('\\EFI\\debian\\grubx64.efi'), b'grub'),
            (8, 'EV_IPL', b'grub_cmd: linux /vmlinuz ro\0', b'linux /vmlinuz ro'),
            (9, 'EV_IPL', b'/vmlinuz\0', b'kernel'),
            (5, 'EV_EFI_ACTION', b'Exit Boot Services Invocation', None),
            (5, 'EV_EFI_ACTION', b'Exit Boot Services Returned with Success', None)]
    return out


def tcg_log(algs, events, vendor=b''):
    return spec_event(algs, vendor=vendor) + b''.join(
        event(pcr, kind, data, algs, hashed) for pcr, kind, data, hashed in events)


def tcg_replay(events):
    values = {}
    start = 0
    for _, kind, data, _ in events:
        if kind == 'EV_NO_ACTION' and data.startswith(b'StartupLocality\0'):
            start = data[16]
    for pcr, kind, data, hashed in events:
        if kind == 'EV_NO_ACTION':
            continue
        old = values.get(pcr)
        if old is None:
            old = b'\xff' * 32 if 17 <= pcr <= 22 else bytes(31) + bytes([start if pcr == 0 else 0])
        values[pcr] = digest('sha256', old + digest('sha256', hashed if hashed is not None else data))
    return {'count': len(events), 'locality': start,
            'pcrs': {str(p): v.hex() for p, v in sorted(values.items())}}


# ---- the kernel's list -----------------------------------------------------------------------------

def le_bytes(data):
    return struct.pack('<I', len(data)) + data


def ima_entry(template, path, body, signature=b'', alg='sha256', violation=False, pcr=10):
    """(bytes in the list, bytes that are hashed)."""
    name = path.encode()
    file_digest = digest(alg, body)
    if violation:
        file_digest = bytes(len(file_digest))
    if template == 'ima':
        file_digest = bytes(20) if violation else digest('sha1', body)
        hashed = file_digest + name + bytes(256 - len(name))
        stored = file_digest + le_bytes(name)
    else:
        hashed = le_bytes(alg.encode() + b':\0' + file_digest) + le_bytes(name + b'\0')
        if template == 'ima-sig':
            hashed += le_bytes(signature)
        stored = le_bytes(hashed)
    sha1 = bytes(20) if violation else digest('sha1', hashed)
    return struct.pack('<I', pcr) + sha1 + le_bytes(template.encode()) + stored, hashed, violation


def ima_replay(entries):
    bank = bytes(32)
    padded = bytes(32)
    for _, hashed, violation in entries:
        bank = digest('sha256', bank + (b'\xff' * 32 if violation else digest('sha256', hashed)))
        padded = digest('sha256', padded +
                        (b'\xff' * 20 if violation else digest('sha1', hashed)) + bytes(12))
    return {'count': len(entries), 'padded': padded.hex(), 'per_bank': bank.hex(),
            'violations': sum(1 for e in entries if e[2])}


FILES = [('boot_aggregate', b'aggregate'), ('/usr/lib/systemd/systemd', b'init'),
         ('/usr/bin/ketseal-enclave', b'enclave'), ('/etc/ünïcode name', b'text')]


def ima_list(template, violation=True):
    entries = [ima_entry(template, path, body, signature=body[:3] if template == 'ima-sig' else b'')
               for path, body in FILES]
    if violation:
        entries.insert(2, ima_entry(template, '/var/log/journal', b'', violation=True))
    return entries


# ---- files -----------------------------------------------------------------------------------------

def write(folder, name, data):
    with open(os.path.join(folder, name), 'wb') as out:
        out.write(data)


def accept(folder):
    def case(name, data, expected):
        write(folder, name, data)
        write(folder, os.path.splitext(name)[0] + '.json',
              json.dumps(expected, sort_keys=True, separators=(',', ':')).encode())

    full = uefi_events()
    case('uefi.tcg', tcg_log(['sha1', 'sha256', 'sha384'], full, b'vendor'), tcg_replay(full))
    plain = [e for e in full if e[1] != 'EV_NO_ACTION']
    case('plain.tcg', tcg_log(['sha256', 'sha512'], plain), tcg_replay(plain))
    small = [(0, 'EV_NO_ACTION', locality(0), None), (0, 'EV_POST_CODE', b'POST', b'code'),
             (17, 'EV_POST_CODE', b'DRTM', b'late launch'), (23, 'EV_SEPARATOR', b'\xff' * 4, None)]
    case('sha256-only.tcg', tcg_log(['sha256'], small), tcg_replay(small))
    case('no-events.tcg', spec_event(['sha256']), tcg_replay([]))
    for template in ('ima', 'ima-ng', 'ima-sig'):
        entries = ima_list(template)
        case(template + '.ima', b''.join(e[0] for e in entries), ima_replay(entries))
    one = [ima_entry('ima-ng', '/bin/true', b'true', alg='sha1')]
    case('one.ima', one[0][0], ima_replay(one))


def reject_tcg(folder):
    algs = ['sha1', 'sha256']
    spec = spec_event(algs)
    separator = event(0, 'EV_SEPARATOR', bytes(4), algs)
    good = spec + separator

    def case(name, data):
        write(folder, name + '.tcg', data)

    case('format-empty', b'')
    case('format-sha1-only', struct.pack('<II', 0, 4) + digest('sha1', bytes(4)) + le_bytes(bytes(4)))
    case('format-no-sha256', spec_event(['sha1', 'sha384']) +
         event(0, 'EV_SEPARATOR', bytes(4), ['sha1', 'sha384']))
    case('format-signature', spec_event(algs, signature=b'Spec ID Event02\0'))
    case('format-version', spec_event(algs, version=(1, 2)))
    case('format-alg-twice', spec_event(['sha256', 'sha256']))
    case('format-size-of-alg', spec.replace(struct.pack('<HH', 0xb, 32), struct.pack('<HH', 0xb, 20)))
    case('format-pcr-24', spec + event(24, 'EV_SEPARATOR', bytes(4), algs))
    case('format-undeclared', spec + event(0, 'EV_SEPARATOR', bytes(4), ['sha384', 'sha256']))
    case('format-one-digest', spec + event(0, 'EV_SEPARATOR', bytes(4), ['sha256']))
    case('format-twice-one', spec + event(0, 'EV_SEPARATOR', bytes(4), ['sha256', 'sha256']))
    case('format-cut-digest', good[:-30])
    case('format-cut-data', good[:-1])
    case('format-trailing', good + b'\0\0\0')
    case('format-locality-late', good + event(0, 'EV_NO_ACTION', locality(3), algs))
    case('format-locality-twice', spec + 2 * event(0, 'EV_NO_ACTION', locality(3), algs))
    case('format-locality-2', spec + event(0, 'EV_NO_ACTION', locality(2), algs))
    case('limit-algorithms', spec.replace(struct.pack('<I', 2) + struct.pack('<HH', 4, 20),
                                          struct.pack('<I', 200) + struct.pack('<HH', 4, 20)))
    case('limit-data', good[:-8] + struct.pack('<I', 0x7fffffff) + bytes(4))
    case('limit-spec', struct.pack('<II', 0, 3) + bytes(20) + struct.pack('<I', 0xffffffff))


def reject_ima(folder):
    good = ima_entry('ima-ng', '/bin/true', b'true')[0]

    def case(name, data):
        write(folder, name + '.ima', data)

    def entry(hashed, template='ima-ng'):
        return (struct.pack('<I', 10) + digest('sha1', hashed) + le_bytes(template.encode()) +
                le_bytes(hashed))

    d_ng = le_bytes(b'sha256:\0' + bytes(32))
    n_ng = le_bytes(b'/bin/true\0')
    case('format-empty', b'')
    case('format-cut', good[:-1])
    case('format-trailing', good + b'\x0a')
    case('format-pcr-11', ima_entry('ima-ng', '/bin/true', b'true', pcr=11)[0])
    case('format-template', entry(d_ng + n_ng, 'ima-buf'))
    case('format-hash', good[:4] + bytes([good[4] ^ 1]) + good[5:])
    case('format-data', good[:-2] + b'f\0')
    case('format-alg', entry(le_bytes(b'crc32:\0' + bytes(4)) + n_ng))
    case('format-no-alg', entry(le_bytes(bytes(32)) + n_ng))
    case('format-digest-length', entry(le_bytes(b'sha256:\0' + bytes(20)) + n_ng))
    case('format-no-nul', entry(d_ng + le_bytes(b'/bin/true')))
    case('format-nul-inside', entry(d_ng + le_bytes(b'/bin\0/true\0')))
    case('format-empty-path', entry(d_ng + le_bytes(b'\0')))
    case('format-field-left', entry(d_ng + n_ng + le_bytes(b'')))
    case('format-no-signature', entry(d_ng + n_ng, 'ima-sig'))
    case('limit-name', struct.pack('<I', 10) + bytes(20) + le_bytes(b'x' * 17))
    case('limit-old-path', ima_entry('ima', 'x' * 255, b'')[0].replace(
        struct.pack('<I', 255), struct.pack('<I', 256)) + b'x')
    case('limit-data', struct.pack('<I', 10) + bytes(20) + le_bytes(b'ima-ng') +
         struct.pack('<I', 0x10001))


def main():
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    for name in ('accept', 'reject'):
        os.makedirs(os.path.join(sys.argv[1], name), exist_ok=True)
    accept(os.path.join(sys.argv[1], 'accept'))
    reject_tcg(os.path.join(sys.argv[1], 'reject'))
    reject_ima(os.path.join(sys.argv[1], 'reject'))
    return 0


if __name__ == '__main__':
    sys.exit(main())
