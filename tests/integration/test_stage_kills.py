"""A run that is killed in every stage, or meets a full disk there, ends in the results of a whole run."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TINY = str(Path(__file__).with_name("tiny.toml"))
STAGES = {
    "client one class",
    "client two classes",
    "client all",
    "public only",
    "global model",
    "centralized",
}
STAGES |= {"centralized", "FedAvg"}

# Kills itself at one moment of the first stage that is not stored yet: before or after its result is stored,
# or once it has stored so many of its answers.
_RUN = f"""
import os, signal, sys
from qkd_qiskit.cli import main
from qkd_qiskit.store import AnswerLog, StageStore

moment, folder = int(sys.argv[1]), sys.argv[2]
save, answer = StageStore.save, AnswerLog.answer

def kill(key):
    print("killed in", key, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def killing_save(self, key, record):
    if moment == 0:
        kill(key)
    save(self, key, record)
    if moment == 1:
        kill(key)

def killing_answer(self, question, compute):
    found = answer(self, question, compute)
    if 1 < moment == 1 + self.computed:
        kill(self._place[1])
    return found

if moment >= 0:
    StageStore.save, AnswerLog.answer = killing_save, killing_answer
sys.exit(main(["run", {TINY!r}, "--output", folder, "--resume", "--set", "federation.workers=1"]))
"""


def run(
    folder: Path, moment: int, setup: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _RUN, str(moment), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=setup,
    )


def results(folder: Path) -> dict[str, Any]:
    """Return results without what a clock says."""
    found = json.loads((folder / "results.json").read_text())
    clients = [{k: v for k, v in client.items() if k != "seconds"} for client in found["clients"]]
    return {key: value for key, value in found.items() if key != "timings"} | {"clients": clients}


def kill_in_every_stage(folder: Path, moments: list[int]) -> list[str]:
    """Kill a run at these moments of every stage, and let it end; where it was killed."""
    killed: list[str] = []
    # A stage has several trainings: of recipes, of finalists.
    for _ in range(8 * len(STAGES)):
        for moment in moments:
            done = run(folder, moment)
            if done.returncode == 0:
                return killed
            assert done.returncode == -signal.SIGKILL, done.stderr
            killed.append(done.stdout.splitlines()[-1].removeprefix("killed in "))
    assert run(folder, -1).returncode == 0
    return killed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder, -1).returncode == 0
    return results(folder)


@pytest.mark.long
def test_kills_in_every_stage(whole: dict[str, Any], tmp_path: Path) -> None:
    # The last moment is the one behind a stage's result: the next kill falls into the next stage.
    killed = kill_in_every_stage(tmp_path, [2, 4, 7, 3, 0, 1])
    # FedAvg trains within its stage under a name of its own.
    assert set(killed) >= STAGES
    assert len(killed) >= 20
    assert results(tmp_path) == whole


@pytest.mark.long
def test_a_disk_that_is_full_again_and_again(whole: dict[str, Any], tmp_path: Path) -> None:
    for limit in (10_000, 50_000, 80_000, 110_000, 130_000, 250_000):

        def full(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        done = run(tmp_path, -1, full)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith("qkd-qiskit: error: cannot ")
        assert not (tmp_path / "results.json").exists()
        assert not list(tmp_path.glob(".*.tmp"))
    assert run(tmp_path, -1).returncode == 0
    assert results(tmp_path) == whole
