"""What is left of a whole run is told by what its parts took."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from qkd_qiskit.progress import CallbackProgress, LoggedProgress, NullProgress, ProgressEvent, RichProgress
from qkd_qiskit.run import RunParts


class Clock:
    """Time that a test moves on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def told(steps: list[tuple[float, str]], progress: object | None = None) -> list[ProgressEvent]:
    """Return what is told of four clients, two at once, and two models."""
    events: list[ProgressEvent] = []
    clock = Clock()
    parts = RunParts(
        progress or CallbackProgress(events.append),
        "mine",
        {"client": 4, "model": 2},
        at_once={"client": 2},
        now=clock,
    )
    for seconds, kind in steps:
        clock.seconds += seconds
        if kind == "kept client":
            parts.leave_out("client")
        else:
            parts.finish(kind)
    return events


RUN = [(30, "client"), (2, "client"), (30, "client"), (2, "client"), (5, "model"), (9, "model")]


def test_what_is_left_is_told_when_it_is_known():
    lines = [event.line for event in told(RUN)]
    assert lines == [
        # One of two that are worked on at once tells nothing yet, and no model has been trained.
        "mine: 1 of 6, 0:30",
        "mine: 2 of 6, 0:32, at least 0:32 left",
        "mine: 3 of 6, 1:02, at least 0:21 left",
        "mine: 4 of 6, 1:04",
        "mine: 5 of 6, 1:09, about 0:05 left",
        "done: mine, 1:18",
    ]


def test_parts_of_an_earlier_run_and_unplanned_ones_do_not_mislead():
    kept = told([(0, "kept client")] * 3 + [(10, "client"), (4, "model"), (4, "model"), (4, "model")])
    assert [event.total for event in kept] == [3, 3, 3, 4]
    assert [event.remaining for event in kept] == [None, 4.0, 0.0, 0.0]


def test_it_is_told_without_a_terminal_and_in_one_and_in_the_log(caplog):
    text = io.StringIO()
    with caplog.at_level(logging.INFO, "qkd_qiskit"), RichProgress(Console(file=text, width=120)) as bars:
        told(RUN, LoggedProgress(bars))
    assert "mine: 2 of 6, 0:32, at least 0:32 left" in caplog.text
    # Lines are at least 15 seconds apart.
    assert text.getvalue().splitlines() == [
        "mine: 1 of 6, 0:30",
        "mine: 3 of 6, 1:02, at least 0:21 left",
        "done: mine, 1:18",
    ]
    text = io.StringIO()
    with RichProgress(Console(file=text, force_terminal=True, width=120)) as bars:
        told(RUN[:2], bars)
    assert "whole run: at least 0:32 left" in text.getvalue()


@pytest.mark.parametrize("listener", [NullProgress(), object()])
def test_who_does_not_listen_hears_nothing(listener):
    assert told(RUN, listener) == []
