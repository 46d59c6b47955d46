"""Finished runs are compared sample by sample where they were tested on the same samples."""

from __future__ import annotations

import json

import numpy as np
import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.errors import DistillationError, ReportingError
from qkd_qiskit.evaluation.intervals import independent_difference_interval
from qkd_qiskit.experiment.comparison import PREDICTIONS_FILE, compare_runs, read_predictions


@pytest.fixture
def labels():
    return np.random.default_rng(0).integers(0, 3, 400)


@pytest.fixture
def run(tmp_path, labels, monkeypatch):
    """Make the folder of a finished run whose global model errs on the first samples."""
    record = type("Record", (), {"experiment": "tiny", "seed": 3})
    monkeypatch.setattr("qkd_qiskit.experiment.comparison.read_results", lambda path: record)

    def make(name, wrong, samples="a", dataset="digits"):
        given = labels.copy()
        given[:wrong] = (given[:wrong] + 1) % 3
        folder = tmp_path / name
        folder.mkdir()
        content = {"dataset": dataset, "classes": [0, 1, 2], "samples": samples, "labels": labels.tolist()}
        content["models"] = {"global": given.tolist()}
        (folder / PREDICTIONS_FILE).write_text(json.dumps(content))
        return folder

    return make


def test_the_same_samples_are_paired(run):
    first, second, third = compare_runs([run("one", 40), run("two", 20), run("three", 20, samples="b")])
    assert (first.difference, first.accuracy.value) == (None, 0.9)
    assert second.paired
    assert second.difference.value == pytest.approx(0.05)
    assert second.difference.low > 0
    # Errors on the same samples: of 400 pairs 20 differ, which is known better than from two samples.
    assert not third.paired
    assert third.difference.value == pytest.approx(0.05)
    widths = [found.difference.high - found.difference.low for found in (second, third)]
    assert widths[1] > 1.5 * widths[0]


def test_the_command_says_what_the_difference_allows_to_say(run, tmp_path, capsys):
    folders = [str(run("one", 40)), str(run("two", 20))]
    path = tmp_path / "rows.json"
    assert main(["compare", *folders, "--json", str(path)]) == 0
    rows = json.loads(path.read_text())
    assert rows[1]["conclusion"] == "better"
    assert rows[1]["difference"] == pytest.approx(0.05)
    assert "+5.0" in capsys.readouterr().out
    assert main(["compare", folders[0]]) == 2
    assert "expected two runs at least, found 1" in capsys.readouterr().err


def test_a_model_that_a_run_does_not_have_is_named(run):
    with pytest.raises(ReportingError, match="expected a model among global, found 'fedavg'"):
        compare_runs([run("one", 1), run("two", 2)], model="fedavg")


DAMAGED = [
    "",
    "[]",
    "{}",
    '{"dataset": "d", "classes": [0], "labels": [0, 1], "samples": "a", "models": {"global": [0]}}',
    '{"dataset": "d", "classes": [0], "labels": [0.5], "samples": "a", "models": {}}',
    '{"dataset": "d", "classes": [0], "labels": [], "samples": "a", "models": {}}',
]


def test_runs_on_other_data_are_not_compared(run):
    folders = [run("one", 40), run("two", 20, dataset="letters")]
    with pytest.raises(
        ReportingError, match="two: expected a run on digits, classes 0, 1, 2, .* found letters"
    ):
        compare_runs(folders)


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_predictions_are_refused(tmp_path, content):
    (tmp_path / PREDICTIONS_FILE).write_text(content)
    with pytest.raises(ReportingError, match=r"predictions\.json(: expected| is not JSON)"):
        read_predictions(tmp_path)
    with pytest.raises(ReportingError, match="cannot read .*nowhere"):
        read_predictions(tmp_path / "nowhere")


def test_independent_samples_have_the_interval_of_two_binomials():
    right, other = np.arange(500) < 450, np.arange(300) < 240
    found = independent_difference_interval(right, other)
    spread = 1.96 * np.sqrt(0.9 * 0.1 / 500 + 0.8 * 0.2 / 300)
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1 - spread, 0.1 + spread), abs=0.006)
    with pytest.raises(DistillationError, match="at least one boolean"):
        independent_difference_interval(right[:0], other)
