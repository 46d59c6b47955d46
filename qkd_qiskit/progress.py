"""How long work tells its watcher how far it is; every room may report, none needs to know who listens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from qkd_qiskit.errors import QKDError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

_LOG = logging.getLogger(__name__)

LINE_SECONDS = 15.0
"""Between two lines on one work where no bars are drawn."""


class Progress(Protocol):
    """Receives the progress of pieces of work, each known by its label."""

    def start(self, label: str, total: int | None = None) -> None:
        """Announce a piece of work.

        Args:
            label: Name of the work; a second start under one label begins it anew.
            total: Steps that it will take, 0 or more; None when nobody knows.
        """

    def advance(self, label: str, n: int = 1) -> None:
        """Report `n` finished steps of a work that was started."""

    def done(self, label: str) -> None:
        """Report the end of a work, whether or not all announced steps were needed."""


class NullProgress:
    """Listens to nothing: the default of every function that reports progress."""

    def start(self, label: str, total: int | None = None) -> None:
        """Ignore the announcement."""

    def advance(self, label: str, n: int = 1) -> None:
        """Ignore the steps."""

    def done(self, label: str) -> None:
        """Ignore the end."""


@dataclass(frozen=True)
class ProgressEvent:
    """What there is to tell of one piece of work at one moment.

    Attributes:
        label: Name of the work.
        steps: Steps that are finished.
        total: Steps that it will take, as far as anybody knows; None where nobody does.
        elapsed: Seconds since it began.
        finished: Whether it has ended.
        left: Seconds that are left, where whoever works knows better than by the steps; None otherwise.
        at_least: Whether `left` leaves something out whose time nobody knows yet.
    """

    label: str
    steps: int
    total: int | None
    elapsed: float
    finished: bool = False
    left: float | None = None
    at_least: bool = False

    @property
    def remaining(self) -> float | None:
        """Seconds that are left if it goes on as before; None where that cannot be told."""
        if self.finished:
            return 0.0
        if self.left is not None or self.at_least:
            return self.left
        if not self.steps or not self.total:
            return None
        return self.elapsed * max(self.total - self.steps, 0) / self.steps

    @property
    def line(self) -> str:
        """Return it in one line: `client A: 120 of 350, 0:32, about 1:01 left`."""
        if self.finished:
            return f"done: {self.label}, {clock(self.elapsed)}"
        steps = f"{self.steps} of {self.total}" if self.total else f"{self.steps} steps"
        left = f", {self.left_words}" if self.left_words else ""
        return f"{self.label}: {steps}, {clock(self.elapsed)}{left}"

    @property
    def left_words(self) -> str:
        """Return what is left in words: `about 1:01 left`; nothing where that cannot be told."""
        if self.remaining is None:
            return ""
        return f"{'at least' if self.at_least else 'about'} {clock(self.remaining)} left"


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds, and hours where there are some: `1:05`, `2:00:07`.

    Args:
        seconds: At least 0.
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def tell(progress: Progress, event: ProgressEvent) -> None:
    """Pass an event on a whole run to whoever listens, if it has a method `tell` for it."""
    listener = getattr(progress, "tell", None)
    if callable(listener):
        listener(event)


class CallbackProgress:
    """Tells a function of everything that happens: at starts, at steps and at ends."""

    def __init__(
        self,
        callback: Callable[[ProgressEvent], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a function.

        Args:
            callback: Is called with each event.
            now: Tells the time in seconds.
        """
        self._callback, self._now = callback, now
        self._begun: dict[str, tuple[float, int | None]] = {}
        self._steps: dict[str, int] = {}

    def start(self, label: str, total: int | None = None) -> None:
        """Tell that a work begins."""
        self._begun[label], self._steps[label] = (self._now(), total), 0
        self._callback(ProgressEvent(label, 0, total, 0.0))

    def advance(self, label: str, n: int = 1) -> None:
        """Tell of `n` further steps; a label that was never started is ignored."""
        if label in self._begun:
            begun, total = self._begun[label]
            self._steps[label] += n
            self._callback(ProgressEvent(label, self._steps[label], total, self._now() - begun))

    def done(self, label: str) -> None:
        """Tell that a work has ended; a label that was never started is ignored."""
        if label in self._begun:
            begun, total = self._begun.pop(label)
            self._callback(
                ProgressEvent(label, self._steps.pop(label), total, self._now() - begun, finished=True)
            )

    def tell(self, event: ProgressEvent) -> None:
        """Tell of a whole run."""
        self._callback(event)


class LoggedProgress:
    """Passes everything on, and tells the log where works begin and end."""

    def __init__(self, progress: Progress) -> None:
        """Take whoever listens."""
        self._progress = progress
        self._times = CallbackProgress(self._tell)

    def start(self, label: str, total: int | None = None) -> None:
        """Pass an announcement on."""
        self._times.start(label, total)
        self._progress.start(label, total)

    def advance(self, label: str, n: int = 1) -> None:
        """Pass steps on."""
        self._times.advance(label, n)
        self._progress.advance(label, n)

    def done(self, label: str) -> None:
        """Pass an end on."""
        self._times.done(label)
        self._progress.done(label)

    def tell(self, event: ProgressEvent) -> None:
        """Pass an event on, and tell the log."""
        _LOG.info("%s", event.line)
        tell(self._progress, event)

    @staticmethod
    def _tell(event: ProgressEvent) -> None:
        if event.finished:
            _LOG.info("%s", event.line)
        elif not event.steps:
            _LOG.info("begins: %s", event.label)
        else:
            _LOG.debug("%s", event.line)


def logged(progress: Progress) -> LoggedProgress:
    """Return whoever listens as one that the log hears of, once."""
    return progress if isinstance(progress, LoggedProgress) else LoggedProgress(progress)


def as_progress(listener: Progress | Callable[[ProgressEvent], object] | None) -> Progress:
    """Return whoever listens as one to report to.

    Args:
        listener: Has `start`, `advance` and `done`; or is a function that takes a `ProgressEvent`; or None.

    Raises:
        QKDError: If it is something else.
    """
    if listener is None:
        return NullProgress()
    if all(hasattr(listener, name) for name in ("start", "advance", "done")):
        return listener  # type: ignore[return-value]
    if callable(listener):
        return CallbackProgress(listener)
    raise QKDError(
        f"progress: expected a function or an object with start, advance and done, found {listener!r}"
    )


class RichProgress:
    """Bars in the terminal, one a label, each with the time that is left; a context manager.

    Nothing is drawn where the console is not a terminal, so that logs stay clean: there each work prints a
    line now and then, and one when it is done.
    """

    def __init__(self, console: Console | None = None, now: Callable[[], float] = time.monotonic) -> None:
        """Prepare the bars.

        Args:
            console: Where to draw; standard error when omitted, so that piped tables stay whole.
            now: Tells the time in seconds, for the lines.
        """
        from rich import console as rich_console
        from rich import progress as rich_progress

        self._console = console or rich_console.Console(stderr=True)
        self._bars = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
            rich_progress.TextColumn("{task.fields[words]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._lines = CallbackProgress(self._line, now)
        self._told: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing, whatever happened."""
        self._bars.stop()

    def start(self, label: str, total: int | None = None) -> None:
        """Draw an empty bar under `label`."""
        if label in self._tasks:
            self._bars.remove_task(self._tasks.pop(label))
        self._tasks[label] = self._bars.add_task(label, total=total, words="")
        self._lines.start(label, total)

    def advance(self, label: str, n: int = 1) -> None:
        """Lengthen the bar by `n` steps; a label that was never started is ignored."""
        if label in self._tasks:
            self._bars.advance(self._tasks[label], n)
            self._lines.advance(label, n)

    def done(self, label: str) -> None:
        """Fill the bar, and print a line where no bars are drawn."""
        task_id = self._tasks.pop(label, None)
        if task_id is None:
            return
        task = next(task for task in self._bars.tasks if task.id == task_id)
        total = task.total if task.total is not None else max(task.completed, 1)
        self._bars.update(task_id, total=total, completed=total)
        self._lines.done(label)

    def tell(self, event: ProgressEvent) -> None:
        """Draw how far a whole run is, and what is left of it."""
        if event.label not in self._tasks:
            self._tasks[event.label] = self._bars.add_task(event.label, total=event.total, words="")
        self._bars.update(
            self._tasks[event.label],
            completed=event.steps,
            total=event.total,
            words="" if event.finished else f"whole run: {event.left_words or 'not known yet'}",
        )
        self._line(event)

    def _line(self, event: ProgressEvent) -> None:
        """Print a line on a work where no bars are drawn, if the last one was long ago."""
        if event.finished or not event.steps:
            self._told.pop(event.label, None)
        if not event.finished:
            if event.elapsed - self._told.get(event.label, 0.0) < LINE_SECONDS:
                return
            self._told[event.label] = event.elapsed
        if not self._console.is_terminal:
            self._console.print(event.line, highlight=False, markup=False, soft_wrap=True)
