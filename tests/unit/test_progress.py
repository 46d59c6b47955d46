from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from qkd_qiskit.errors import QKDError
from qkd_qiskit.progress import (
    LINE_SECONDS,
    CallbackProgress,
    LoggedProgress,
    NullProgress,
    Progress,
    ProgressEvent,
    RichProgress,
    as_progress,
    clock,
    logged,
)


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


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_without_a_terminal_long_work_prints_a_line_now_and_then() -> None:
    text, now = io.StringIO(), Clock()
    with RichProgress(Console(file=text), now) as progress:
        progress.start("client A", 40)
        progress.start("search")
        for _ in range(20):
            now.seconds += LINE_SECONDS / 4
            progress.advance("client A", 2)
        progress.advance("search", 3)
        progress.done("client A")
        progress.start("client A", 10)
        progress.advance("client A")
    # Every fourth step is 15 s on, and a fifth of the work is 15 s.
    assert text.getvalue().splitlines() == [
        "client A: 8 of 40, 0:15, about 1:00 left",
        "client A: 16 of 40, 0:30, about 0:45 left",
        "client A: 24 of 40, 0:45, about 0:30 left",
        "client A: 32 of 40, 1:00, about 0:15 left",
        "client A: 40 of 40, 1:15, about 0:00 left",
        "search: 3 steps, 1:15",
        "done: client A, 1:15",
    ]


def test_in_a_terminal_the_time_that_is_left_is_drawn() -> None:
    text = io.StringIO()
    with RichProgress(Console(file=text, force_terminal=True, width=120)) as progress:
        progress.start("clients", 3)
        progress.advance("clients")
    # Elapsed, then left, which nobody knows at the first step.
    assert "-:--:--" in text.getvalue()


def test_a_function_hears_of_everything() -> None:
    heard: list[ProgressEvent] = []
    now = Clock()
    progress = CallbackProgress(heard.append, now)
    progress.advance("ghost")
    progress.done("ghost")
    progress.start("work", 4)
    now.seconds += 6
    progress.advance("work", 3)
    progress.done("work")
    assert heard == [
        ProgressEvent("work", 0, 4, 0.0),
        ProgressEvent("work", 3, 4, 6.0),
        ProgressEvent("work", 3, 4, 6.0, finished=True),
    ]
    assert [event.remaining for event in heard] == [None, 2.0, 0.0]


@pytest.mark.parametrize(
    ("event", "left"),
    [
        (ProgressEvent("x", 0, 5, 3.0), None),
        (ProgressEvent("x", 2, None, 3.0), None),
        (ProgressEvent("x", 2, 0, 3.0), None),
        (ProgressEvent("x", 7, 5, 3.0), 0.0),
        (ProgressEvent("x", 1, 5, 3.0), 12.0),
    ],
)
def test_what_is_left_is_told_where_it_can_be(event: ProgressEvent, left: float | None) -> None:
    assert event.remaining == left


def test_durations() -> None:
    assert [clock(s) for s in (0, 0.4, 59.6, 65, 3600, 7207)] == [
        "0:00",
        "0:00",
        "1:00",
        "1:05",
        "1:00:00",
        "2:00:07",
    ]


def test_the_log_tells_of_starts_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "qkd_qiskit"):
        _use(LoggedProgress(NullProgress()))
    told = [record.getMessage() for record in caplog.records]
    assert told[:2] == ["begins: clients", "done: clients, 0:00"]
    assert {record.name for record in caplog.records} == {"qkd_qiskit.progress"}
    assert len(told) == 6


def test_nothing_is_logged_twice() -> None:
    once = logged(NullProgress())
    assert logged(once) is once


def test_who_listens_is_asked_in_one_way() -> None:
    heard: list[ProgressEvent] = []
    null = NullProgress()
    assert as_progress(null) is null
    assert isinstance(as_progress(None), NullProgress)
    _use(as_progress(heard.append))
    assert len(heard) == 9
    with pytest.raises(QKDError, match="progress: expected a function or an object with start, .*found 3"):
        as_progress(3)  # type: ignore[arg-type]
