#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""The lines of bench_simulate as a table: bench_simulate ... | table.py

A row is printed as soon as its line is there. Ratios are those of the best peer's time to ours.
"""
import json
import sys

COLUMNS = ("circuit", "qubits", "precision", "gates/s", "passes", "bytes", "slots", "seconds", "CPU s", "over floor",
           "peers, s", "ratio", "by CPU")


def seconds(value):
    """Three digits, in a unit that people read."""
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1 or unit == "us":
            return f"{value * factor:.3g} {unit}"
    return ""


def row(line):
    """The cells of one line."""
    peers = "; ".join(f"{peer['name']} {seconds(peer['seconds'])}" for peer in line.get("peers", []))
    ratios = [f"{line[name]:.3g}" if name in line else "" for name in ("peer_ratio", "peer_cpu_ratio")]
    return (line["circuit"], line["qubits"], line["precision"], f"{line['gates_per_second']:.3g}", line["passes"],
            f"{line['bytes']:.3g}", f"{line['fma_slots']:.3g}", seconds(line["seconds"]), seconds(line["cpu_seconds"]),
            f"{line['over_floor']:.3g}", peers, *ratios)


def main():
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS), flush=True)
    for text in sys.stdin:
        print("| " + " | ".join(map(str, row(json.loads(text)))) + " |", flush=True)


if __name__ == "__main__":
    main()
