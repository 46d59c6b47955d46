"""A stand-in of IBM's service at the Runtime client's boundary; its state outlives its user's process."""

from __future__ import annotations

import json
import os
import signal
import uuid
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, SamplerPubResult

from qkd_qiskit.interop import export_circuit
from qkd_qiskit.runtime.ibm import IBMService
from qkd_qiskit.runtime.jobs import JobRunner
from qkd_qiskit.runtime.ledger import Ledger, Submission
from qkd_qiskit.runtime.mitigation import calibration_circuits
from qkd_qiskit.store import Database
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(2, plan="conv", kernels="one_cx", n_outcomes=4)
SHOTS = 50


def expected_counts(inputs):
    """What the stand-in counts: a rule of the inputs alone, so that an exchanged row would show."""
    share = np.floor((np.asarray(inputs)[:, 0] + 2) * 10).astype(int)
    return np.stack([share, np.zeros_like(share), SHOTS - share, np.zeros_like(share)], axis=1)


@dataclass
class Faults:
    """Counts the steps of a process, and kills it at one of them."""

    kill_at: int | None = None
    steps: int = 0
    names: list[str] = field(default_factory=list)

    def step(self, name):
        self.steps += 1
        self.names.append(name)
        if self.steps == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class StandInJob:
    def __init__(self, client, path):
        self._client, self._path = client, path
        self._record = json.loads(path.read_text())
        self.tags = self._record["tags"]

    def job_id(self):
        return self._path.stem

    def status(self):
        self._client.faults.step("ask for the state")
        for ending, says in self._client.odd.items():
            if self.tags[-1].endswith(ending):
                return says()
        return self._record["status"]

    def error_message(self):
        return self._record.get("message")

    def result(self):
        self._client.faults.step("before the results")
        inputs = np.array(self._record["inputs"])
        rows = expected_counts(inputs)
        pubs = [_pub(rows, (len(rows),))] + [
            _pub(row[None], ()) for row in np.eye(4, dtype=int)[[0, 3]] * SHOTS
        ]
        self._client.faults.step("after the results")
        return PrimitiveResult(pubs)

    def metrics(self):
        return self._client.metrics()

    def cancel(self):
        self._client.faults.step("cancel")
        if self._client.cancelling == "refused":
            raise RuntimeError("Job cannot be cancelled")
        self._record["status"] = "CANCELLED"
        write_atomic(self._path, json.dumps(self._record))


def _pub(rows, shape):
    bits = [format(k, "02b") for row in rows for k in np.repeat(np.arange(4), row)]
    array = BitArray.from_samples(bits, 2).array.reshape(*shape, SHOTS, 1)
    return SamplerPubResult(DataBin(meas=BitArray(array, 2), shape=shape))


class StandInClient:
    """Accepts jobs into a folder; it can lose answers, fail before accepting, and list late or partly.

    Args:
        folder: Where the jobs lie.
        faults: Told of every step.
        answer: `kept`, `lost` (accepted, then an error), `garbled` (accepted, then an answer that is no
            JSON), `never` (an error, nothing accepted), `refused` (before anything is sent).
        listing: `whole`, `broken` (an error), `partial` (without the oldest job), `empty`.
        status: Of every new job.

    Attributes:
        odd: What jobs say for a status, by the end of their batch's tag: functions that return it, or raise.
        metrics: Gives the metrics of a job.
        cancelling: `granted` or `refused`.
    """

    def __init__(self, folder, faults=None, answer="kept", listing="whole", status="DONE"):
        self.folder, self.faults = folder, faults or Faults()
        self.answer, self.listing, self.status = answer, listing, status
        self.hidden_calls = 0
        self.odd, self.cancelling = {}, "granted"
        self.metrics = lambda: {"usage": {"quantum_seconds": 1.5}}
        folder.mkdir(exist_ok=True)

    def backend(self, name):
        if name != "ibm_standin":
            raise ValueError("token=SECRET")
        return SimpleNamespace(name=name)

    def prepare(self, mode, request):
        if self.answer == "refused":
            raise ValueError("unknown option")
        return partial(self.send, request)

    def send(self, request):
        self.faults.step("before the service accepts")
        if self.answer == "never":
            raise ConnectionError("no route")
        # The free parameters are all inputs, in order.
        record = {"tags": list(request.tags), "inputs": request.values.tolist(), "status": self.status}
        job_id = uuid.uuid4().hex
        write_atomic(self.folder / f"{job_id}.json", json.dumps(record))
        self.faults.step("after the service accepted")
        if self.answer == "lost":
            raise ConnectionError("answer lost")
        if self.answer == "garbled":
            # What `requests` raises is a JSONDecodeError too, and so a ValueError.
            json.loads("<html>")
        return SimpleNamespace(job_id=lambda: job_id)

    def jobs(self, *, limit, job_tags):
        assert limit is None
        self.faults.step("list")
        if self.listing == "broken":
            raise ConnectionError("no list")
        if self.hidden_calls > 0:
            self.hidden_calls -= 1
            return []
        paths = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        jobs = [StandInJob(self, path) for path in paths]
        if self.listing == "partial":
            jobs = jobs[1:]
        if self.listing == "empty":
            jobs = []
        return [job for job in jobs if set(job_tags) <= set(job.tags)]

    def job(self, job_id):
        path = self.folder / f"{job_id}.json"
        if not path.exists():
            raise KeyError(job_id)
        return StandInJob(self, path)

    def tags(self):
        """The batch tags of all accepted jobs."""
        return sorted(json.loads(path.read_text())["tags"][-1] for path in self.folder.glob("*.json"))


class TracedDatabase(Database):
    """A database that tells of every statement, before and after."""

    def __init__(self, folder, *, durable, faults):
        self._faults = faults
        super().__init__(folder, durable=durable)

    def execute(self, statement, *values):
        self._faults.step(f"before {statement[:40]}")
        done = super().execute(statement, *values)
        self._faults.step(f"after {statement[:40]}")
        return done


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Bench:
    """A run folder, a stand-in service, and a way to work on them."""

    def __init__(self, folder: Path, samples=7, batch=2):
        self.folder = folder
        self.samples, self.batch = samples, batch
        self.clock = Clock()
        rng = np.random.default_rng(0)
        self.inputs = rng.uniform(-1, 1, (samples, SPEC.n_features))
        circuit = export_circuit(SPEC, np.zeros(SPEC.n_weights))
        settings = {
            "shots": SHOTS, "seed": 0, "max_seconds": 60, "dynamical_decoupling": False, "twirling": False,
        }  # fmt: skip
        self.submission = Submission(
            "qkd-test", "2025-01-01T00:00:00", "ibm_standin", settings, circuit,
            calibration_circuits(circuit), self.inputs, np.zeros(samples, dtype=np.int64),
        )  # fmt: skip
        self.ranges = [(start, min(start + batch, samples)) for start in range(0, samples, batch)]

    def client(self, faults=None, **options):
        return StandInClient(self.folder / "service", faults, **options)

    def open(self, faults=None):
        made = Database if faults is None else partial(TracedDatabase, faults=faults)
        with patch("qkd_qiskit.runtime.ledger.Database", made):
            ledger = Ledger(self.folder)
        if not ledger.submissions():
            ledger.add(self.submission, self.ranges)
        return ledger

    def runner(self, ledger, client, submission=None):
        if submission is None:
            (submission,) = ledger.submissions()
        service = IBMService("ibm_standin", client=client, prepare=client.prepare)
        return JobRunner(ledger, submission, service, clock=self.clock, sleep=self.clock.sleep)

    def work(self, faults=None, **options):
        """What a command does: open, submit what is missing, collect."""
        with self.open(faults) as ledger:
            runner = self.runner(ledger, self.client(faults, **options))
            runner.submit()
            runner.collect()

    def check(self):
        """Exactly one job a batch, and complete counts."""
        tags = self.client().tags()
        batches = [tag.rsplit("-a", 1)[0] for tag in tags]
        assert batches == [f"qkd-test-b{number}" for number in range(len(self.ranges))]
        with self.open() as ledger:
            numbers, counts, calibration = ledger.counts("qkd-test")
            np.testing.assert_array_equal(numbers, np.arange(self.samples))
            np.testing.assert_array_equal(counts, expected_counts(self.inputs))
            assert (calibration[:, 0, 0] == SHOTS).all()
            assert (calibration[:, 1, 3] == SHOTS).all()
            assert {batch.state for batch in ledger.batches("qkd-test")} == {"done"}
            assert {batch.seconds for batch in ledger.batches("qkd-test")} == {1.5}
            assert self.runner(ledger, self.client()).strangers() == ()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def make_faults():
    return Faults
