"""Packed jobs through the machinery of all jobs: kills, lost answers, cancelling, trying again."""

from __future__ import annotations

import os
import signal
import warnings
from functools import partial
from unittest.mock import patch

import numpy as np
import pytest

from qkd_qiskit.data import Samples
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime import JobRunner, Ledger, LocalService, ModelWorkload, PackingOptions
from qkd_qiskit.runtime.readings import packing_of, read_samples
from qkd_qiskit.runtime.service import JobCounts, JobState, ServiceUncertain
from qkd_qiskit.runtime.submission_plan import SubmissionOptions, plan_workloads
from qkd_qiskit.store import Database
from qkd_qiskit.vqcnn import VQCNNSpec

SHOTS, SAMPLES = 50, 11


@pytest.fixture(scope="module")
def plan():
    """Eleven samples on four copies, a row a job: three jobs, the last with a cell to spare."""
    rng = np.random.default_rng(0)
    spec = VQCNNSpec(2, plan="conv", kernels="one_cx", n_outcomes=4)
    encoder = make_encoder("angle", 2, image_shape=(4, 4)).fit(rng.random((20, 16)))
    model = SavedModel(
        spec, rng.normal(size=spec.n_weights + 1), (0, 1, 2, 3), encoder, "noisy_line", True, 7
    )
    samples = Samples(rng.uniform(-1, 1, (SAMPLES, spec.n_features)), np.arange(SAMPLES) % 4)
    options = SubmissionOptions(SAMPLES, SHOTS, batch=4, packing=PackingOptions(4, floor=0.0))
    return plan_workloads([ModelWorkload(model, samples)], load_backend("noisy_line"), options, local=True)


def counted(inputs):
    """What a sample counts: a rule of its inputs alone, so that an exchanged row or copy would show."""
    share = np.floor((inputs[..., 0] + 2) * 10).astype(int)
    none = np.zeros_like(share)
    return np.stack([share, none, SHOTS - share, none], axis=-1)


class Instant(LocalService):
    """The local service, with counts that cost no time, and a step before and after each acceptance."""

    def __init__(self, folder, device, step):
        super().__init__(folder, device)
        self.step, self.seen = step, []

    def submit(self, request):
        self.step("before the service accepts")
        self.seen.append(request)
        job_id = super().submit(request)
        self.step("after the service accepted")
        return job_id

    def counts(self, job_id):
        with np.load(self._folder / f"{job_id}.npz") as stored:
            values = stored["values"]
        corners = np.eye(4, dtype=int)[[0, 3]] * SHOTS
        self.step("before the counts")
        return JobCounts(counted(values.reshape(len(values), 4, -1)), np.stack([corners] * 4, axis=1), None)


class Traced(Database):
    def __init__(self, folder, *, durable, step):
        self._step = step
        super().__init__(folder, durable=durable)

    def execute(self, statement, *values):
        self._step("before a statement")
        done = super().execute(statement, *values)
        self._step("after a statement")
        return done


def work(folder, plan, step=lambda name: None):
    with patch("qkd_qiskit.runtime.ledger.Database", partial(Traced, step=step)):
        ledger = Ledger(folder)
    with ledger:
        if not ledger.submissions():
            ledger.add(plan.submission, plan.ranges)
        (submission,) = ledger.submissions()
        runner = JobRunner(ledger, submission, Instant(folder / "local", load_backend("noisy_line"), step))
        runner.submit()
        runner.collect()


def check(folder, plan):
    """One job a batch, and every sample's counts where they belong."""
    assert len(list((folder / "local").glob("*.npz"))) == len(plan.ranges) == 3
    with Ledger(folder) as ledger:
        found = read_samples(ledger, plan.submission)
    packing, wanted = packing_of(plan.submission), np.zeros((SAMPLES, 4), dtype=int)
    for c in range(4):
        np.add.at(wanted, packing.cells[:, c], counted(plan.submission.inputs[:, packing.columns(c)]))
    np.testing.assert_array_equal(found.counts, wanted)
    np.testing.assert_array_equal(found.labels, np.arange(SAMPLES) % 4)


class KillAt:
    def __init__(self, number):
        self.left = number

    def __call__(self, name):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_submission_neither_loses_nor_pays_twice(tmp_path, plan):
    names = []
    work(tmp_path / "whole", plan, names.append)
    check(tmp_path / "whole", plan)
    steps = {*range(5, len(names), 9), *(k for k, name in enumerate(names, 1) if "service" in name)}
    for step in steps:
        folder = tmp_path / str(step)
        with warnings.catch_warnings():
            # Newer Pythons warn of forks beside threads; the child touches nothing that threads hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                work(folder, plan, KillAt(step))
            finally:
                os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        work(folder, plan)
        check(folder, plan)


def test_cancelled_and_failed_batches_are_sent_again(tmp_path, plan):
    (tmp_path / "local").mkdir()
    with Ledger(tmp_path) as ledger:
        ledger.add(plan.submission, plan.ranges)
        service = Instant(tmp_path / "local", load_backend("noisy_line"), lambda name: None)
        runner = JobRunner(ledger, ledger.submissions()[0], service)
        with patch.object(Instant, "state", lambda self, job_id: JobState("queued")):
            runner.submit()
            assert runner.cancel() == 3
        assert {batch.state for batch in ledger.batches(plan.submission.id)} == {"cancelled"}
        assert runner.retry() == 3
        runner.submit()
        assert runner.collect()
        found = read_samples(ledger, plan.submission)
    assert found.counts.sum() == 12 * SHOTS
    assert len(service.seen) == 6
    for first, again in zip(service.seen[:3], service.seen[3:], strict=True):
        np.testing.assert_array_equal(first.values, again.values)


def test_a_batch_whose_answer_was_lost_is_found_by_its_tag(tmp_path, plan):
    def lose(self, request):
        LocalService.submit(self, request)
        raise ServiceUncertain("answer lost")

    with patch.object(Instant, "submit", lose):
        work(tmp_path, plan)
    check(tmp_path, plan)


def test_counts_with_too_few_shots_of_one_copy_are_refused(tmp_path, plan):
    from qkd_qiskit.errors import ServiceError

    whole = Instant.counts

    def short(self, job_id):
        found = whole(self, job_id)
        found.counts[0, 2, 0] -= 1
        return found

    with (
        patch.object(Instant, "counts", short),
        pytest.raises(ServiceError, match="expected 1 rows of 50 shots"),
    ):
        work(tmp_path, plan)
