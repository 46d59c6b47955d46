"""Training that is killed with SIGKILL and resumed ends in the weights of an uninterrupted training."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.store import Database

# Structure search under a device's noise, a cooperative or global swarm, then L-BFGS.
_TRAIN = """
import sys
import numpy as np
from qkd_qiskit.config import StructureSettings, TrainingSettings
from qkd_qiskit.estimator import estimate_gate_budget
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.store import AnswerLog
from qkd_qiskit.training import (
    SearchTask, StructureSpace, Targets, Tracking,
    device_candidates, search_structure, searched_spec, train_model,
)

folder, output, method = sys.argv[1:]
rng = np.random.default_rng(5)
labels = np.arange(60) % 2
inputs = 0.4 * rng.standard_normal((60, 8)) + 0.4 * labels[:, None]
device = load_backend("ibm_guadalupe")
budget = estimate_gate_budget(inputs, labels, backend=device, n_qubits=4, kernel="two_cx")
settings = TrainingSettings(
    method=method, particles=4, iterations=5, sweeps=2, refine=12,
    structure=StructureSettings(enabled=True, particles=3, iterations=1, samples=30, starts=2, steps=3),
)
from pathlib import Path
with AnswerLog(Path(folder), method, resume=True) as answers:
    print("started", flush=True)
    targets, tracking = Targets(2, labels=labels), Tracking(answers=answers)
    candidates = device_candidates(budget.spec, device)
    search = search_structure(
        candidates,
        StructureSpace(budget.spec, candidates.two_qubit, other_encodings=method != "cooperative"),
        SearchTask(inputs, targets, seed=3),
        settings,
        tracking=tracking,
    )
    compiled = compile_model(searched_spec(budget.spec, search), device)
    model = train_model(
        compiled.noisy, inputs, targets, settings, rng=np.random.default_rng(3), tracking=tracking
    )
np.savez(output, params=model.params, index=np.array(str(compiled.spec.index)), new=answers.computed)
"""


def _start(folder: Path, method: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _TRAIN, str(folder), str(folder / "found.npz"), method]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def _finish(folder: Path, method: str) -> dict[str, np.ndarray]:
    process = _start(folder, method)
    process.communicate()
    assert process.returncode == 0
    with np.load(folder / "found.npz") as file:
        return dict(file)


def _answers(folder: Path) -> list[tuple[bytes, bytes]]:
    with Database(folder) as database:
        return database.rows("SELECT question, data FROM answer ORDER BY position")


def _kill_at(count: int, folder: Path, method: str) -> bool:
    """Run until `count` answers are stored, then kill; whether the kill came in time."""
    process = _start(folder, method)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    with Database(folder) as database:
        while process.poll() is None:
            if database.rows("SELECT count(*) FROM answer")[0][0] >= count:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def _check(tmp_path: Path, method: str, kills: int, seed: int) -> None:
    whole = _finish(tmp_path / "whole", method)
    stored = _answers(tmp_path / "whole")
    moments = np.sort(np.random.default_rng(seed).uniform(0, 0.97, kills)) * len(stored)
    folder = tmp_path / "killed"
    assert all(_kill_at(int(moment), folder, method) for moment in moments)
    again = _finish(folder, method)
    np.testing.assert_array_equal(again["params"], whole["params"])
    assert again["index"] == whole["index"]
    assert again["new"] < whole["new"]
    assert _answers(folder) == stored


def test_a_kill(tmp_path: Path) -> None:
    _check(tmp_path, "cooperative", 1, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("method", ["global", "cooperative"])
def test_twenty_kills(tmp_path: Path, method: str) -> None:
    _check(tmp_path, method, 20, seed=1)
