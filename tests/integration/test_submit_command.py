"""From a run folder through the command line: predict, export, submit to a fake device, follow the jobs."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qiskit import qpy
from qiskit_ibm_runtime.utils.utils import is_isa_circuit

from qkd_qiskit import SubmissionOptions, services, submit_model
from qkd_qiskit.cli import main
from qkd_qiskit.config import ExperimentSettings, TrainingSettings
from qkd_qiskit.data import load_dataset, prepare_data
from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.models import MODEL_FILE, SavedModel
from qkd_qiskit.runtime import Ledger
from qkd_qiskit.services import submit as submit_module
from qkd_qiskit.simulation import PauliEvaluator, count_agreement
from qkd_qiskit.training import Targets, train_model
from qkd_qiskit.vqcnn import VQCNNSpec

SETTINGS = ExperimentSettings.model_validate(
    {
        "name": "tiny",
        "seed": 3,
        "data": {
            "dataset": "digits",
            "classes": [0, 1],
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
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def trained() -> SavedModel:
    data = prepare_data(SETTINGS)
    spec = VQCNNSpec(3, plan="conv, edge", kernels="two_cx", sharing="site", n_outcomes=2)
    public = data.public.labelled
    fitted = train_model(
        PauliEvaluator(spec),
        public.inputs,
        Targets(2, labels=public.labels),
        TrainingSettings(particles=6, iterations=2, refine=30),
        rng=np.random.default_rng(0),
    )
    return SavedModel(spec, fitted.params, data.classes, data.encoder, "noisy_line", True, 3)


@pytest.fixture
def run(trained: SavedModel, tmp_path: Path) -> Path:
    (tmp_path / MODEL_FILE).write_bytes(trained.to_bytes())
    (tmp_path / "settings.json").write_text(SETTINGS.model_dump_json())
    return tmp_path


def submit(run: Path, *options: str, backend: str = "noisy_line") -> int:
    sizes = ["--samples", "9", "--shots", "300", "--batch", "4"]
    return main(["submit", str(run), "--backend", backend, *sizes, *options])


def only_outcome(run: Path) -> dict:
    (path,) = (run / "jobs").glob("qkd-*.json")
    return json.loads(path.read_text())


def test_a_submission_to_a_simulated_device(run: Path, trained: SavedModel, capsys: Capture) -> None:
    rows = run / "rows.json"
    assert submit(run, "--json", str(rows)) == 0
    out = capsys.readouterr().out
    assert "raw" in out
    assert "mitigated" in out
    assert [row["state"] for row in json.loads(rows.read_text())] == ["done"] * 3
    outcome = only_outcome(run)
    assert outcome["samples"] == 9
    # Exact probabilities of the same samples, in the same order.
    device = load_backend("noisy_line")
    with Ledger(run) as ledger:
        (submission,) = ledger.submissions()
    exact = PauliEvaluator(transpile_verified(trained.spec, device, seed=3), device.noise_model)
    expected = exact.probabilities(trained.weights, submission.inputs)
    assert count_agreement(np.array(outcome["counts"]), expected).agrees
    # Readout errors of 3 % are the largest part of what the device does to two bits here.
    ideal = np.array(outcome["probabilities"]["ideal"])
    away = {
        kind: np.abs(np.array(outcome["probabilities"][kind]) - ideal).mean() for kind in ("raw", "mitigated")
    }
    assert away["mitigated"] < away["raw"]
    assert outcome["accuracy"]["raw"]["value"] > 0.7
    (picture,) = (run / "jobs").glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert outcome["classes"] == [0, 1]
    labels, counts = np.array(outcome["labels"]), np.array(outcome["counts"])
    table = out[out.index("Raw counts") :].splitlines()
    for name in (0, 1):
        row = [str(name), str((labels == name).sum()), *map(str, counts[labels == name].sum(axis=0))]
        assert any(line.split() == row for line in table)


def test_the_same_command_again_goes_on(run: Path, capsys: Capture) -> None:
    assert submit(run, "--no-wait") == 0
    local = sorted(path.name for path in (run / "jobs" / "local").glob("*.npz"))
    assert submit(run) == 0
    assert "going on with" in capsys.readouterr().out
    assert sorted(path.name for path in (run / "jobs" / "local").glob("*.npz")) == local
    before = only_outcome(run)
    assert main(["jobs", str(run)]) == 0
    assert only_outcome(run) == before


def test_a_submission_that_was_killed_is_resumed_by_jobs(
    run: Path, monkeypatch: pytest.MonkeyPatch, accepted_before_death: list[str], capsys: Capture
) -> None:
    assert submit(run) == 130
    monkeypatch.undo()
    assert main(["jobs", str(run), "--resume"]) == 0
    with Ledger(run) as ledger:
        (submission,) = ledger.submissions()
        batches = ledger.batches(submission.id)
    assert {batch.state for batch in batches} == {"done"}
    assert [batch.job_id for batch in batches][:2] == accepted_before_death
    assert len(list((run / "jobs" / "local").glob("*.npz"))) == 3


def test_a_program_submits_in_one_call(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    few = SubmissionOptions(samples=9, shots=300, batch=4, mitigate=False)
    (outcome,) = submit_model(str(run), "noisy_line", few)
    assert outcome.counts.sum(axis=1).tolist() == [300] * 9
    assert only_outcome(run)["counts"] == outcome.counts.tolist()
    # The same call again reads what is there, and the command line goes on with the same submission.
    (again,) = submit_model(run, "noisy_line", few)
    np.testing.assert_array_equal(again.counts, outcome.counts)
    assert len(list((run / "jobs" / "local").glob("*.npz"))) == 3
    assert submit(run, "--no-mitigate") == 0
    assert "going on with" in capsys.readouterr().out
    elsewhere = replace(services.destination(run, "noisy_line"), local=False)
    monkeypatch.setattr(submit_module, "destination", lambda *_: elsewhere)
    with pytest.raises(SubmissionError, match="costs about .* quantum seconds: spend=True allows it"):
        submit_model(run, "noisy_line", SubmissionOptions(samples=3, shots=50))
    with pytest.raises(SubmissionError, match="options: expected a SubmissionOptions or None, found 3"):
        submit_model(run, "noisy_line", 3)


def test_a_program_is_told_of_jobs_of_a_lost_folder(run: Path) -> None:
    few = SubmissionOptions(samples=3, shots=50, mitigate=False)
    submit_model(run, "noisy_line", few)
    for path in [*run.glob("run.sqlite*"), *(run / "jobs").glob("qkd-*")]:
        path.unlink()
    with pytest.raises(SubmissionError, match="which .* does not know: `qkd-qiskit submit --recover`"):
        submit_model(run, "noisy_line", few)


def test_counts_of_many_outcomes_are_left_to_the_file() -> None:
    from types import SimpleNamespace

    from qkd_qiskit.services import count_columns

    few, many = (SimpleNamespace(counts=np.zeros((2, n))) for n in (8, 16))
    assert [key for _, key in count_columns(few)][2:4] == ["000", "001"]
    assert count_columns(many) == ()


def test_failed_jobs_end_with_status_1_and_are_sent_again(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qkd_qiskit.runtime import LocalService
    from qkd_qiskit.runtime.service import JobState

    monkeypatch.setattr(LocalService, "state", lambda self, job_id: JobState("failed", "code 9999"))
    assert submit(run) == 1
    captured = capsys.readouterr()
    assert "3 of 3 jobs failed: code 9999; `qkd-qiskit jobs" in captured.err
    assert "warning" not in captured.out
    # Looking at them is no failure.
    assert main(["jobs", str(run)]) == 0
    monkeypatch.undo()
    assert main(["jobs", str(run), "--retry", "--wait"]) == 0
    assert "warning" not in capsys.readouterr().out
    assert only_outcome(run)["samples"] == 9
    assert len(list((run / "jobs" / "local").glob("*.npz"))) == 6


def test_a_service_that_does_not_answer_is_one_line_and_status_1(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qkd_qiskit.runtime import LocalService, ServiceUncertain

    def silent(self: LocalService, job_id: str) -> None:
        raise ServiceUncertain("no route")

    monkeypatch.setattr(LocalService, "state", silent)
    assert submit(run) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error" in line)
    assert "nothing is lost, ask again later" in line


def test_a_submission_with_other_options_tells_of_the_unfinished_one(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qkd_qiskit.runtime import LocalService
    from qkd_qiskit.runtime.service import JobState

    monkeypatch.setattr(LocalService, "state", lambda self, job_id: JobState("running"))
    assert submit(run, "--no-wait") == 0
    assert "is not finished" not in capsys.readouterr().out
    monkeypatch.undo()
    assert submit(run, "--seed", "1") == 0
    assert "to noisy_line, with other options, is not finished" in capsys.readouterr().out


def test_a_run_is_cancelled(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    from qkd_qiskit.runtime import LocalService
    from qkd_qiskit.runtime.service import JobState

    monkeypatch.setattr(LocalService, "state", lambda self, job_id: JobState("queued"))
    assert submit(run, "--no-wait") == 0
    assert main(["jobs", str(run), "--cancel"]) == 0
    assert "cancelled 3 batches" in capsys.readouterr().out
    assert len(list((run / "jobs" / "local").glob("*.cancelled"))) == 3
    with Ledger(run) as ledger:
        (submission,) = ledger.submissions()
        assert {batch.state for batch in ledger.batches(submission.id)} == {"cancelled"}


def test_one_odd_job_keeps_no_results_back(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qkd_qiskit.runtime import LocalService
    from qkd_qiskit.runtime.service import JobState

    state = LocalService.state
    odd: list[str] = []

    def one_is_odd(self: LocalService, job_id: str) -> JobState:
        odd.append(job_id)
        return JobState("unknown", "unknown status PAUSED") if job_id == odd[0] else state(self, job_id)

    monkeypatch.setattr(LocalService, "state", one_is_odd)
    rows = run / "rows.json"
    assert submit(run, "--no-wait", "--json", str(rows)) == 1
    captured = capsys.readouterr()
    assert "1 of 3 jobs answer oddly: job" in captured.err
    assert "Accuracy" in captured.out
    found = json.loads(rows.read_text())
    assert [row["state"] for row in found] == ["submitted", "done", "done"]
    assert found[0]["message"] == "unknown status PAUSED"
    assert main(["jobs", str(run), "--forget", "0"]) == 0
    said = capsys.readouterr().out
    assert "warning: job" in said
    assert "may go on and cost" in said
    assert main(["jobs", str(run), "--retry", "--wait"]) == 0
    assert only_outcome(run)["samples"] == 9


def test_jobs_that_ran_too_long_are_told_and_sent_again_with_more(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qkd_qiskit.runtime import LocalService
    from qkd_qiskit.runtime.service import JobState

    said = "CANCELLED - RAN TOO LONG"
    monkeypatch.setattr(LocalService, "state", lambda self, job_id: JobState("cancelled", said))
    assert submit(run, "--max-seconds", "30") == 1
    assert f"3 of 3 jobs ended without counts: {said}; `qkd-qiskit jobs" in capsys.readouterr().err
    monkeypatch.undo()
    # What is sent again has to keep the limit too, beside what was used.
    assert main(["jobs", str(run), "--retry", "--max-seconds", "1"]) == 2
    assert "exceeds --max-seconds 1" in capsys.readouterr().err
    assert len(list((run / "jobs" / "local").glob("*.npz"))) == 3
    assert main(["jobs", str(run), "--resume", "--wait", "--max-seconds", "60"]) == 0
    assert only_outcome(run)["settings"]["max_seconds"] == 60


def test_money_is_estimated_limited_and_told(run: Path, capsys: Capture) -> None:
    rows = run / "rows.json"
    assert submit(run, "--max-price", "3") == 2
    assert "--max-price needs --price-per-second" in capsys.readouterr().err
    assert submit(run, "--price-per-second", "2", "--max-price", "3") == 2
    captured = capsys.readouterr()
    assert "in money, exceeds --max-price 3" in captured.err
    assert captured.err.count("\n") == 1
    assert submit(run, "--max-seconds", "2") == 2
    assert "exceeds --max-seconds 2" in capsys.readouterr().err
    with Ledger(run) as ledger:
        assert ledger.submissions() == ()
    assert submit(run, "--price-per-second", "2", "--max-price", "100", "--json", str(rows)) == 0
    assert "price" in capsys.readouterr().out
    estimated = only_outcome(run)["estimated_seconds"]
    assert sum(row["estimated_seconds"] for row in json.loads(rows.read_text())) == pytest.approx(estimated)
    # A simulated job is charged nothing.
    assert {row["price"] for row in json.loads(rows.read_text())} == {None}
    assert only_outcome(run)["price"] is None


def test_used_seconds_and_their_price_stand_beside_the_estimate(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qkd_qiskit.runtime import LocalService

    monkeypatch.setattr(LocalService, "seconds", lambda self, job_id: 2.5)
    assert submit(run, "--price-per-second", "2") == 0
    said = capsys.readouterr().out
    assert "used 7.5 (price 15.00)" in said
    assert (only_outcome(run)["seconds"], only_outcome(run)["price"]) == (7.5, 15.0)


def test_all_right_is_not_certain_and_bit_strings_have_classes(run: Path, capsys: Capture) -> None:
    assert submit(run, "--dry-run") == 0
    assert "outcomes, as bits of meas: 0 is class 0, 1 is class 1" in capsys.readouterr().out
    assert submit(run) == 0
    outcome = only_outcome(run)
    assert outcome["outcomes"] == {"0": 0, "1": 1}
    ideal = outcome["accuracy"]["ideal"]
    assert ideal["interval"][0] < ideal["value"] - 0.05
    assert ideal["interval"][1] - ideal["interval"][0] > 0.2


def test_outcomes_beyond_the_classes_are_no_class() -> None:
    from qkd_qiskit.runtime import outcome_classes
    from qkd_qiskit.services import outcome_line

    found = outcome_classes(3, ("cat", "dog", "owl"))
    assert found == {"00": "cat", "01": "dog", "10": "owl", "11": None}
    assert outcome_line(found).endswith("00 is class cat, 01 is class dog, 10 is class owl, 11 is no class")


def test_a_missing_extra_is_told_before_anything_is_sent(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("qkd_qiskit.services.jobs_table.has_mitigation", lambda: False)
    assert submit(run, "--dry-run") == 0
    assert "readout mitigation needs the extra 'mitigation'" in " ".join(capsys.readouterr().out.split())
    assert submit(run, "--dry-run", "--no-mitigate") == 0
    assert "extra" not in capsys.readouterr().out


def test_counts_are_compared_with_the_noise_model_of_the_calibration(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qiskit_aer import AerSimulator

    assert submit(run) == 0
    assert "Counts beside the noise model" in " ".join(capsys.readouterr().out.split())
    found = only_outcome(run)["noise_model"]
    assert found["explained"] is True
    assert len(found["distances"]) == 9
    assert np.mean(found["from_ideal"]) > np.mean(found["distances"])
    # A device that has other noise than its calibration tells.
    (run / "jobs" / f"{only_outcome(run)['submission']}.json").unlink()
    monkeypatch.setattr(
        "qkd_qiskit.runtime.local.AerSimulator", lambda **_: AerSimulator(method="density_matrix")
    )
    assert submit(run, "--seed", "5", "--shots", "3000") == 0
    assert "warning: the calibration's noise model does not explain the counts" in capsys.readouterr().out
    assert only_outcome(run)["noise_model"]["explained"] is False


@pytest.mark.parametrize("damaged", [False, True])
def test_a_lost_ledger_is_found_again(run: Path, damaged: bool, capsys: Capture) -> None:
    assert submit(run, "--no-wait") == 0
    jobs = sorted((run / "jobs" / "local").glob("*.npz"))
    for path in run.glob("run.sqlite*"):
        path.unlink()
    if damaged:
        (run / "run.sqlite").write_bytes(b"no database at all " * 100)
    assert main(["jobs", str(run)]) == 2
    assert "--recover` finds its jobs again" in capsys.readouterr().err
    if not damaged:
        # The same command again does not pay twice.
        assert submit(run) == 2
        assert "is the same, and the ledger has lost it" in capsys.readouterr().err
    assert main(["jobs", str(run), "--recover", "--wait"]) == 0
    assert "3 jobs found again at the service by their tags" in capsys.readouterr().out
    assert only_outcome(run)["samples"] == 9
    assert sorted((run / "jobs" / "local").glob("*.npz")) == jobs
    assert main(["jobs", str(run), "--recover"]) == 0
    assert "nothing was missing" in capsys.readouterr().out


def test_jobs_of_a_lost_folder_are_taken_over(run: Path, capsys: Capture) -> None:
    assert submit(run) == 0
    before = only_outcome(run)
    jobs = sorted((run / "jobs" / "local").glob("*.npz"))
    # The service's jobs are all that is left; the same experiment has given the same model again.
    for path in [*run.glob("run.sqlite*"), *(run / "jobs").glob("qkd-*")]:
        path.unlink()
    capsys.readouterr()
    assert submit(run) == 2
    assert f"has jobs of the same submission, {before['submission']}" in capsys.readouterr().err
    assert submit(run, "--recover") == 0
    assert sorted((run / "jobs" / "local").glob("*.npz")) == jobs
    after = only_outcome(run)
    assert (after["submission"], after["counts"]) == (before["submission"], before["counts"])
    assert after["accuracy"] == before["accuracy"]
    # Other options are another submission.
    assert submit(run, "--seed", "9", "--no-wait") == 0
    assert len(list((run / "jobs" / "local").glob("*.npz"))) == 2 * len(jobs)


def test_work_shows_its_progress(run: Path, capsys: Capture) -> None:
    assert submit(run) == 0
    said = capsys.readouterr().err
    assert [said.count(f"done: {label}") for label in ("submit", "simulate", "collect")] == [1, 3, 1]


def test_a_dry_run_leaves_nothing(run: Path, capsys: Capture) -> None:
    before = sorted(path.name for path in run.iterdir())
    assert submit(run, "--dry-run") == 0
    assert "costs nothing" in capsys.readouterr().out
    assert sorted(path.name for path in run.iterdir()) == before


def test_a_fake_device_runs_through_the_same_path(run: Path) -> None:
    arguments = ["--backend", "ibm_guadalupe", "--samples", "2", "--shots", "100", "--no-mitigate"]
    assert main(["submit", str(run), *arguments]) == 0
    outcome = only_outcome(run)
    assert set(outcome["accuracy"]) == {"raw", "ideal"}
    assert np.array(outcome["counts"]).sum(axis=1).tolist() == [100, 100]


class _Paid:
    """A destination that costs something, and is really local."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, terminal: bool, answer: bool = True) -> None:
        from dataclasses import replace

        from qkd_qiskit import services

        real = services.destination
        monkeypatch.setattr(
            services, "destination", lambda *given, **options: replace(real(*given), local=False)
        )
        monkeypatch.setattr(sys, "stdin", self)
        monkeypatch.setattr("typer.confirm", lambda question: answer)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def test_spending_is_asked_for(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    _Paid(monkeypatch, terminal=False)
    assert submit(run) == 2
    assert "say --yes, or answer at a terminal" in capsys.readouterr().err
    _Paid(monkeypatch, terminal=True, answer=False)
    assert submit(run) == 0
    with Ledger(run) as ledger:
        assert ledger.submissions() == ()
    assert submit(run, "--max-seconds", "1", "--yes") == 2
    assert "exceeds --max-seconds 1" in capsys.readouterr().err
    _Paid(monkeypatch, terminal=True, answer=True)
    assert submit(run, "--no-wait") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backend", "noisy_line", "--samples", "41"], "expected at most 40"),
        (["--backend", "no.toml"], "no.toml"),
        (["--backend", "noisy_line", "--samples", "9", "--shots", "9000000"], "shots: expected at most"),
    ],
)
def test_what_cannot_be_submitted_is_one_line(
    run: Path, arguments: list[str], message: str, capsys: Capture
) -> None:
    assert main(["submit", str(run), *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jobs", "RUN"], "nothing was submitted from"),
        (["jobs", "RUN", "--cancel", "--resume"], "--cancel stands without"),
        (["predict", "RUN", "--input", "no.npy"], "no such file"),
        (["export", "RUN", "--format", "onnx"], "unknown format 'onnx'"),
        (["predict", "RUN", "--input", "RUN/one.npy", "--backend", ""], "unknown device ''"),
        (["crosscheck", "--backend", "ibm_torino"], "--backend needs --index"),
        (["submit", "/dev", "--backend", "noisy_line"], "no model at"),
    ],
)
def test_wrong_commands_are_one_line(run: Path, arguments: list[str], message: str, capsys: Capture) -> None:
    np.save(run / "one.npy", np.zeros((1, 64)))
    assert main([word.replace("RUN", str(run)) for word in arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "csv with labels"])
@pytest.mark.parametrize("how", [[], ["--backend", "ideal"], ["--shots", "500"]])
def test_predicting_a_file(
    run: Path, trained: SavedModel, kind: str, how: list[str], capsys: Capture
) -> None:
    dataset = load_dataset("digits", classes=(0, 1))
    features, labels = dataset.features[:30], dataset.labels[:30]
    source, options = run / f"own.{kind[:3]}", []
    if kind == "npy":
        np.save(source, features)
    elif kind == "npz":
        np.savez(source, images=features)
    else:
        with_labels = kind.endswith("labels")
        head = [f"f{k}" for k in range(64)] + (["label"] if with_labels else [])
        table = [
            list(row) + ([int(y)] if with_labels else []) for row, y in zip(features, labels, strict=True)
        ]
        with source.open("w", newline="") as file:
            csv.writer(file).writerows([head, *table])
        options = ["--labels", "label"] if with_labels else []
    output = run / "answers.csv"
    arguments = ["predict", str(run), "--input", str(source), "--output", str(output)]
    assert main([*arguments, *options, *how]) == 0
    assert ("accuracy" in capsys.readouterr().out) == bool(options)
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert len(rows) == 30
    right = [int(row["predicted"]) == label for row, label in zip(rows, labels, strict=True)]
    assert np.mean(right) > 0.7
    given = np.array([[float(row["p_0"]), float(row["p_1"])] for row in rows])
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-5)
    if how == ["--backend", "ideal"]:
        expected = trained.predict_proba(PauliEvaluator(trained.spec), features)
        np.testing.assert_allclose(given, expected, atol=1e-6)


def test_exports_are_written(run: Path, capsys: Capture) -> None:
    assert main(["export", str(run), "--backend", "noisy_line"]) == 0
    names = {Path(line).name for line in capsys.readouterr().out.splitlines()}
    assert names == {"global_model.qpy", "global_model.qasm", "model_card.md", "model_card.json"}
    assert all((run / "export" / name).stat().st_size > 100 for name in names)


def test_exports_with_fractional_gates_are_legal(run: Path) -> None:
    assert main(["export", str(run), "--backend", "ibm_kingston+fractional"]) == 0
    with (run / "export" / "global_model.qpy").open("rb") as file:
        (circuit,) = qpy.load(file)
    assert is_isa_circuit(circuit, load_backend("ibm_kingston+fractional").target) == ""
    assert circuit.count_ops()["rzz"] > 0
