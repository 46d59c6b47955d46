"""The command line `qkd-qiskit`: gathers the commands, and turns errors into exit statuses."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module
from importlib.metadata import version as installed_version
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from qkd_qiskit.cli.log import QUIET, LogFile, command_log, with_log_option
from qkd_qiskit.errors import ConfigError, QKDError, ServiceError
from qkd_qiskit.store import FileLimits, use_limits
from qkd_qiskit.text import printable

_LOG = logging.getLogger("qkd_qiskit.cli")

PROGRAM = "qkd-qiskit"
INTERRUPTED = 130
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
TERMINATED = 143

#: The module below `qkd_qiskit.cli` that holds a command, and the command's line in the help.
COMMANDS = {
    "run": ("run", "Run one experiment end to end, and print its result."),
    "init": ("experiments", "Write a commented experiment for data and devices of your own."),
    "experiments": ("experiments", "Show the experiments that come with the package."),
    "settings": (
        "experiments",
        "List the settings of an experiment, with defaults and meanings.",
    ),
    "compare": ("compare", "Compare finished runs: differences of accuracy with intervals."),
    "predict": ("run", "Predict the classes of your own data with a run's global model."),
    "export": ("run", "Write a run's global model as QPY, OpenQASM 3 and model card."),
    "estimate": ("resources", "Estimate how many gates each client's data needs and its device allows."),
    "transpile": ("resources", "Transpile, and show predicted beside counted native gates."),
    "backends": ("backends", "Show the devices that come with the package, or store a calibration."),
    "crosscheck": ("quantum", "Compare the exact engine with Aer, samplers, SamplerQNN and PennyLane."),
    "submit": ("quantum", "Run a run's global model on a device: real, or shipped and simulated."),
    "jobs": ("quantum", "List the jobs of a run, and collect, resume or cancel them."),
    "calibrate": (
        "calibrate",
        "Train the estimator's calibration tasks, fit its coefficients and validate them.",
    ),
    "sweep": ("sweep", "Run experiments over a grid of settings and seeds, and compare them."),
    "drift": ("sweep", "Train for one calibration of a device, and run under later ones."),
    "bench": ("bench", "Measure the exact engine beside its peers, side by side on this machine."),
    "server": ("federation", "Run one round as its server; started again, it goes on where it stopped."),
    "client": ("federation", "Take part in rounds as a client, until interrupted."),
    "federation": ("federation", "Set up a federation, or try one on this machine."),
}

# NOTE: Typer raises the exceptions of the installed Click up to 0.25, and of a copy of its own from 0.26 on.
# The public `BadParameter` is one of them in either case; its ancestor is what the command line may raise.
_CommandLineError: type[typer.BadParameter] = next(
    ancestor for ancestor in typer.BadParameter.__mro__ if ancestor.__name__ == "ClickException"
)


class LazyGroup(TyperGroup):
    """The commands of `COMMANDS`; the module of a command is imported when the command is used.

    PERF: the help needs no module: importing all of them takes seconds.
    """

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name, or None where there is none; while the help is written, its line."""
        if cmd_name not in COMMANDS:
            return None
        module, line = COMMANDS[cmd_name]
        if self._listing:
            return TyperCommand(cmd_name, help=line, short_help=line)
        found = typer.main.get_command(import_module(f"qkd_qiskit.cli.{module}").app)
        # Typer makes no group of a single command.
        command = found.get_command(ctx, cmd_name) if isinstance(found, TyperGroup) else found
        return with_log_option(command)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the program."""
        self._listing = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the commands and options that begin so."""
        self._listing = True
        return super().shell_complete(ctx, incomplete)


app = typer.Typer(
    name=PROGRAM,
    cls=LazyGroup,
    help="Quantum knowledge distillation for variational quantum convolutional neural networks.",
    suggest_commands=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {installed_version(PROGRAM)}")
        raise typer.Exit


def _limits(texts: list[str]) -> dict[str, int]:
    """Return the limits that `--limit NAME=NUMBER` sets."""
    known = [field.name for field in fields(FileLimits)]
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in known or not (number.isascii() and number.isdecimal() and 0 < len(number) < 16):
            raise ConfigError(
                f"--limit: expected NAME=NUMBER with one of {', '.join(known)}, found {printable(text, 60)!r}"
            )
        found[name] = max(int(number), 1)
    return found


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="How much a file may ask for, before the command; repeatable: unpacked_bytes=4000000000",
        ),
    ] = None,
    log: LogFile = None,
) -> None:
    """Quantum knowledge distillation for variational quantum convolutional neural networks."""
    context.with_resource(use_limits(**_limits(limit or [])))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; the process's own arguments when omitted.

    Returns:
        Exit status: 0 when the work is done, 2 for bad input, 1 for a failure, 130 when interrupted.
    """
    with command_log():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    command = typer.main.get_command(app)
    try:
        with _clean_termination():
            status = command.main(
                None if arguments is None else list(arguments), prog_name=PROGRAM, standalone_mode=False
            )
            sys.stdout.flush()
    except ServiceError as error:
        _complain(str(error))
        return 1
    except QKDError as error:
        return _complain(str(error))
    except _CommandLineError as error:
        return _complain(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python's own flush at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        # What was not written yet would fail once more at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _complain(f"cannot write {error.filename or 'the output'}: {error.strerror}")
        return 1
    # Typer itself may have turned the interruption into this status.
    if status == INTERRUPTED:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _complain(message: str) -> int:
    # For the file of the log alone: the terminal gets the line below.
    _LOG.error("%s", message, extra=QUIET)
    print(f"{PROGRAM}: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


@contextmanager
def _clean_termination() -> Iterator[None]:
    """Let a polite kill unwind the stack, so that temporary files go and worker processes end.

    What joblib says of tasks that it cancels meanwhile is no news to whoever has interrupted them.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    interrupted = signal.getsignal(signal.SIGINT)
    if interrupted is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if interrupted is signal.default_int_handler:
            signal.signal(signal.SIGINT, interrupted)


def _interrupt(number: int, frame: FrameType | None) -> None:
    warnings.filterwarnings("ignore", module=r"joblib\b")
    signal.default_int_handler(number, frame)
