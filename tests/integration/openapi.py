# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Holds docs/openapi.yaml against a running site and against the table of routes.

openapi.py DOCUMENT api.c site_client ketseal TRACE EARLY…

The site is new, limits jobs to 64 MiB, and has one enrolled device. In the current folder are the directories edge-1
and edge-2 (devices with certificates of the root), operator, and unknown (nobody, at the enrolment listener). TRACE
holds what enrolled devices and operators said to the site and heard from it (trace.c); EARLY are answers that only a
fresh site gives, each a file with the name of its operation.
"""

import copy
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import jsonschema
import yaml

PEERS = {"DEVICE": "edge-1", "OPERATOR": "operator", "UNKNOWN": "unknown"}
ENCLOSING = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
JOB = {
    "kind": "circuit",
    "precision": "double",
    "program": {"depth": 1, "qubits": 2, "seed": 1, "template": "bell"},
    "schema": "ketseal.job/1",
    "seed": 7,
    "shots": 10,
}


class Failure(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Failure(what)


class Document:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.root = yaml.safe_load(file)
        self.operations = {}
        for url, item in self.root["paths"].items():
            for method in ENCLOSING:
                if method in item:
                    operation = dict(item[method], url=url, method=method.upper())
                    operation["listeners"] = item.get("servers", self.root["servers"][:1])
                    operation["parameters"] = [
                        self.resolve(p)
                        for p in item.get("parameters", []) + item[method].get("parameters", [])
                    ]
                    name = operation["operationId"]
                    need(name not in self.operations, f"operationId {name} twice")
                    self.operations[name] = operation

    def resolve(self, value):
        while "$ref" in value and value["$ref"].startswith("#/"):
            target = self.root
            for step in value["$ref"][2:].split("/"):
                need(step in target, f"{value['$ref']} leads nowhere")
                target = target[step]
            if len(value) == 1:
                value = target
            else:
                break
        return value

    def check_itself(self):
        need(re.fullmatch(r"3\.1\.\d+", self.root["openapi"]), "not OpenAPI 3.1")
        for name, schema in self.root["components"]["schemas"].items():
            jsonschema.Draft202012Validator.check_schema(schema)
        for reference in set(re.findall(r"'\$ref': '([^']+)'", str(self.root))):
            self.resolve({"$ref": reference})
        for name, operation in self.operations.items():
            declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            used = set(re.findall(r"{(\w+)}", operation["url"]))
            need(declared == used, f"{name}: path parameters {declared} and {used}")
            need(isinstance(operation.get("x-spends-key"), bool), f"{name}: x-spends-key")
            ways = operation.get("security", self.root["security"])
            need(any("oneTimeKey" in way for way in ways) == operation["x-spends-key"], f"{name}: security")
            enrolment = [way == {} for way in ways] or [True]
            listeners = [self.root["servers"].index(server) for server in operation["listeners"]]
            wanted = ([] if all(enrolment) else [0]) + ([1] if any(enrolment) else [])
            need(listeners == wanted, f"{name}: servers {listeners} and security {ways}")
            need("default" in operation["responses"], f"{name}: no default answer")

    def peers(self, operation):
        """Who may ask for it, as the table of routes has it."""
        ways = operation.get("security", self.root["security"]) or [{}]
        return {
            "UNKNOWN" if not way else "OPERATOR" if "operatorCertificate" in way else "DEVICE"
            for way in ways
        }

    def validate(self, schema, value, what):
        whole = {"components": self.root["components"], "allOf": [copy.deepcopy(schema)]}
        errors = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
        need(not errors, f"{what}: " + "; ".join(e.message[:300] for e in errors[:3]))


class Site:
    def __init__(self, document, program, device):
        self.document = document
        self.program = program
        self.device = device
        self.seen = set()
        self.calls = 0

    def raw(self, method, target, *options):
        """Answers of the site: a list of (status, content type, body)."""
        known = ["--unknown"] if self.device == "unknown" else []
        command = [self.program, f"--device={self.device}", *known, *options, method, target]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120)
        need(done.returncode == 0, f"{command}: {done.stderr.decode()}")
        status, _, kind = done.stdout.split(b"\n", 1)[0].decode().partition(" ")
        self.calls += 1
        return int(status), kind, done.stdout.split(b"\n", 1)[1].decode("utf-8", "replace")

    def check(self, name, status, kind, body):
        """That the document foresees this answer of operation NAME."""
        responses = self.document.operations[name]["responses"]
        what = f"{name}: {status}"
        response = self.document.resolve(responses.get(str(status), responses["default"]))
        need(str(status) in responses or status >= 400, f"{what} is not documented: {body[:300]}")
        media = kind.split(";")[0]
        need(media in response["content"], f"{what}: content type {kind}")
        schema = response["content"][media]["schema"]
        value = json.loads(body) if media == "application/json" else body
        self.document.validate(schema, value, what)
        self.seen.add((name, str(status)))
        return value

    def call(self, name, wanted, *options, query="", **path):
        operation = self.document.operations[name]
        target = operation["url"].format(**path) + query
        status, kind, body = self.raw(operation["method"], target, *options)
        value = self.check(name, status, kind, body)
        need(status == wanted, f"{name}: {status} instead of {wanted}: {body[:300]}")
        return value


def check_routes(document, path):
    with open(path, encoding="utf-8") as file:
        source = file.read()
    table = re.search(r"struct route routes\[\] = {(.*?)\n};", source, re.S)
    need(table, f"{path}: no table of routes")
    found = re.findall(r'{"([A-Z]+)",\s*"([^"]+)",\s*([A-Z |]+),\s*ks_api_\w+}', table.group(1))
    found = [(method, url.replace("{+}", "{}"), peers) for method, url, peers in found]
    routes = {(method, url, frozenset(peers.split(" | "))) for method, url, peers in found}
    need(len(routes) == table.group(1).count("ks_api_"), f"{path}: a route that this test does not read")
    documented = {
        (o["method"], re.sub(r"{\w+}", "{}", o["url"]), frozenset(document.peers(o)))
        for o in document.operations.values()
    }
    need(routes == documented, f"not the same routes: {sorted(map(str, routes ^ documented))}")
    return {(method, url) for method, url, _ in routes}


def write(name, value):
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    return name


def job(name, program=None, **changes):
    return "--job=" + write(name, dict(JOB, program=dict(JOB["program"], **(program or {})), **changes))


def wait_for(site, identity, state):
    for _ in range(600):
        value = site.call("getJob", 200, id=identity)
        if value["state"] == state:
            return value
        need(value["state"] == "accepted", f"job {identity} is {value['state']}, not {state}")
        time.sleep(0.05)
    raise Failure(f"job {identity} is never {state}")


def try_jobs(site, other):
    bell = job("bell.json")
    long = job("long.json", {"template": "rqc", "qubits": 21, "depth": 60000})
    big = job("big.json", {"template": "hea", "qubits": 30, "depth": 1})
    empty = "--body=" + write("empty.json", {})
    broken = "--body=" + write("broken.json", "{")
    for name in ("runJob", "submitJob"):
        site.call(name, 403, empty)
        site.call(name, 400, "--sign", broken)
        site.call(name, 413, job("none.json", shots=0))
    site.call("runJob", 200, bell, "--idempotency=run")
    site.call("runJob", 200, bell, "--idempotency=run")
    site.call("runJob", 409, big, "--idempotency=run")
    site.call("runJob", 413, big)
    rates = dict.fromkeys(("amplitude_damping", "depolarizing", "phase_damping", "x", "y", "z"), 0)
    noise = {
        "gate1": dict(rates, depolarizing=0.25),
        "gate2": rates,
        "readout": {"read0_as1": 0, "read1_as0": 0.5},
        "schema": "ketseal.noise/1",
    }
    site.call("runJob", 200, job("noisy.json", schema="ketseal.job/2", noise=noise))
    site.call("runJob", 200, job("cut.json", schema="ketseal.job/2", method="mps", bond_max=1, cutoff=0.25))
    site.call("runJob", 400, job("early.json", method="mps"))
    site.call("runJob", 400, job("noise.json", schema="ketseal.job/2", noise={"schema": "ketseal.noise/1"}))
    accepted = site.call("submitJob", 202, bell, "--idempotency=one")
    done = wait_for(site, accepted["id"], "done")
    repeated = site.call("submitJob", 200, bell, "--idempotency=one")
    need(repeated == done, "a repeated submission is not the first one's job")
    site.call("submitJob", 409, big, "--idempotency=one")
    site.call("getBundle", 200, id=done["id"])

    failed = site.call("submitJob", 202, big)
    failed = wait_for(site, failed["id"], "failed")
    site.call("getBundle", 413, id=failed["id"])

    running = site.call("submitJob", 202, long)
    site.call("getBundle", 404, id=running["id"])
    site.call("cancelJob", 403, empty, id=running["id"])
    site.call("cancelJob", 202, "--sign", "--body=empty.json", id=running["id"])
    wait_for(site, running["id"], "cancelled")
    site.call("getBundle", 409, id=running["id"])
    site.call("cancelJob", 409, "--sign", "--body=empty.json", id=running["id"])
    site.call("cancelJob", 400, "--sign", "--body=empty.json", id="x")
    for name in ("getJob", "getBundle"):
        site.call(name, 400, id="x")
        site.call(name, 404, id="00000000-0000-4000-8000-000000000000")
        other.call(name, 404, id=done["id"])
    other.call("cancelJob", 404, "--sign", "--body=empty.json", id=done["id"])

    page = site.call("listJobs", 200, query="?limit=1")
    need(len(page["jobs"]) == 1, "a page of one")
    site.call("listJobs", 200, query="?limit=1&after=" + page["next"])
    site.call("listJobs", 400, query="?limit=0")
    site.call("listJobs", 404, query="?after=00000000-0000-4000-8000-000000000000")
    return done, failed


def try_the_rest(site, done, failed):
    site.call("fetchKeys", 200, "--keys=3")
    site.call("fetchKeys", 400, "--body=broken.json")
    site.call("fetchKeys", 403, "--keys=3", "--as=somebody")
    site.call("fetchKeys", 413, "--body=" + write("huge.json", '"' + "x" * 100000 + '"'))
    strange = "--announce=11111111-2222-4333-8444-555555555555"
    site.call("announceKeys", 400, "--body=broken.json")
    site.call("announceKeys", 403, strange, "--as=somebody")
    site.call("announceKeys", 404, strange)
    site.call("announceKeys", 409, "--announce=" + os.environ["quantum_id"])
    site.call("announceKeys", 413, "--body=" + "huge.json")
    site.call("getSite", 200)
    site.call("attest", 200, query="?nonce=" + "0f" * 32)
    site.call("attest", 400, query="?nonce=0f")
    site.call("attest", 400)
    site.call("getCheckpoint", 200)
    site.call("getCheckpoint", 400, query="?state=believed")
    site.call("getCheckpoint", 404, query="?state=cosigned")  # there are no witnesses
    for index in (done["intent"], done["index"], failed["index"]):
        site.call("getEntry", 200, index=index)
    site.call("getEntry", 400, index="x")
    site.call("getEntry", 404, index=1000000)
    site.call("proveInclusion", 200, query=f"?index={done['index']}")
    site.call("proveInclusion", 200, query=f"?index=0&size={done['index'] + 1}")
    site.call("proveInclusion", 400, query="?index=5&size=5")
    site.call("proveInclusion", 400)
    site.call("proveInclusion", 404, query="?index=0&size=1000000")
    site.call("proveConsistency", 200, query="?old=1")
    site.call("proveConsistency", 400, query="?old=0")
    site.call("proveConsistency", 404, query="?old=1&size=1000000")
    site.call("getLedgerFile", 200, file="checkpoint")
    size = json.loads(site.raw("GET", "/v1/ledger/inclusion?index=0")[2])["size"]
    for folder in ("0", "entries"):
        site.call("getLedgerFile", 200, file=f"tile/{folder}/000.p/{size}")
    for file in ("tile", "tile/0/000", "tile/0/000.p/256", "tile/0/0", "store/ketseal.db", "tile/0/../../checkpoint"):
        site.call("getLedgerFile", 404, file=file)
    site.call("health", 200)
    site.call("ready", 200)


def try_attachments(site, operator, maker):
    status, _, note = site.raw("GET", "/v1/ledger/checkpoint")
    need(status == 200, f"the checkpoint: {status}")
    write("note", note)
    for block in ("7", "8"):
        document = subprocess.run([maker, "make", "note", "anchor", block], capture_output=True, check=True, timeout=60).stdout
        write(f"anchor-{block}.json", document.decode())
    operator.call("attachToCheckpoint", 200, "--body=anchor-7.json")
    operator.call("attachToCheckpoint", 409, "--body=anchor-8.json")
    operator.call("attachToCheckpoint", 400, "--body=broken.json")
    operator.call("attachToCheckpoint", 413, "--body=" + write("long.json", '"' + "x" * 600000 + '"'))
    site.call("getCheckpoint", 200, query="?state=anchored")


def traced_status(document, name, answer):
    """Which of the documented answers ANSWER of a trace is; refusals by the name of their error."""
    failures = []
    for status, response in document.operations[name]["responses"].items():
        content = document.resolve(response)["content"]
        try:
            if answer[0] == "@" and status[0] == "2":
                need("application/octet-stream" in content, f"{name}: no JSON")
                return status
            schema = content.get("application/json", {"schema": False})["schema"]
            if answer[0] == "!" and status[0] == "4":
                error = {"detail": "-", "error": answer[1:], "schema": "ketseal.error/1"}
                document.validate(schema, error, f"{name}: refused")
                return status
            if answer[0] == "{" and status[0] == "2":
                document.validate(schema, json.loads(answer), f"{name}: the answer")
                return status
        except Failure as failure:
            failures.append(str(failure))
    raise Failure(failures[0] if failures else f"{name}: not documented: {answer[:300]}")


def check_trace(document, path):
    """What the product's own commands say and hear is what the document says; returns answers and bodies by name."""
    seen, bodies = set(), {}
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in filter(None, lines):  # a bundle ends with a newline of its own
        head, body, answer = line.split("\t")
        method, target = head.split(" ")
        name = next(
            name
            for name, o in document.operations.items()
            if o["method"] == method
            and re.fullmatch(re.sub(r"{\w+}", "[^/]+", o["url"]), target.split("?")[0])
        )
        operation = document.operations[name]
        need(bool(body) == ("requestBody" in operation), f"{name}: a body, or none")
        if body:
            content = document.resolve(operation["requestBody"])["content"]
            if body[0] == "@":
                need("application/octet-stream" in content, f"{name}: the request is no JSON")
            else:
                document.validate(content["application/json"]["schema"], json.loads(body), f"{name}: the request")
                bodies[name] = body
        seen.add((name, traced_status(document, name, answer)))
    return seen, bodies


def changed(body, *path, by):
    """BODY with its member at PATH changed."""
    value = json.loads(body)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = by(inner[path[-1]])
    return value


def try_devices(device, operator, unknown, bodies):
    """What the commands do not provoke: malformed, of another connection, a second time, about nobody."""
    broken = "--body=broken.json"

    def said_again(name):
        return "--body=" + write("again.json", bodies[name])

    for who, name in (
        (unknown, "enrol"),
        (unknown, "finishEnrolment"),
        (operator, "orderDevice"),
        (operator, "activateSite"),
        (operator, "certifySite"),
    ):
        who.call(name, 400, broken)
    unknown.call("enrol", 413, "--body=huge.json")
    for who, name in ((unknown, "enrol"), (unknown, "finishEnrolment"), (operator, "orderDevice")):
        who.call(name, 403, said_again(name))
    operator.call("requestCertificate", 200, query="?ek=rsa&nonce=" + "0f" * 32)
    operator.call("requestCertificate", 400, query="?ek=dsa&nonce=" + "0f" * 32)
    operator.call("requestCertificate", 400, query="?ek=rsa")
    operator.call("activateSite", 403, said_again("activateSite"))
    other = changed(bodies["certifySite"], "ed25519", by=lambda key: ("B" if key[0] == "A" else "A") + key[1:])
    operator.call("certifySite", 403, "--body=" + write("other.json", other))
    operator.call("certifySite", 200, said_again("certifySite"))
    for index, event in enumerate(("enrol", "rotate", "suspend", "resume")):
        entry = operator.call("getEntry", 200, index=index)
        need((entry["device"], entry.get("event")) == ("edge-3", event), f"entry {index} is not {event}: {entry}")
    page = operator.call("listDevices", 200)
    need([entry["device"] for entry in page["devices"]] == ["edge-3"], "the devices that enrolled")
    need(operator.call("listDevices", 200, query="?after=edge-3")["devices"] == [], "behind the last device")
    need(operator.call("getDevice", 200, id="edge-3") == page["devices"][0], "one device in two ways")
    traces = operator.call("listTraces", 200, query="?limit=500")
    need(traces["items"] and "next" not in traces, "traces of the jobs that ran")
    need(all(len(row["values"]) == len(traces["columns"]) for row in traces["items"]), "a value for each column")
    first = operator.call("listTraces", 200, query="?limit=1")
    need(first["items"] == traces["items"][:1] and first["next"] == first["items"][0]["number"], "the first page")
    need(operator.call("listTraces", 200, query=f"?after={traces['items'][-1]['number']}")["items"] == [], "behind the last")
    operator.call("listTraces", 400, query="?limit=0")
    operator.call("listTraces", 400, query="?after=-1")
    alerts = operator.call("listAlerts", 200)
    need(len(alerts["items"]) >= 1 and "next" not in alerts, "alerts of the jobs that ran")
    first = operator.call("listAlerts", 200, query="?limit=1")
    need(first["items"] == alerts["items"][:1] and first["next"] == first["items"][0]["number"], "the newest alert")
    need(operator.call("listAlerts", 200, query=f"?before={alerts['items'][-1]['number']}")["items"] == [], "before the first")
    device_id = first["items"][0]["detection"]["device"]
    need(operator.call("listAlerts", 200, query=f"?device={device_id}")["items"][:1] == first["items"], "of one device")
    operator.call("listAlerts", 400, query="?limit=65")
    operator.call("listAlerts", 400, query="?device=a%20b")
    need(operator.call("listFlAlerts", 200)["items"] == [], "contributions that stood out, where none is asked for")
    operator.call("listFlAlerts", 400, query="?limit=65")
    operator.call("orderDevice", 404, "--order=revoke", "--about=nobody")
    operator.call("orderDevice", 409, "--order=resume", "--about=edge-3")
    operator.call("orderDevice", 200, "--order=rotate", "--about=edge-3")
    operator.call("getDevice", 400, id="edge%203")
    operator.call("getDevice", 404, id="edge-1")
    for name in ("challengeDevice", "attestDevice", "rotateDevice"):  # edge-1 never enrolled
        device.call(name, 403, *([said_again(name)] if name in bodies else []))


def try_rounds(device, operator, session, waits):
    """Of SESSION, which had one round, and of WAITS, whose round edge-1 has joined."""
    nobody = "0" * 32
    one = device.call("listRounds", 200, session=session)
    need([(item["round"], item["phase"]) for item in one["items"]] == [(1, "COMPLETED")], f"the rounds: {one}")
    need(device.call("getRound", 200, session=session, round=1) == one["items"][0], "one round in two ways")
    need(device.call("listRounds", 200, session=session, query="?after=1")["items"] == [], "behind the last round")
    need(device.call("getRound", 200, session=waits, round=1)["joined"] == 1, "an open round")
    models = operator.call("listModels", 200, session=session)["items"]
    need([model["model"] for model in models] == [one["items"][0]["model"]], f"the models: {models}")
    need(operator.call("listModels", 200, session=waits)["items"] == [], "a model of an open round")
    history = operator.call("getHistory", 200, session=session, query="?limit=1")
    need([(item["count"], item["participation"]) for item in history["items"]] == [(1, 1)], f"the history: {history}")
    for name in ("listRounds", "listModels", "getHistory", "listParticipants"):
        for query in ("?limit=0", "?limit=1001", "?limit=-1", "?after=", "?after=%2f", "?after=" + "9" * 101):
            operator.call(name, 400, session=session, query=query)
        for strange in (nobody, "x", "f" * 33):
            operator.call(name, 404, session=strange)
    device.call("getRound", 404, session=session, round=2)
    device.call("getRound", 404, session=nobody, round=1)
    for strange in ("x", "-1", "1.5", "99999999999999999999"):
        device.call("getRound", 400, session=session, round=strange)
    for identity, standing, updates in ((session, "delivered", 1), (waits, "joined", 0)):
        page = operator.call("listParticipants", 200, session=identity, query="?limit=1000")
        seen = [(one["device"], one["invited"], one["standing"], one["updates"]) for one in page["devices"]]
        need(seen == [("edge-1", 1, standing, updates)], f"the devices of a session: {page}")
    need(operator.call("listParticipants", 200, session=session, query="?after=edge-1")["devices"] == [], "behind the last device")
    metrics = operator.call("getLearningMetrics", 200)
    need(metrics["rounds"] == {"completed": 1, "failed": 0, "open": 1} and metrics["updates"] == 1, f"the metrics: {metrics}")


def try_learning(device, operator, impostor, bodies):
    """What `ketseal fl` does not provoke of federated learning; it has finished one session, and made another."""
    octets = "--type=application/octet-stream"
    nobody = "0" * 32
    session, waits = os.environ["session"], os.environ["waits"]
    operator.call("orderLearning", 400, "--body=broken.json")
    operator.call("orderLearning", 403, "--body=" + write("again.json", bodies["orderLearning"]))
    device.call("joinRound", 400, "--body=broken.json")
    device.call("joinRound", 403, "--body=" + write("again.json", bodies["joinRound"]))
    device.call("joinRound", 404, "--join=1", f"--session={nobody}", "--samples=1")
    device.call("joinRound", 409, "--join=1", f"--session={session}", "--samples=1")
    device.call("getDescriptor", 404, session=waits)
    start = [os.environ["ketseal_trace"], "-q", "fl", "start", "--operator", "op", "--url", os.environ["url"], waits]
    subprocess.run(start, capture_output=True, check=True, timeout=60)
    for _ in range(100):
        if device.call("getSession", 200, session=waits)["rounds"]:
            break
        time.sleep(0.05)
    device.call("joinRound", 200, "--join=1", f"--session={waits}", "--samples=10")
    device.call("joinRound", 409, "--join=2", f"--session={waits}", "--samples=10")

    listed = device.call("listSessions", 200)["sessions"]
    need([one["session"] for one in listed] == [session, waits], f"the sessions: {listed}")
    done = device.call("getSession", 200, session=session)
    need([one["phase"] for one in done["rounds"]] == ["COMPLETED"], f"the session: {done}")
    device.call("getDescriptor", 200, session=session)
    try_rounds(device, operator, session, waits)
    for name in ("getSession", "getDescriptor"):
        for strange in (nobody, "x", "%00" * 16):
            device.call(name, 404, session=strange)
    records = device.call("listRoundRecords", 200, session=session, query="?limit=1")
    device.call("listRoundRecords", 400, session=session, query="?limit=0")
    device.call("listRoundRecords", 404, session="x")
    device.call("getRoundRecord", 200, id=records["jobs"][0]["id"])
    device.call("getRoundRecord", 400, id="x")
    device.call("getRoundRecord", 404, id="00000000-0000-4000-8000-000000000000")

    counted = device.call("getRoundUpdates", 200, session=session, round=1)["updates"]
    need([one["device"] for one in counted] == ["edge-1"], f"the list: {counted}")
    for strange, number in ((session, 2), (session, "x"), (nobody, 1), ("x", 1)):
        device.call("getRoundUpdates", 404, session=strange, round=number)
    need(device.call("getRoundKept", 200, session=session, round=1)["deleted_at"], "the updates were not deleted")
    device.call("getRoundKept", 404, session="x", round=1)
    operator.call("getUpdateRecord", 200, id=counted[0]["job"])
    operator.call("getUpdateRecord", 400, id="x")
    operator.call("getUpdateRecord", 404, id="00000000-0000-4000-8000-000000000000")
    operator.call("getUpdateRecord", 404, id=records["jobs"][0]["id"])  # of a round

    parts = [b"a" * 1048576, b"b"]
    for index, part in enumerate(parts):
        pathlib.Path(f"part-{index}").write_bytes(part)
    known = hashlib.sha256(b"".join(parts)).hexdigest()
    whole = f"?length={sum(map(len, parts))}"
    device.call("getUpload", 404, hash=known)
    need(not device.call("putPart", 200, octets, "--body=part-1", hash=known, part=1, query=whole)["complete"], "one of two")
    need(device.call("getUpload", 200, hash=known)["parts"] == [1], "the second of two")
    need(device.call("putPart", 201, octets, "--body=part-0", hash=known, part=0, query=whole)["complete"], "both")
    operator.call("getUpload", 404, hash=known)  # it is another's
    impostor.call("putPart", 403, octets, "--body=part-0", hash=known, part=0, query=whole)
    impostor.call("getUpload", 404, hash=known)
    for path, query in ((known, ""), (known, "?length=3"), (known, "?length=-1"), (known, "?length=1e3")):
        operator.call("putPart", 400, octets, "--body=part-0", hash=path, part=0, query=query)
    operator.call("putPart", 400, octets, "--body=part-0", hash=known, part="first", query=whole)
    operator.call("putPart", 404, octets, "--body=part-0", hash="0f", part=0, query=whole)
    operator.call("putPart", 413, octets, "--body=part-0", hash=known, part=0, query="?length=9007199254740991")
    operator.call("putPart", 200, octets, "--body=part-0", hash=known, part=0, query=whole)
    operator.call("publishModel", 404, hash=known)  # a part is missing
    operator.call("putPart", 201, octets, "--body=part-1", hash=known, part=1, query=whole)
    operator.call("publishModel", 200, hash=known)
    operator.call("putPart", 201, octets, "--body=part-1", hash="f" * 64, part=0, query="?length=1")
    operator.call("publishModel", 422, hash="f" * 64)
    need(device.call("getModel", 200, hash=known)["parts"] == 2, "a model of two parts")
    need(device.call("getModelPart", 200, hash=known, part=1) == "b\n", "the model's last part")
    device.call("getModel", 404, hash="f" * 64)
    device.call("getModelPart", 404, hash=known, part=2)
    device.call("getModelPart", 400, hash=known, part="-1")


def try_others(document, sites):
    """Who may not ask is refused; on the enrolment listener the operation is not there at all."""
    for name, operation in document.operations.items():
        target = re.sub(r"{\w+}", "0", operation["url"])
        for peer, site in sites.items():
            if peer not in document.peers(operation):
                status, kind, body = site.raw(operation["method"], target)
                wanted, error = (404, "NOT_FOUND") if peer == "UNKNOWN" else (403, "DENIED")
                need(status == wanted, f"{name} by {peer}: {status} instead of {wanted}: {body[:300]}")
                need(json.loads(body)["error"] == error, f"{name} by {peer}: {body[:300]}")
                if status == 403:
                    need("this is for " in body, f"{name} by {peer}: {body[:300]}")
                    if "403" in operation["responses"]:
                        site.check(name, status, kind, body)


def try_requests(document, site):
    """What the client sends is what the document says, and a key is spent where it says so."""
    submission = document.root["components"]["requestBodies"]["Submission"]
    for name, body in (("submitJob", "--job=bell.json"), ("fetchKeys", "--keys=3")):
        command = [site.program, f"--device={site.device}", body, "--show", "--dry", "POST", "/v1/jobs"]
        sent = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        schema = document.resolve(document.operations[name]["requestBody"])
        schema = schema["content"]["application/json"]["schema"]
        document.validate(schema, json.loads(sent), f"{name}: the client's own request")
    need(submission["required"], "a submission without a body")
    for name, operation in document.operations.items():
        if operation["method"] != "POST":
            continue
        if operation["x-spends-key"] and "{" not in operation["url"]:
            status, kind, body = site.raw("POST", operation["url"], "--body=empty.json")
            need(status == 403 and "not signed" in body, f"{name}: takes an unsigned request")


def try_other_methods(document, site, routes):
    error = document.root["components"]["schemas"]["Error"]
    by_path = {}
    for method, path in routes:
        by_path.setdefault(path, set()).add(method)
    for path, methods in by_path.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - methods:
            target = path.replace("{}", "00000000-0000-4000-8000-000000000000")
            status, kind, body = site.raw(method, target)
            need(status == 405, f"{method} {path}: {status}")
            need(kind == "application/json", f"{method} {path}: {kind}")
            document.validate(error, json.loads(body), f"{method} {path}")
    for target in ("/", "/v1", "/v1/", "/v1/jobs/", "/qjob/", "/v1/jobs/a/b/c", "/v2/jobs", "/%2e%2e/healthz"):
        status, kind, body = site.raw("GET", target)
        need(status == 404 and kind == "application/json", f"GET {target}: {status} {kind}")
        document.validate(error, json.loads(body), f"GET {target}")


def main():
    document = Document(sys.argv[1])
    document.check_itself()
    routes = check_routes(document, sys.argv[2])
    sites = {peer: Site(document, sys.argv[3], folder) for peer, folder in PEERS.items()}
    site, operator = sites["DEVICE"], sites["OPERATOR"]
    other = Site(document, sys.argv[3], "edge-2")
    traced, bodies = check_trace(document, sys.argv[5])
    for early in sys.argv[6:]:
        with open(early, encoding="utf-8") as file:
            first, body = file.read().split("\n", 1)
        status, kind = first.split(" ", 1)
        site.check(pathlib.PurePath(early).name, int(status), kind, body)
    for one in (site, other):
        command = [sys.argv[4], "-q", "run", "--device", one.device, "--template", "bell"]
        command += ["--seed", "1", "--out", one.device + ".bundle"]
        subprocess.run(command, check=True, timeout=60)  # leaves a batch of one-time keys
    done, failed = try_jobs(site, other)
    try_the_rest(site, done, failed)
    try_attachments(site, operator, os.environ["site_attach"])
    try_requests(document, site)
    try_other_methods(document, site, routes)
    try_devices(site, operator, sites["UNKNOWN"], bodies)
    impostor = Site(document, sys.argv[3], "impostor")
    try_learning(site, operator, impostor, bodies)
    try_others(document, sites)
    documented = {
        (name, status)
        for name, operation in document.operations.items()
        for status in operation["responses"]
        if status != "default"
    }
    everybody = [*sites.values(), other, impostor]
    missing = documented.difference(traced, *(one.seen for one in everybody))
    need(not missing, f"documented, and never answered: {sorted(missing)}")
    print(
        f"openapi: {len(document.operations)} operations, {len(documented)} documented answers, "
        f"all seen in {sum(one.calls for one in everybody)} requests"
    )


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"openapi: FAILED: {failure}", file=sys.stderr)
        sys.exit(1)
