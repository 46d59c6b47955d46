"""Ctrl-C ends a run in plain words: where its stages are, and what goes on with them."""

from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path

import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.cli import run as commands


def test_an_interrupted_run_names_what_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            # As joblib does where a generator is left; warnings are errors here.
            warnings.warn_explicit(
                "tasks were cancelled", UserWarning, "parallel.py", 1, module="joblib.parallel"
            )

    monkeypatch.setattr(commands, "run_experiment", work)
    before, filters = signal.getsignal(signal.SIGINT), list(warnings.filters)
    folder = tmp_path / "out"
    assert main(["run", "quickstart", "--output", str(folder)]) == 130
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"finished stages are kept in {folder}: the same command with --resume goes on there",
        "qkd-qiskit: interrupted",
    ]
    assert signal.getsignal(signal.SIGINT) is before
    assert warnings.filters == filters
