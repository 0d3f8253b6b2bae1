# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Records of federated learning, as tests/vectors/bundle has them: of a mean, and of a robust rule and a server that
remembers; no site is asked."""

import hashlib
import json

import pytest

import ketseal


@pytest.fixture(scope="module", params=["6", "6-robust"])
def vectors(source, request):
    return source / "tests/vectors/bundle" / request.param


@pytest.fixture(scope="module")
def made(vectors):
    return {name: ketseal.Bundle.from_file(vectors / f"{name}.bundle") for name in ("update", "round")}


@pytest.mark.parametrize("name", ["update", "round"])
def test_it_verifies_as_the_command_says(vectors, made, command, name):
    policy = ketseal.Policy.from_file(vectors / "lab.policy")
    verdict = ketseal.verify(made[name], policy)
    assert verdict and verdict.state is ketseal.State.PASS
    said = json.loads(command("--json", "verify", "--policy", vectors / "lab.policy", vectors / f"{name}.bundle"))
    assert said["record_id"] == verdict.record_id == made[name].record_id
    assert {check: found["state"] for check, found in said["checks"].items()} == {
        check: found.state.value for check, found in verdict.checks.items()}
    changed = bytes(made[name]).replace(b'"round":2', b'"round":3')
    assert changed != bytes(made[name])
    assert ketseal.verify(changed, policy).state is ketseal.State.FAIL


def test_what_they_say(made):
    update, done = made["update"], made["round"]
    assert (update.kind, done.kind) == ("fl.update", "fl.round")
    for member in ("session", "round", "parent", "shape", "params", "descriptor"):
        assert update.workload[member] == done.workload[member]
    assert done.result["outcome"] == "completed" and done.result["count"] == 2
    assert done.result["samples"] > update.workload["samples"]
    for bundle in (update, done):
        execution = bundle.core["execution"]
        canonical = json.dumps(bundle.result, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(canonical.encode()).hexdigest() == execution["result_digest"]


def test_they_are_no_circuits(made, source):
    for bundle in made.values():
        for member in ("counts", "shots", "seed", "circuit_hash"):
            with pytest.raises(ValueError, match="of no circuit"):
                getattr(bundle, member)
        assert bundle.method == "ketseal-fl"
    circuit = ketseal.Bundle.from_file(source / "tests/vectors/bundle/5/native.bundle")
    assert circuit.kind == "circuit" and sum(circuit.counts.values()) == circuit.shots
