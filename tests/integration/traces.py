# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the traces of traces.sh against each other, against the records and against the site's list of jobs.

traces.py compare|complete     in the folder that traces.sh has filled
"""

import csv
import json
import math
import pathlib
import re
import sys

STAGES = ["admit_us", "intent_us", "queue_us", "parse_us", "simulate_us", "quote_us", "sign_us", "key_us", "commit_us", "checkpoint_us"]
CIRCUIT = ["qubits", "clbits", "depth", "ops", "gates_1q", "gates_2q", "gates_more", "gates_nonclifford", "measurements"]
BOTH = CIRCUIT + ["shots", "precision_bits", "method", "noise", "sdk", "tls_group", "tls_resumed", "key_source", "pcr_match", "result_support"]
ERRORS = {"OK": 0, "FORMAT": 3, "LIMIT": 4, "IO": 5, "DENIED": 7, "UNAVAILABLE": 10, "CANCELLED": 12, "VERIFY": 1}


def need(condition, what):
    if not condition:
        print("traces.py: FAILED: " + what, file=sys.stderr)
        sys.exit(1)


def rows(name):
    with open(name, newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    for row in table:
        for key, text in row.items():
            if key not in ("job", "device", "side", "started_at"):
                need(text == "" or re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", text), f"{name}: {key} is '{text}'")
                row[key] = None if text == "" else float(text)
    return table


def jobs_of(*devices):
    listed = {}
    for device in devices:
        for job in json.loads(pathlib.Path(device + ".jobs").read_text(encoding="utf-8"))["jobs"]:
            listed[job["id"]] = job
    return listed


def error_of(job):
    if job["state"] == "done":
        return 0
    return ERRORS["CANCELLED"] if job["state"] == "cancelled" else ERRORS[job["error"]]


def check_site(site, listed):
    """One row for each job that ended, and none for another."""
    by_job = {}
    for row in site:
        need(row["side"] == "site", "a row of the site's is not the site's")
        if row["job"]:
            need(row["job"] not in by_job, f"two rows of job {row['job']}")
            by_job[row["job"]] = row
    for name, job in listed.items():
        need((name in by_job) == (job["state"] != "accepted"), f"job {name}, {job['state']}: row {name in by_job}")
        if name in by_job:
            need(by_job[name]["device"] == job["device"], f"job {name}: row of {by_job[name]['device']}")
            need(by_job[name]["error"] == error_of(job), f"job {name}, {job['state']}: error {by_job[name]['error']}")
    return by_job


def entropy(counts):
    total = sum(counts.values())
    return -sum(c / total * math.log2(c / total) for c in counts.values())


def check_record(row, record):
    core = record["core"]
    counts = core["execution"]["result_summary"]
    counts = counts.get("counts", counts)
    need(math.isclose(row["result_entropy_bits"], entropy(counts), abs_tol=1e-9), "entropy")
    need(row["result_support"] == len(counts), "support")
    need(row["shots"] == sum(counts.values()) == core["workload"]["shots"], "shots")
    need(row["pcr_match"] == 1, "the quote shows the launch")


def check_pair(device, site):
    """The two rows of one submission."""
    for name in BOTH + STAGES:
        need(device[name] == site[name], f"{name}: {device[name]} on the device, {site[name]} on the site")
    need(device["bytes_sent"] == site["bytes_received"], "bytes of the request")
    need(device["bytes_received"] == site["bytes_sent"], "bytes of the answer")
    need(abs(device["result_entropy_bits"] - site["result_entropy_bits"]) < 1e-12, "entropy")
    spent = sum(site[name] for name in ("admit_us", "intent_us", "queue_us", "parse_us", "simulate_us", "quote_us", "sign_us", "commit_us", "checkpoint_us"))
    need(spent <= device["round_trip_us"], f"the site's stages take {spent} us of {device['round_trip_us']}")
    need(0 < device["handshake_us"] and 0 < device["connect_us"] and 0 < device["key_latency_us"], "the connection's times")
    need(device["started_at"] <= site["started_at"], "the device began first")
    need(site["worker_cpu_us"] + 2000 >= 0 and site["worker_memory_bytes"] > 1 << 20, "the worker's use")
    need(device["tls_group"] == 4588 and device["retries"] == 0, "group and retries")


EXPECTED = {
    "bell": dict(qubits=2, gates_1q=1, gates_2q=1, gates_more=0, gates_nonclifford=0, measurements=2, precision_bits=64, method=1, shots=4000),
    "source": dict(qubits=3, clbits=3, gates_1q=2, gates_2q=1, gates_more=1, gates_nonclifford=2, measurements=3, method=1),
    "single": dict(qubits=5, gates_1q=1, gates_2q=4, precision_bits=32),
    "mps": dict(qubits=40, method=4, shots=100),
    "clifford": dict(qubits=6, shots=500),
    "noisy": dict(qubits=2, noise=1),
}


def check_distances(runs):
    for name in ("bell", "source", "single", "clifford"):
        need(runs[name]["tvd"] is not None and abs(runs[name]["tvd_sigma"]) < 6, f"{name}: distance {runs[name]['tvd_sigma']}")
    for name in ("mps", "noisy"):
        need(runs[name]["tvd"] is None and runs[name]["tvd_sigma"] is None, f"{name}: a distance that nobody can know cheaply")
    counts = read_bundle("bell")["record"]["core"]["execution"]["result_summary"]
    counts = counts.get("counts", counts)
    tvd = (abs(counts["00"] / 4000 - 0.5) + abs(counts["11"] / 4000 - 0.5)) / 2
    need(math.isclose(runs["bell"]["tvd"], tvd, rel_tol=1e-9), f"distance of bell: {runs['bell']['tvd']}, by hand {tvd}")


def read_bundle(name):
    return json.loads(pathlib.Path(f"out/{name}.bundle").read_text(encoding="utf-8"))


def check_nothing_else(by_job):
    """No payload and no secret in any file of traces."""
    hidden = ["topsecret", "hidden", "qreg", "OPENQASM", "BEGIN", "{", '"00"', "0x"]
    for row in by_job.values():
        need(set(row) == set(next(iter(by_job.values()))), "columns")
    for name in ("state.csv", "edge-1.csv", "edge-2.csv", "edge-3.csv"):
        text = pathlib.Path(name).read_text(encoding="utf-8")
        for word in hidden:
            need(word not in text, f"{name} has '{word}'")
    store = b"".join(path.read_bytes() for path in pathlib.Path("state/store").glob("ketseal.db*"))
    need(b"topsecret" in store, "the search finds what is in records")
    columns = [column["name"] for column in json.loads(pathlib.Path("schema.json").read_text(encoding="utf-8"))["columns"]]
    header = pathlib.Path("state.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    need(columns == header + ["label", "kind"], "the schema is that of the file")


def compare():
    site = rows("state.csv")
    devices = {name: rows(name + ".csv") for name in ("edge-1", "edge-2", "edge-3")}
    by_job = check_site(site, jobs_of("edge-1", "edge-2"))
    runs = {}
    for name, wanted in EXPECTED.items():
        bundle = read_bundle(name)
        job = bundle["record"]["core"]["record"]["record_id"]
        mine = [row for row in devices["edge-1"] if row["job"] == job]
        need(len(mine) == 1 and mine[0]["error"] == 0, f"{name}: {len(mine)} rows on the device")
        runs[name] = mine[0]
        check_pair(mine[0], by_job[job])
        check_record(by_job[job], bundle["record"])
        for column, value in wanted.items():
            need(mine[0][column] == value, f"{name}: {column} is {mine[0][column]}, not {value}")
    check_distances(runs)
    # What did not end well.
    errors = sorted(row["error"] for row in devices["edge-1"] if row["error"])
    need(errors == [3.0, 4.0], f"errors of edge-1: {errors}")
    need([row["qubits"] for row in devices["edge-1"] if row["error"] == 4] == [26.0], "the circuit of a job that failed")
    cancelled = by_job[pathlib.Path("cancelled").read_text(encoding="utf-8").strip()]
    need(cancelled["error"] == 12 and cancelled["shots"] == 10 and cancelled["simulate_us"] is None, "the cancelled job")
    refused = [row for row in site if not row["job"]]
    need([(row["device"], row["error"]) for row in refused] == [("edge-2", 7.0)], f"refused submissions: {refused}")
    need(refused[0]["bytes_received"] > 0 and refused[0]["tls_group"] == 4588, "a refused submission's connection")
    strange = devices["edge-3"]
    need(len(strange) == 1 and strange[0]["error"] in (1, 7) and strange[0]["connect_us"] > 0, f"a device of another CA: {strange}")
    need(strange[0]["round_trip_us"] is None and strange[0]["job"] == "", "it came to no answer")
    # Submitted, waited for, fetched: three rows of one job.
    waited = devices["edge-2"]
    need(len(waited) == 3 and len({row["job"] for row in waited}) == 1, f"rows of edge-2: {len(waited)}")
    need([row["result_support"] is not None for row in waited] == [False, True, True], "results of edge-2")
    for name in CIRCUIT + STAGES:  # while the job's task has not ended, the last two are not known yet
        known = waited[2][name] is not None or name not in ("commit_us", "checkpoint_us")
        need(not known or waited[2][name] == by_job[waited[2]["job"]][name], f"what a fetched bundle says of {name}")
    check_nothing_else(by_job)
    print(f"traces.py: {len(site)} rows of the site, {sum(map(len, devices.values()))} of devices agree")


def complete():
    listed = jobs_of("edge-1", "edge-2")
    by_job = check_site(rows("state.csv"), listed)
    interrupted = [name for name, job in listed.items() if job.get("detail", "").startswith("interrupted")]
    need(interrupted, "no job was interrupted")
    for name in interrupted:
        need(by_job[name]["error"] == ERRORS["UNAVAILABLE"], f"job {name}: {by_job[name]['error']}")
    print(f"traces.py: {len(by_job)} jobs ended, {len(interrupted)} by a restart; each has its row")


{"compare": compare, "complete": complete}[sys.argv[1]]()
