"""The command line `qkd-qiskit`: gathers the commands, and turns errors into exit statuses."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from qkd_qiskit.cli import bench, calibrate, federation, quantum, resources, run, sweep
from qkd_qiskit.errors import QKDError, ServiceError

PROGRAM = "qkd-qiskit"
INTERRUPTED = 130
TERMINATED = 143

# NOTE: Typer raises the exceptions of the installed Click up to 0.25, and of a copy of its own from 0.26 on.
# The public `BadParameter` is one of them in either case; its ancestor is what the command line may raise.
_CommandLineError: type[typer.BadParameter] = next(
    ancestor for ancestor in typer.BadParameter.__mro__ if ancestor.__name__ == "ClickException"
)

app = typer.Typer(
    name=PROGRAM,
    help="Quantum knowledge distillation for variational quantum convolutional neural networks.",
    add_completion=False,
    suggest_commands=False,
    pretty_exceptions_enable=False,
)
for _group in (run, resources, quantum, calibrate, bench, sweep, federation):
    app.add_typer(_group.app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Quantum knowledge distillation for variational quantum convolutional neural networks."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; the process's own arguments when omitted.

    Returns:
        Exit status: 0 when the work is done, 2 for bad input, 1 for a failure, 130 when interrupted.
    """
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
    # Typer itself may have turned the interruption into this status.
    if status == INTERRUPTED:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _complain(message: str) -> int:
    print(f"{PROGRAM}: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


@contextmanager
def _clean_termination() -> Iterator[None]:
    """Let a polite kill unwind the stack, so that temporary files go and worker processes end."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
