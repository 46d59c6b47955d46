"""How long work tells its watcher how far it is; every room may report, none needs to know who listens."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


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


class RichProgress:
    """Bars in the terminal, one a label; a context manager.

    Nothing is drawn where the console is not a terminal, so that logs stay clean: there each
    work prints one line when it is done.
    """

    def __init__(self, console: Console | None = None) -> None:
        """Prepare the bars.

        Args:
            console: Where to draw; standard error when omitted, so that piped tables stay whole.
        """
        from rich import console as rich_console
        from rich import progress as rich_progress

        self._console = console or rich_console.Console(stderr=True)
        self._bars = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

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
        self._tasks[label] = self._bars.add_task(label, total=total)

    def advance(self, label: str, n: int = 1) -> None:
        """Lengthen the bar by `n` steps; a label that was never started is ignored."""
        if label in self._tasks:
            self._bars.advance(self._tasks[label], n)

    def done(self, label: str) -> None:
        """Fill the bar, and print a line where no bars are drawn."""
        task_id = self._tasks.pop(label, None)
        if task_id is None:
            return
        task = next(task for task in self._bars.tasks if task.id == task_id)
        total = task.total if task.total is not None else max(task.completed, 1)
        self._bars.update(task_id, total=total, completed=total)
        if not self._console.is_terminal:
            self._console.print(f"done: {label}", highlight=False, markup=False)
