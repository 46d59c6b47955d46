"""Processes killed at any step: afterwards exactly one job a batch, and complete results."""

from __future__ import annotations

import os
import signal
import warnings

import numpy as np
import pytest

from qkd_qiskit.errors import SubmissionError


def killed(bench, faults, **options):
    """Whether a process that works on the bench was killed by its fault."""
    with warnings.catch_warnings():
        # Newer Pythons warn of forks beside threads; the child touches nothing that threads hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            bench.work(faults, **options)
            status = 0
        except SubmissionError:
            status = 3
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) in (0, 3)
    return False


def total_steps(bench, make_faults):
    faults = make_faults()
    bench.work(faults)
    return faults


def kill_and_resume(tmp_path_factory, make_faults, rng, steps):
    from_factory = tmp_path_factory.mktemp("killed")
    bench = type(kill_and_resume.bench)(from_factory)
    kills = 0
    for _ in range(int(rng.integers(1, 4))):
        kills += killed(bench, make_faults(kill_at=int(rng.integers(1, steps + 1))))
    bench.work()
    bench.check()
    return kills


@pytest.fixture
def steps(bench, make_faults):
    kill_and_resume.bench = bench
    found = total_steps(bench, make_faults)
    bench.check()
    wanted = {"before the service accepts", "after the service accepted", "before the results", "list"}
    # Nothing is listed while nothing is in doubt.
    assert wanted - {"list"} <= set(found.names)
    assert any("UPDATE" in name for name in found.names)
    return found.steps


def test_ten_random_kills(steps, tmp_path_factory, make_faults):
    rng = np.random.default_rng(10)
    assert sum(kill_and_resume(tmp_path_factory, make_faults, rng, steps) for _ in range(10)) >= 10


@pytest.mark.long
def test_two_hundred_random_kills(steps, tmp_path_factory, make_faults):
    rng = np.random.default_rng(200)
    assert sum(kill_and_resume(tmp_path_factory, make_faults, rng, steps) for _ in range(200)) >= 200


@pytest.mark.parametrize(
    "place",
    ["before UPDATE batch SET state = ?, attempt", "after UPDATE batch SET state = ?, attempt",
     "before the service accepts", "after the service accepted", "before UPDATE batch SET state = ?, job_id",
     "after UPDATE batch SET state = ?, job_id", "ask for the state", "before the results",
     "after the results", "before UPDATE batch SET state = ?, counts",
     "after UPDATE batch SET state = ?, counts"],
)  # fmt: skip
@pytest.mark.parametrize("which", [0, 2])
def test_a_kill_at_each_step(place, which, tmp_path_factory, make_faults, bench):
    names = total_steps(bench, make_faults).names
    found = [number for number, name in enumerate(names, 1) if name.startswith(place[:44])]
    assert len(found) == len(bench.ranges)
    fresh = type(bench)(tmp_path_factory.mktemp("step"))
    assert killed(fresh, make_faults(kill_at=found[which]))
    fresh.work()
    fresh.check()


def test_a_kill_after_a_lost_answer(bench, make_faults):
    # The kill comes while the lost job is looked for.
    assert killed(bench, KillAt("list"), answer="lost")
    bench.work()
    bench.check()


class KillAt:
    """Kills at the first step of a name."""

    def __init__(self, name):
        self.name = name

    def step(self, name):
        if name == self.name:
            os.kill(os.getpid(), signal.SIGKILL)
