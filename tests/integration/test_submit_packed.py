"""Packed submissions from the command line: copies, what they save, the check, several models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import prepare_data
from qkd_qiskit.models import MODEL_FILE, SavedModel
from qkd_qiskit.runtime import Ledger, LocalService, packing_of
from qkd_qiskit.vqcnn import VQCNNSpec

SETTINGS = ExperimentSettings.model_validate(
    {
        "name": "tiny",
        "seed": 3,
        "data": {
            "dataset": "digits",
            "classes": [0, 1, 2],
            "public_train": 60,
            "public_calibration": 10,
            "public_validation": 10,
            "test": 40,
        },
        "model": {"n_qubits": 3},
        "server": {"backend": "noisy_line"},
        "clients": [{"name": "a", "backend": "noisy_line", "samples": 20}],
    }
)
SPEC = VQCNNSpec(3, plan="conv", kernels="one_cx", n_outcomes=4)
Capture = pytest.CaptureFixture[str]


def model(seed: int, classes: tuple[int, ...] = (0, 1, 2), backend: str = "noisy_line") -> SavedModel:
    params = np.random.default_rng(seed).normal(size=SPEC.n_weights + 1)
    return SavedModel(SPEC, params, classes, prepare_data(SETTINGS).encoder, backend, True, 3)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / MODEL_FILE).write_bytes(model(0).to_bytes())
    (tmp_path / "settings.json").write_text(SETTINGS.model_dump_json())
    return tmp_path


def submit(run: Path, *options: str) -> int:
    sizes = ["--samples", "6", "--shots", "200", "--pack-floor", "0.5"]
    return main(["submit", str(run), "--backend", "noisy_line", *sizes, *options])


def outcomes(run: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((run / "jobs").glob("qkd-*.json"))]


def local_jobs(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "jobs" / "local").glob("*.npz"))


def test_a_packed_submission(run: Path, capsys: Capture) -> None:
    rows = run / "rows.json"
    assert submit(run, "--pack", "auto", "--json", str(rows)) == 0
    out = capsys.readouterr().out
    assert "packed: 4 copies, 800 executions instead of 1600" in out
    assert "crosstalk between copies is in no noise model" in out
    (outcome,) = outcomes(run)
    assert outcome["samples"] == 6
    # Six samples on four copies: two rows, in which the first two samples are measured twice.
    assert np.array(outcome["counts"]).sum(axis=1).tolist() == [400, 400, 200, 200, 200, 200]
    assert [row["samples"] for row in json.loads(rows.read_text())] == [6]
    copies = outcome["settings"]["packing"]["copies"]
    assert len(copies) == 4
    assert all(copy["esp"] >= 0.5 * copies[0]["esp"] for copy in copies)
    assert outcome["settings"]["estimate"]["executions_alone"] == 1600
    assert "copies were simulated apart: crosstalk between them is in no noise model" in outcome["notes"]


def test_the_same_command_again_pays_nothing(run: Path, capsys: Capture) -> None:
    assert submit(run, "--pack", "2", "--no-wait") == 0
    jobs = local_jobs(run)
    assert submit(run, "--pack", "2") == 0
    assert "going on with" in capsys.readouterr().out
    assert local_jobs(run) == jobs
    assert submit(run, "--pack", "2", "--pack-margin", "2") == 0
    assert len(local_jobs(run)) == len(jobs) + 1


def test_a_killed_packed_submission_is_resumed(
    run: Path, monkeypatch: pytest.MonkeyPatch, accepted_before_death: list[str]
) -> None:
    assert submit(run, "--pack", "2", "--batch", "2") == 130
    monkeypatch.undo()
    assert main(["jobs", str(run), "--resume"]) == 0
    with Ledger(run) as ledger:
        (submission,) = ledger.submissions()
        batches = ledger.batches(submission.id)
    assert [batch.job_id for batch in batches][:2] == accepted_before_death
    assert {batch.state for batch in batches} == {"done"}
    assert len(local_jobs(run)) == 3
    assert outcomes(run)[0]["samples"] == 6


def test_a_packed_submission_is_cancelled_and_sent_again(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qkd_qiskit.runtime.service import JobState

    monkeypatch.setattr(LocalService, "state", lambda self, job_id: JobState("queued"))
    assert submit(run, "--pack", "2", "--batch", "2", "--no-wait") == 0
    assert main(["jobs", str(run), "--cancel"]) == 0
    assert "cancelled 3 batches" in capsys.readouterr().out
    monkeypatch.undo()
    assert main(["jobs", str(run), "--retry", "--wait"]) == 0
    assert outcomes(run)[0]["samples"] == 6


def test_the_check_finds_copies_equal_that_are_simulated_apart(run: Path, capsys: Capture) -> None:
    assert submit(run, "--pack", "2", "--pack-check") == 0
    assert "Copies together and alone" in capsys.readouterr().out
    (outcome,) = outcomes(run)
    assert [check["agrees"] for check in outcome["pack_check"]] == [True, True]
    assert {check["samples"] for check in outcome["pack_check"]} == {3}


def test_the_check_names_a_copy_that_the_others_disturb(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A stand-in for crosstalk: beside the others, half of what copy 1 counts falls to one outcome."""
    simulated = LocalService.counts

    def disturbed(self: LocalService, job_id: str):
        found = simulated(self, job_id)
        counts = found.counts.copy()
        lost = counts[:, 1] // 2
        counts[:, 1] -= lost
        counts[:, 1, 0] += lost.sum(axis=1)
        return replace(found, counts=counts)

    monkeypatch.setattr(LocalService, "counts", disturbed)
    assert submit(run, "--pack", "2", "--pack-check") == 1
    assert "copy 1 counts otherwise beside the others than alone: a distance of 0." in capsys.readouterr().err
    assert [check["agrees"] for check in outcomes(run)[0]["pack_check"]] == [True, False]


def test_clients_of_one_device_share_it(run: Path, capsys: Capture) -> None:
    """Two of three clients were trained for the device; each has classes of its own."""
    folder = run / "clients"
    folder.mkdir()
    for name, classes, backend in (
        ("a", (0, 1), "noisy_line"), ("b", (1, 2), "noisy_line"), ("c", (0, 1), "ion_trap"),
    ):  # fmt: skip
        (folder / f"{name}.npz").write_bytes(model(ord(name), classes, backend).to_bytes())
    assert submit(run, "--pack", "auto", "--clients") == 0
    first, second = outcomes(run)
    assert (first["classes"], second["classes"]) == ([0, 1], [1, 2])
    assert {first["samples"], second["samples"]} == {6}
    assert first["labels"] != second["labels"] or first["counts"] != second["counts"]
    with Ledger(run) as ledger:
        (submission,) = ledger.submissions()
    assert [copy.model for copy in packing_of(submission).copies] == [0, 0, 1, 1]
    assert len(local_jobs(run)) == 1
    assert "clients/a.npz" in submission.settings["packing"]["sources"]
    before = outcomes(run)
    assert main(["jobs", str(run)]) == 0
    assert outcomes(run) == before


def test_the_model_of_another_run_comes_along(run: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / MODEL_FILE).write_bytes(model(9).to_bytes())
    (other / "settings.json").write_text(SETTINGS.model_dump_json())
    assert submit(run, "--pack", "1", "--also", str(other)) == 0
    first, second = outcomes(run)
    assert first["counts"] != second["counts"]
    assert np.array(second["counts"]).sum(axis=1).tolist() == [200] * 6


def test_a_dry_run_leaves_nothing(run: Path, capsys: Capture) -> None:
    before = sorted(path.name for path in run.iterdir())
    assert submit(run, "--pack", "auto", "--dry-run") == 0
    assert "Copies" in capsys.readouterr().out
    assert sorted(path.name for path in run.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pack", "many"], "--pack: expected auto or a number of copies, found 'many'"),
        (["--pack", "0"], "--pack: expected auto or a number of copies, found '0'"),
        (["--pack", "9"], "expected at most 4 copies of the circuit"),
        (["--pack-check"], "expected --pack auto, or a number of copies, with --pack-check"),
        (["--clients"], "expected --pack auto, or a number of copies, with --also and --clients"),
        (["--also", "."], "expected --pack auto, or a number of copies, with --also and --clients"),
        (["--pack", "2", "--pack-check", "--batch", "2"], "expected samples that fit into one job"),
        (["--pack", "2", "--also", "."], "no model at"),
        (["--clients", "--pack", "2"], "expected models of clients on noisy_line"),
    ],
)
def test_bad_input_is_one_line(
    options: list[str], message: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(run.parent)
    assert submit(run, *options) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
