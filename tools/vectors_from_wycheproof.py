#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/crypto/*.txt from public test vectors in JSON.

    tools/vectors_from_wycheproof.py WYCHEPROOF ACVP OUT

WYCHEPROOF is the folder testvectors_v1 of Wycheproof. ACVP is a folder with the sample files of NIST's
ACVP server that tests/vectors/crypto/SOURCE lists. OUT gets one file for each algorithm.

A file has one item a line: 'base' gives a long value a number, 'group' sets fields for the tests that
follow, 'test' is one test. Fields are name=value; short values are hexadecimal, long ones '@B:P:M:S' for the
first P bytes of base B, then M, then the last S bytes of base B: most invalid vectors differ from a valid
one in a few bytes. Bases and M are base64. Long outputs that are only compared stand as their SHA-256.
"""

import base64
import hashlib
import json
import os
import sys

BASE_LEN_MIN = 256  # bytes; shorter values are written in full
# What is kept of the large files. Every other invalid vector is kept.
KEM_VALID_MAX = 15  # valid encapsulations, valid decapsulations
KEYGEN_MAX = 40
NORM_VIOLATION_MAX = 25  # signatures whose response is too long


def sha256(text):
    return hashlib.sha256(bytes.fromhex(text)).hexdigest()


class Writer:
    def __init__(self, folder, name, origin):
        self.path = os.path.join(folder, name + ".txt")
        self.lines = ["# " + origin]
        self.bases = []
        self.count = 0

    def pack(self, text):
        value = bytes.fromhex(text)
        if len(value) < BASE_LEN_MIN:
            return value.hex()
        best = None
        for number, base in enumerate(self.bases):
            limit = min(len(base), len(value))
            prefix = len(os.path.commonprefix([base, value]))
            suffix = len(os.path.commonprefix([base[::-1][: limit - prefix], value[::-1]]))
            suffix = min(suffix, limit - prefix)
            cost = len(value) - prefix - suffix
            if best is None or cost < best[0]:
                best = (cost, number, prefix, suffix)
        if best is None or best[0] > len(value) // 2:
            best = (0, len(self.bases), len(value), 0)
            self.lines.append("base " + base64.b64encode(value).decode())
            self.bases.append(value)
        _, number, prefix, suffix = best
        middle = value[prefix : len(value) - suffix]
        return "@%d:%d:%s:%d" % (number, prefix, base64.b64encode(middle).decode(), suffix)

    def put(self, what, words, octets):
        fields = ["%s=%s" % item for item in words.items()]
        fields += ["%s=%s" % (key, self.pack(value)) for key, value in octets.items()]
        self.lines.append(what + " " + " ".join(fields))

    def group(self, words, **octets):
        self.put("group", words, octets)

    def test(self, number, result, **octets):
        # 'acceptable': a relaxed verifier may take it; ours is strict.
        self.put("test", {"id": number, "result": "valid" if result == "valid" else "invalid"}, octets)
        self.count += 1

    def close(self):
        with open(self.path, "w", encoding="ascii") as out:
            out.write("\n".join(self.lines) + "\n")
        print("%s: %d tests, %d bytes" % (self.path, self.count, os.path.getsize(self.path)))


def load(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as source:
        return json.load(source)


def convert_aead(source, out):
    writer = Writer(out, "aes_gcm", "Wycheproof aes_gcm_test.json: 256-bit keys, 96-bit nonces")
    writer.group({"kind": "aead"})
    for group in load(source, "aes_gcm_test.json")["testGroups"]:
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for test in group["tests"]:
            writer.test(test["tcId"], test["result"], key=test["key"], nonce=test["iv"], ad=test["aad"],
                        message=test["msg"], sealed=test["ct"] + test["tag"])
    writer.close()


def convert_mac(source, out):
    writer = Writer(out, "hmac_sha256", "Wycheproof hmac_sha256_test.json; short tags are truncated")
    writer.group({"kind": "hmac"})
    for group in load(source, "hmac_sha256_test.json")["testGroups"]:
        for test in group["tests"]:
            writer.test(test["tcId"], test["result"], key=test["key"], message=test["msg"], tag=test["tag"])
    writer.close()
    writer = Writer(out, "hkdf_sha256", "Wycheproof hkdf_sha256_test.json")
    for group in load(source, "hkdf_sha256_test.json")["testGroups"]:
        for test in group["tests"]:
            writer.group({"kind": "hkdf", "size": test["size"]})
            writer.test(test["tcId"], test["result"], secret=test["ikm"], salt=test["salt"],
                        info=test["info"], okm=test["okm"])
    writer.close()


def convert_classical(source, out):
    writer = Writer(out, "ed25519", "Wycheproof ed25519_test.json")
    for group in load(source, "ed25519_test.json")["testGroups"]:
        writer.group({"kind": "verify", "alg": "Ed25519"}, public=group["publicKey"]["pk"])
        for test in group["tests"]:
            writer.test(test["tcId"], test["result"], message=test["msg"], signature=test["sig"])
    writer.close()
    writer = Writer(out, "ecdsa_p256", "Wycheproof ecdsa_secp256r1_sha256_p1363_test.json, r and s of 32 bytes")
    for group in load(source, "ecdsa_secp256r1_sha256_p1363_test.json")["testGroups"]:
        point = group["publicKey"]["uncompressed"][2:]
        writer.group({"kind": "ecdsa"}, x=point[:64], y=point[64:])
        for test in group["tests"]:
            if len(test["sig"]) == 128:
                writer.test(test["tcId"], test["result"], message=test["msg"], signature=test["sig"])
    writer.close()
    writer = Writer(out, "rsa_2048", "Wycheproof rsa_signature_2048_sha256_test.json, exponent 65537")
    for group in load(source, "rsa_signature_2048_sha256_test.json")["testGroups"]:
        if int(group["publicKey"]["publicExponent"], 16) != 65537:
            continue
        writer.group({"kind": "rsa"}, modulus=group["publicKey"]["modulus"].removeprefix("00"))
        for test in group["tests"]:
            writer.test(test["tcId"], test["result"], message=test["msg"], signature=test["sig"])
    writer.close()


def convert_ml_dsa(source, acvp, out, size):
    alg = "ML-DSA-%d" % size
    writer = Writer(out, "mldsa%d_sign" % size, "Wycheproof mldsa_%d_sign_seed_test.json without the "
                    "tests of mu or of given randomness; ACVP ML-DSA-keyGen-FIPS204" % size)
    for group in load(source, "mldsa_%d_sign_seed_test.json" % size)["testGroups"]:
        tests = [test for test in group["tests"] if "msg" in test and "rnd" not in test]
        if tests:
            words = {"kind": "sign", "alg": alg}
            if group.get("publicKey"):
                words["public_sha256"] = sha256(group["publicKey"])
            writer.group(words, seed=group["privateSeed"])
        for test in tests:
            writer.test(test["tcId"], test["result"], message=test["msg"], context=test.get("ctx", ""),
                        signature_sha256=sha256(test["sig"]) if test["sig"] else "")
    answers = {test["tcId"]: test for group in load(acvp, "ML-DSA-keyGen-FIPS204.expectedResults.json")["testGroups"]
               for test in group["tests"]}
    for group in load(acvp, "ML-DSA-keyGen-FIPS204.prompt.json")["testGroups"]:
        if group["parameterSet"] == alg:
            writer.group({"kind": "sign_keygen", "alg": alg})
            for test in group["tests"]:
                writer.test(test["tcId"], "valid", seed=test["seed"],
                            public_sha256=sha256(answers[test["tcId"]]["pk"]))
    writer.close()
    writer = Writer(out, "mldsa%d_verify" % size, "Wycheproof mldsa_%d_verify_test.json without "
                    "the valid ManySteps (made and verified in mldsa%d_sign) and most norm violations" % (size, size))
    violations = 0
    for group in load(source, "mldsa_%d_verify_test.json" % size)["testGroups"]:
        writer.group({"kind": "verify", "alg": alg}, public=group["publicKey"])
        for test in group["tests"]:
            violations += "InfinityNormViolation" in test["flags"]
            many_steps = "ManySteps" in test["flags"] and test["result"] == "valid"
            violation = "InfinityNormViolation" in test["flags"] and violations > NORM_VIOLATION_MAX
            if not many_steps and not violation:
                writer.test(test["tcId"], test["result"], message=test["msg"], context=test.get("ctx", ""),
                            signature=test["sig"])
    writer.close()


def convert_ml_kem(source, acvp, out, size):
    alg = "ML-KEM-%d" % size
    writer = Writer(out, "mlkem%d" % size, "Wycheproof mlkem_%d_{keygen_seed,encaps,}_test.json: all invalid "
                    "tests, the first valid ones; ACVP ML-KEM-{keyGen,encapDecap}-FIPS203" % size)
    for group in load(source, "mlkem_%d_keygen_seed_test.json" % size)["testGroups"]:
        writer.group({"kind": "kem_keygen", "alg": alg})
        for test in group["tests"][:KEYGEN_MAX]:
            writer.test(test["tcId"], test["result"], seed=test["seed"], public_sha256=sha256(test["ek"]))
    for name, keep in (("encaps", KEM_VALID_MAX), ("", KEM_VALID_MAX)):
        file = "mlkem_%d_%s%stest.json" % (size, name, "_" if name else "")
        for group in load(source, file)["testGroups"]:
            writer.group({"kind": "kem_encap" if name else "kem_decap", "alg": alg})
            for test in group["tests"]:
                if test["result"] == "valid":
                    keep -= 1
                    if keep < 0:
                        continue
                if name:
                    writer.test(test["tcId"], test["result"], public=test["ek"], entropy=test["m"],
                                shared=test["K"], ciphertext_sha256=sha256(test["c"]) if test["c"] else "")
                else:
                    writer.test(test["tcId"], test["result"], seed=test["seed"], ciphertext=test["c"],
                                shared=test["K"])
    convert_ml_kem_acvp(acvp, writer, alg)
    writer.close()


def convert_ml_kem_acvp(acvp, writer, alg):
    answers = {test["tcId"]: test for group in load(acvp, "ML-KEM-keyGen-FIPS203.expectedResults.json")["testGroups"]
               for test in group["tests"]}
    for group in load(acvp, "ML-KEM-keyGen-FIPS203.prompt.json")["testGroups"]:
        if group["parameterSet"] == alg:
            writer.group({"kind": "kem_keygen", "alg": alg})
            for test in group["tests"]:
                writer.test(test["tcId"], "valid", seed=test["d"] + test["z"],
                            public_sha256=sha256(answers[test["tcId"]]["ek"]))
    answers = {test["tcId"]: test
               for group in load(acvp, "ML-KEM-encapDecap-FIPS203.expectedResults.json")["testGroups"]
               for test in group["tests"]}
    for group in load(acvp, "ML-KEM-encapDecap-FIPS203.prompt.json")["testGroups"]:
        if group["parameterSet"] == alg and group["function"] == "encapsulation":
            writer.group({"kind": "kem_encap", "alg": alg})
            for test in group["tests"][:10]:
                answer = answers[test["tcId"]]
                writer.test(test["tcId"], "valid", public=test["ek"], entropy=test["m"], shared=answer["k"],
                            ciphertext_sha256=sha256(answer["c"]))


def convert_slh_dsa(acvp, out):
    writer = Writer(out, "slhdsa", "ACVP SLH-DSA-{keyGen,sigGen}-FIPS205; signatures: see SOURCE")
    for keygen in (load(acvp, "SLH-DSA-keyGen.json"), load(acvp, "SLH-DSA-keyGen-joined.json")):
        for group in keygen["testGroups"]:
            if group["parameterSet"] in ("SLH-DSA-SHA2-128s", "SLH-DSA-SHA2-128f"):
                writer.group({"kind": "sign_keygen", "alg": group["parameterSet"]})
                for test in group["tests"]:
                    writer.test(test["tcId"], "valid", seed=test["skSeed"] + test["skPrf"] + test["pkSeed"],
                                public_sha256=sha256(test["pk"]))
    for number, test in load(acvp, "slh_sig.json").items():
        key = test["sk"]
        writer.group({"kind": "sign", "alg": test["alg"], "public_sha256": sha256(key[64:])}, seed=key[:96])
        writer.test(number, "valid", message=test["message"], context=test["context"],
                    signature_sha256=test["sigSha256"])
    writer.close()


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: vectors_from_wycheproof.py WYCHEPROOF ACVP OUT")
    source, acvp, out = sys.argv[1:]
    convert_aead(source, out)
    convert_mac(source, out)
    convert_classical(source, out)
    for size in (44, 65, 87):
        convert_ml_dsa(source, acvp, out, size)
    for size in (512, 768, 1024):
        convert_ml_kem(source, acvp, out, size)
    convert_slh_dsa(acvp, out)


if __name__ == "__main__":
    main()
