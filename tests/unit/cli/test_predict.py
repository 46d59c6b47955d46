"""`predict` summarizes unless it is told to print."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from qkd_qiskit import services
from qkd_qiskit.cli import main
from qkd_qiskit.services import FilePrediction

P = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3], [0.05, 0.95], [0.6, 0.4]])


@pytest.fixture
def predict(monkeypatch, tmp_path):
    """Runs the command on six samples whose probabilities are known."""

    def run(*options, accuracy=None, own=False):
        found = FilePrediction(("cat", "dog", "eel"), np.c_[P, np.zeros(6)], "noisy_line", accuracy, own)
        monkeypatch.setattr(services, "predict_file", lambda *_, **__: found)
        return main(["predict", str(tmp_path), "--input", "x.npy", *options])

    return run


def test_the_summary_counts_classes_and_shows_the_first_rows(predict, capsys, tmp_path):
    path = tmp_path / "all.json"
    assert predict("--json", str(path), accuracy=0.5) == 0
    out = capsys.readouterr().out
    assert "6 samples, under the noise of noisy_line" in out
    rows = {words[0]: words[1:] for line in out.splitlines() if (words := line.split())}
    # Three of each; the means of 0.9, 0.7, 0.6 and of 0.8, 0.6, 0.95.
    assert [word for word in rows["cat"] if word != "%"] == ["3", "50.0", "73.3"]
    assert [word for word in rows["dog"] if word != "%"] == ["3", "50.0", "78.3"]
    assert rows["eel"][0] == "0"
    # Wilson, three of six: (0.5 + z^2/12 -+ z sqrt(1/24 + z^2/144)) / (1 + z^2/6), z = 1.96.
    assert rows["accuracy"] == ["50.0%", "(18.8%", "to", "81.2%)"]
    assert rows["1"][:2] == ["dog", "80.0"]
    assert "5" not in rows
    assert "--print prints all of them" in out
    assert len(json.loads(path.read_text())["predicted"]) == 6


def test_all_rows_are_printed_or_written_when_wanted(predict, capsys, tmp_path):
    assert predict("--print", accuracy=0.5) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(printed.out.splitlines()))
    assert [row["predicted"] for row in rows] == ["cat", "dog", "dog", "cat", "dog", "cat"]
    assert printed.err == "accuracy 50.0% (18.8% to 81.2%)\n"
    path = tmp_path / "all.csv"
    assert predict("--output", str(path)) == 0
    assert list(csv.DictReader(path.read_text().splitlines())) == rows
    assert f"6 samples: {path}" in capsys.readouterr().out


def test_samples_of_the_run_itself_are_called_so(predict, capsys):
    assert predict(accuracy=0.5, own=True) == 0
    assert "the model was trained on some of them" in capsys.readouterr().out


def test_both_at_once_are_refused(predict, capsys):
    assert predict("--print", "--output", "x.csv") == 2
    assert "expected --print or --output, found both" in capsys.readouterr().err


def test_few_samples_are_all_shown():
    found = FilePrediction((0, 1), P[:2], None, None)
    assert [row["predicted"] for row in found.sample_rows(5)] == [0, 1]
    assert found.class_rows()[0] == {"class": 0, "samples": 1, "share": 0.5, "probability": 0.9}
