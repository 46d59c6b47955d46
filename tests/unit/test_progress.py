from __future__ import annotations

import io

import pytest
from rich.console import Console

from qkd_qiskit.progress import NullProgress, Progress, RichProgress


def _use(progress: Progress) -> None:
    progress.start("clients", 2)
    progress.advance("clients")
    progress.advance("clients", 1)
    progress.done("clients")
    progress.start("nothing", 0)
    progress.done("nothing")
    progress.start("unknown length")
    progress.advance("unknown length", 3)
    progress.done("unknown length")


def test_null_progress_accepts_everything() -> None:
    _use(NullProgress())


def test_without_a_terminal_each_work_gives_one_line() -> None:
    text = io.StringIO()
    with RichProgress(Console(file=text)) as progress:
        _use(progress)
    assert text.getvalue().splitlines() == [
        "done: clients, 0:00",
        "done: nothing, 0:00",
        "done: unknown length, 0:00",
    ]


def test_in_a_terminal_bars_are_drawn_and_full_at_the_end() -> None:
    text = io.StringIO()
    with RichProgress(Console(file=text, force_terminal=True, width=100)) as progress:
        progress.start("clients", 3)
        progress.advance("clients")
        progress.done("clients")
    assert "clients" in text.getvalue()
    assert "3/3" in text.getvalue()


def test_labels_that_were_never_started_are_ignored() -> None:
    text = io.StringIO()
    with RichProgress(Console(file=text)) as progress:
        progress.advance("ghost")
        progress.done("ghost")
    assert text.getvalue() == ""


def test_a_label_may_start_anew() -> None:
    text = io.StringIO()
    with RichProgress(Console(file=text, force_terminal=True, width=100)) as progress:
        progress.start("round", 5)
        progress.advance("round", 4)
        progress.start("round", 7)
        progress.done("round")
    assert "7/7" in text.getvalue()


def test_an_error_inside_stops_the_bars() -> None:
    with pytest.raises(RuntimeError, match="inside"), RichProgress(Console(file=io.StringIO())):
        raise RuntimeError("inside")
