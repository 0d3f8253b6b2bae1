#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/old/: records of the schemas 0.1 and qpoe-0.1 with all that Python's json lets through, and
the hash of each as Python computes it (hashes.txt). Signed with a fixed key by `openssl pkeyutl`, OpenSSL 3 or
newer. Run it in the source root."""

import base64
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

SEED = bytes(range(32))
# Of RFC 8410: a private key and a public key with 32 raw bytes behind a fixed head.
PRIVATE_HEAD = bytes.fromhex("302e020100300506032b657004220420")
PUBLIC_HEAD = bytes.fromhex("302a300506032b6570032100")
FOLDER = Path("tests/vectors/old")


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


def sign(digest):
    with tempfile.TemporaryDirectory() as scratch:
        key = Path(scratch, "key.der")
        key.write_bytes(PRIVATE_HEAD + SEED)
        message = Path(scratch, "message")
        message.write_bytes(digest)
        public = openssl("pkey", "-inform", "DER", "-in", str(key), "-pubout", "-outform", "DER")
        signature = openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", str(key), "-in", str(message))
        assert public.startswith(PUBLIC_HEAD)
        return base64.b64encode(public[len(PUBLIC_HEAD):]).decode(), base64.b64encode(signature).decode()


def dumps(value, ascii_only):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=ascii_only).encode("utf-8")


def digest_0_1(record):
    inner = record["record"]
    core = {name: record[name] for name in ("schema_version", "workload", "execution")}
    core["record"] = {name: inner[name] for name in ("record_id", "created_at", "hash_alg")}
    return hashlib.sha256(dumps(core, True)).digest()


def digest_qpoe(record):
    core = {name: record[name] for name in ("schema", "workload", "execution", "results")}
    core["artifacts"] = {"circuit_hash": record["artifacts"]["circuit_hash"]}
    return hashlib.sha256(dumps(core, False)).digest()


def raw_0_1(extra):
    """Text, not a value: what is odd about it must reach the reader as it stands."""
    return ('{"schema_version":"0.1","execution":{"backend":"qasm_simulator","finished_at":"2026-01-14T02:01:24Z",'
            '"result_digest":"00","result_summary":{"111":312,"000":512},"started_at":"2026-01-14T02:01:23Z"},'
            '"record":{"record_id":"6f2f6d63-3c7a-4f88-9f55-7aa7c93f1e2b","created_at":"2026-01-14T02:01:24Z",'
            '"hash_alg":"sha256"},"workload":{"name":"toy","parameters":' + extra + ',"sdk":"qiskit","shots":1024}}')


def raw_qpoe(extra):
    return ('{"schema":"qpoe-0.1","workload":{"depth":2,"n_qubits":3,"name":"clifford_t_sampling","seed":1234,'
            '"shots":1024},"execution":{"framework":"qiskit","framework_version":"1.0","backend":"b",'
            '"started_at":"a","finished_at":"b"},"results":' + extra + ',"artifacts":{"circuit_hash":"sha256:00"}}')


ODD = {
    "numbers": r'{"theta":1.234,"a":56.0,"b":1e-05,"c":1E+16,"d":123456789012345678901234567890,"e":-0,"f":-0.0,'
               r'"g":0.0001,"h":9999999999999998.0,"i":5e-324,"j":1.7976931348623157e308,"k":1e400,"l":2.50}',
    "not-numbers": '{"a":NaN,"b":Infinity,"c":-Infinity}',
    "duplicates": '{"a":1,"b":2,"a":3,"a":{"x":1,"x":2}}',
    "order": '{"\\ud83d\\ude00":1,"\\uffee":2,"z":3,"\\u00e9":4,"Z":5,"":6,"aa":7,"a":8}',
    "escapes": '{"k":"\\u0000\\u001f\\u007f\\u0080 \\" \\\\ \\/ \\b\\f\\n\\r\\t \\u2028 \\ud83d\\ude00"}',
    "raw": '{"é":"naïve ☃ 😀 \x7f"}',
    "nested": '[[],{},[[[[{"a":[null,true,false]}]]]]]',
}

FOLDER.mkdir(parents=True, exist_ok=True)
lines = ["# record, hash as Python's json and hashlib compute it"]


def write(name, text, digest):
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
    prefix = "sha256:" if name.startswith("qpoe-0.1") else ""
    lines.append(f"{name}.json {prefix}{digest.hex()}")


for odd, text in ODD.items():
    record = json.loads(raw_0_1(text))
    digest = digest_0_1(record)
    record = raw_0_1(text).replace('"hash_alg"', f'"hash":"{digest.hex()}","signature_alg":"none","hash_alg"')
    write(f"0.1-{odd}", record, digest)
    digest = digest_qpoe(json.loads(raw_qpoe(text)))
    record = raw_qpoe(text).replace('"circuit_hash"', f'"record_hash":"sha256:{digest.hex()}","circuit_hash"')
    public, signature = sign(digest)
    record = record[:-1] + (f',"attestation":{{"signing_alg":"ed25519","public_key":"{public}",'
                            f'"signature":"{signature}"}}}}')
    write(f"qpoe-0.1-{odd}", record, digest)

# A lone surrogate can be escaped, but not encoded.
text = '{"k":"\\ud800x\\udc00"}'
digest = digest_0_1(json.loads(raw_0_1(text)))
write("0.1-surrogates", raw_0_1(text).replace('"hash_alg"', f'"hash":"{digest.hex()}","hash_alg"'), digest)

# Signed, of the first schema.
signed = json.loads(raw_0_1('{"depth":2}'))
digest = digest_0_1(signed)
public, signature = sign(digest)
signed["record"] |= {"hash": digest.hex(), "signature_alg": "ed25519", "public_key": public, "signature": signature}
write("0.1-signed", json.dumps(signed, sort_keys=True, indent=2), digest)

(FOLDER / "hashes.txt").write_text("\n".join(lines) + "\n", encoding="ascii")
