# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Selects the devices of a round again, from its descriptor alone, by docs/formats/fl-round.md; shares no code with ketseal.

    fl_select.py DESCRIPTOR      prints the devices, one a line; exit status 1 where the descriptor says others
"""
import hashlib
import json
import math
import sys


def wait(body, name, weight):
    """How long the candidate waits: those who wait least are invited."""
    text = b"ketseal.fl-selection/1\n" + bytes.fromhex(body["session"])
    text += body["round"].to_bytes(8, "big") + body["seed"].to_bytes(8, "big") + name.encode()
    draw = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
    return (64 - math.log2(draw + 1)) / weight


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        body = json.load(file)["body"]
    candidates = body["devices"] + body["passed_over"]
    weights = body["samples"] if body["selection"] == "weighted" else [1] * len(candidates)
    assert len(weights) == len(candidates) and len(set(candidates)) == len(candidates)
    waits = {name: wait(body, name, weight) for name, weight in zip(candidates, weights)}
    chosen = sorted(sorted(waits, key=waits.get)[: len(body["devices"])])
    print("\n".join(chosen))
    return 0 if chosen == body["devices"] else 1


if __name__ == "__main__":
    sys.exit(main())
