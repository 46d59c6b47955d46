"""Ctrl-C ends a run in plain words: where its stages are, and what goes on with them."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.cli import run as commands
from qkd_qiskit.store import Database


@pytest.fixture
def heeded() -> Iterator[None]:
    """Python's own handler of Ctrl-C, which a shell's background job does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("begun", [True, False])
def test_a_run_that_is_ended_names_what_goes_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    begun: bool,
) -> None:
    def work(*_: object, output: Path, **__: object) -> None:
        if begun:
            output.mkdir(exist_ok=True)
            with Database(output) as database:
                database.execute("INSERT INTO stage VALUES ('f', 'client a', '1')")
        try:
            signal.raise_signal(number)
        finally:
            # As joblib does where a generator is left; warnings are errors here.
            if number == signal.SIGINT:
                warnings.warn_explicit(
                    "tasks were cancelled", UserWarning, "parallel.py", 1, module="joblib.parallel"
                )

    monkeypatch.setattr(commands, "run_experiment", work)
    before, filters = signal.getsignal(number), list(warnings.filters)
    folder = tmp_path / "out"
    arguments = ["run", "quickstart", "--output", str(folder)]
    if number == signal.SIGINT:
        assert main(arguments) == 130
    else:
        with pytest.raises(SystemExit, match="143"):
            main(arguments)
    told = (
        f"finished stages are kept in {folder}: the same command with --resume goes on there"
        if begun
        else "no stage was finished: the same command begins anew"
    )
    ended = ["qkd-qiskit: interrupted"] if number == signal.SIGINT else []
    assert capsys.readouterr().err.splitlines() == [told, *ended]
    assert signal.getsignal(number) is before
    assert warnings.filters == filters
