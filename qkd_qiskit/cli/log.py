"""The log of a command: warnings on the terminal, and all of it in a file where one is named."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.progress import LoggedProgress, Progress, RichProgress

PACKAGE = logging.getLogger("qkd_qiskit")
QUIET = {"quiet": True}
"""Goes with a record that the terminal is told of otherwise."""
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Terminal(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment: bars that are drawn there move aside."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setLevel(logging.WARNING)
        self.addFilter(lambda record: not hasattr(record, "quiet"))

    @property
    def stream(self) -> TextIO:
        """Return the stream of the moment."""
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        """Keep to the stream of the moment."""


@contextmanager
def command_log() -> Iterator[None]:
    """Show warnings on standard error while a command runs; close what `write_log` has opened."""
    before, level = list(PACKAGE.handlers), PACKAGE.level
    PACKAGE.addHandler(_Terminal())
    try:
        yield
    finally:
        for handler in [each for each in PACKAGE.handlers if each not in before]:
            PACKAGE.removeHandler(handler)
            handler.close()
        PACKAGE.setLevel(level)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Show bars on standard error, or lines where it is no terminal; the log tells of starts and ends too."""
    with RichProgress() as bars:
        yield LoggedProgress(bars)


def write_log(path: Path | None) -> None:
    """Append all that the package logs to a file, from now to the end of the command.

    Args:
        path: The file, made with its folder where it is missing; None for none.

    Raises:
        ReportingError: If it cannot be written.
    """
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise ReportingError(f"--log: cannot write {path}: {error.strerror}") from None
    handler.setFormatter(logging.Formatter(_FORMAT))
    PACKAGE.addHandler(handler)
    PACKAGE.setLevel(logging.INFO)


LogFile = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FILE",
        callback=write_log,
        expose_value=False,
        help="Append all that the package logs, with times, to this file.",
    ),
]


def with_log_option(command: Any) -> Any:
    """Give a command, and all commands inside it, the option `--log`."""
    inner = getattr(command, "commands", None)
    if inner is not None:
        for each in inner.values():
            with_log_option(each)
    elif all("--log" not in getattr(param, "opts", ()) for param in command.params):
        command.params.append(_log_option())
    return command


def _log_option() -> Any:
    app = typer.Typer(add_completion=False)

    @app.command()
    def command(log: LogFile = None) -> None:
        """Have the option."""

    return next(param for param in typer.main.get_command(app).params if "--log" in param.opts)
