# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""The package against a running site, and against the command line."""

import json
import os
import pickle
import shutil
import signal
import threading
import time

import pytest

import ketseal
from conftest import BELL, SLOW


def test_a_job_from_submission_to_verdict(client, policy, site, command, tmp_path):
    job = client.submit(BELL, shots=2000, seed=7)
    assert job.wait(timeout=60) == job.status()
    result = job.result(policy)
    assert result.verdict and result.verdict.state is ketseal.State.PASS
    assert sum(result.counts.values()) == 2000 and set(result.counts) == {"00", "11"}
    # The simulator here gives the counts that the site has sealed, and so does the command line.
    assert ketseal.Circuit(BELL).simulate(2000, 7) == result.counts
    assert ketseal.Circuit(BELL).hash == result.bundle.circuit_hash
    kept = tmp_path / "bell.bundle"
    job.bundle.save(kept)
    assert ketseal.Bundle.from_file(kept) == job.bundle
    command("verify", "--policy", site / "lab.policy", kept)
    assert "bit for bit" in command("replay", kept)
    assert result.record_id == result.verdict.record_id == job.bundle.core["record"]["record_id"]
    assert (job.bundle.shots, job.bundle.seed, job.bundle.method) == (2000, 7, "statevector")
    assert result.verdict.device == client.device == "edge-1"


def test_verdict_is_that_of_the_command(client, policy, site, command, tmp_path):
    bundle = client.run(BELL, shots=10, seed=1).bundle
    changed = bytes(bundle).replace(b'"shots":10', b'"shots":11')
    for status, data in ((0, bytes(bundle)), (1, changed)):
        file = tmp_path / "b"
        file.write_bytes(data)
        said = json.loads(command("--json", "verify", "--policy", site / "lab.policy", file, status=status))
        verdict = ketseal.verify(data, policy)
        assert bool(verdict) == said["verified"] == (status == 0)
        assert verdict.failed == said.get("failed")
        assert {name: check.state.value for name, check in verdict.checks.items()} == {
            name: check["state"] for name, check in said["checks"].items()}
    assert not ketseal.verify(changed, policy)
    assert ketseal.verify(changed, policy).state is ketseal.State.FAIL
    assert "signature" in str(ketseal.verify(changed, policy))


def test_could_not_tell_is_not_true(client, site):
    """A policy may require what nobody can check: no failure, and no success."""
    document = json.loads((site / "lab.policy").read_text())
    document["require"].append("platform.report")
    bundle = client.run(BELL, shots=10, seed=1).bundle
    verdict = ketseal.verify(bundle, ketseal.Policy(json.dumps(document)))
    assert verdict.state is ketseal.State.NOT_RUN and not verdict and verdict.failed is None
    assert verdict.checks["platform.report"].reason
    with pytest.raises(ketseal.VerificationError):
        client.job(bundle.record_id).result(ketseal.Policy(json.dumps(document)))


def test_garbage_is_no_bundle(policy):
    for data in (b"", b"{}", b"\0" * 100):
        verdict = ketseal.verify(data, policy)
        assert not verdict and verdict.failed == "format"
    with pytest.raises(ketseal.FormatError):
        ketseal.Policy("{}")


def test_errors_carry_name_exit_code_and_sentence(client, site):
    job = client.submit("OPENQASM 2.0;\nqreg q[1];\nhh q[0];\n", name="bell.qasm")
    state = job.wait(timeout=60)
    assert state.phase == "failed" and state.error == "FORMAT"
    with pytest.raises(ketseal.FormatError, match="hh") as caught:
        job.result()
    assert (caught.value.name, caught.value.exit_code) == ("FORMAT", 3)
    assert pickle.loads(pickle.dumps(caught.value)).detail == caught.value.detail
    with pytest.raises(ketseal.FormatError, match=r"^FORMAT: bell.qasm:3:1: .*hh"):
        ketseal.Circuit("OPENQASM 2.0;\nqreg q[1];\nhh q[0];\n", "bell.qasm")
    with pytest.raises(ketseal.NotFoundError):
        client.job("00000000-0000-4000-8000-000000000000").status()
    with pytest.raises(ketseal.UsageError, match="no job id"):
        client.job("../../etc").status()
    with pytest.raises(ketseal.KetsealError, match="method"):
        client.submit(BELL, method="oracle")
    with pytest.raises(ketseal.NotFoundError):
        ketseal.Client(site / "absent", url="https://127.0.0.1:1")
    with pytest.raises(ketseal.InputOutputError):
        with ketseal.Client(site / "edge-1", url="https://127.0.0.1:1", timeout=2) as nobody:
            nobody.submit(BELL)
    for wrong in ({"seed": -1}, {"seed": 2**53}, {"precision": "half"}, {"name": "a\0b"}):
        with pytest.raises(ValueError):
            client.submit(BELL, **wrong)


def test_another_site_is_not_believed(site, policy, tmp_path):
    """A pinned document of another site: its keys are not those that sign the one-time keys."""
    document = json.loads((site / "edge-1/site.json").read_text())
    other = tmp_path / "site.json"
    document["ml-dsa-65"] = document["ml-dsa-65"][:100] + "AAAA" + document["ml-dsa-65"][104:]
    other.write_text(json.dumps(document))
    with pytest.raises(ketseal.KetsealError):
        with ketseal.Client(site / "edge-1", site=other) as misled:
            misled.submit(BELL).result()


def test_an_enrolled_device_is_left_alone(site, tmp_path):
    """Its TPM would measure the interpreter, and then not even open to `ketseal`."""
    enrolled = tmp_path / "edge-3"
    shutil.copytree(site / "edge-1", enrolled)
    (enrolled / "platform.json").write_text("{}")
    before = sorted(enrolled.rglob("*"))
    with pytest.raises(ketseal.DeniedError, match="enrolled device") as caught:
        ketseal.Client(enrolled)
    assert caught.value.exit_code == 5
    assert sorted(enrolled.rglob("*")) == before


def test_templates_and_options(client):
    assert "ghz" in list(ketseal.templates())
    template = ketseal.Template("clifford_t_sampling", 4, 10, seed=3)
    result = client.run(template, shots=50, seed=5)
    assert result.bundle.circuit_hash == ketseal.Circuit.from_template(template).hash
    assert result.counts == ketseal.Circuit.from_template(template).simulate(50, 5)
    noise = {"gate1": {"depolarizing": 1e-7, "x": 0.1}, "readout": {"read1_as0": 0.05}}
    circuit = ketseal.Circuit(BELL)
    for options in ({"precision": "single"}, {"method": "stabilizer"}, {"method": "mps", "bond": 4}, {"noise": noise}):
        result = client.run(circuit, shots=100, seed=9, **options)
        assert result.counts == circuit.simulate(100, 9, **options), options
    for wrong in ({"gate3": {}}, {"gate1": {"read0_as1": 0.1}}):
        with pytest.raises(ValueError, match="noise"):
            client.submit(circuit, noise=wrong)
    with pytest.raises(ketseal.FormatError):
        client.submit(circuit, noise={"gate1": {"x": 1.5}})
    assert (circuit.qubits, circuit.clbits, circuit.operations) == (2, 2, 4)
    assert ketseal.Circuit(circuit.text).text == circuit.text


def test_a_drawn_seed_is_in_the_record(client):
    seeds = {client.run(BELL, shots=1).bundle.seed for _ in range(2)}
    assert len(seeds) == 2


def test_cancel_and_waiting(client):
    job = client.submit(SLOW, shots=200000, seed=1)
    with pytest.raises(TimeoutError):
        job.wait(timeout=0.2)
    with pytest.raises(ketseal.NotFoundError):
        job.bundle
    job.cancel()
    assert job.wait(timeout=60).phase == "cancelled"
    with pytest.raises(ketseal.CancelledError):
        job.result()
    with pytest.raises(ketseal.ConflictError):
        job.cancel()


def test_states_of_the_checkpoint(client):
    """This site has no witness: nothing is ever cosigned."""
    job = client.submit(BELL, shots=3)
    job.wait()
    with pytest.raises((TimeoutError, ketseal.KetsealError)):
        job.bundle_in("cosigned", timeout=1)
    with pytest.raises(ketseal.UsageError, match="cosigned, anchored or timestamped"):
        job.bundle_in("notarised")


def test_another_sdk_is_refused_where_the_site_has_none(client):
    with pytest.raises(ketseal.KetsealError, match="qiskit"):
        client.run(BELL, shots=3, sdk="qiskit", timeout=60)


def test_one_idempotency_key_is_one_job(client):
    ids = {client.submit(BELL, shots=3, seed=3, idempotency="one-only").id for _ in range(2)}
    assert len(ids) == 1


def test_threads_take_turns_and_keep_their_own_errors(client):
    """Each thread sees its own sentence, whatever the others fail with meanwhile."""
    wrong, done = [], []

    def work(number):
        try:
            for turn in range(3):
                name = f"program-{number}-{turn}"
                with pytest.raises(ketseal.FormatError, match=f"{name}:1:1"):
                    ketseal.Circuit("nonsense", name)
                done.append(client.run(BELL, shots=5, seed=number).counts)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(done) == 12


def test_other_threads_run_during_a_call():
    """The interpreter's lock is given away while C computes."""
    circuit = ketseal.Circuit(SLOW)
    ticks, ended = [], threading.Event()

    def tick():
        while not ended.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.monotonic()
    circuit.simulate(40, 1, method="statevector")
    end = time.monotonic()
    ended.set()
    thread.join()
    assert end - begin > 0.02
    assert len([t for t in ticks if begin + 0.002 < t < end - 0.002]) >= 5


def test_an_interrupt_ends_a_wait(client):
    job = client.submit(SLOW, shots=200000, seed=2)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        job.wait()
    assert time.monotonic() - begin < 5
    job.cancel()


def test_closed_and_forked(client, site):
    child = os.fork()
    if child == 0:
        try:
            client.device
        except RuntimeError:
            client.close()
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert client.run(BELL, shots=5).counts  # the parent's connection is as it was
    client.close()
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.submit(BELL)


def test_no_key_in_python(client, site):
    """No Python object holds what the key file holds."""
    import gc

    secret = (site / "edge-1/device.key").read_text().splitlines()[3]
    client.run(BELL, shots=2)
    held = [o for o in gc.get_objects() if isinstance(o, dict)]
    texts = [v for d in held for v in d.values() if isinstance(v, (str, bytes))]
    texts = [t.decode("latin-1") if isinstance(t, bytes) else t for t in texts]
    assert len(texts) > 1000
    assert not any(secret in t for t in texts if t is not secret)
