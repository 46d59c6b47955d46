"""Flower's ClientApp process, without the power to load code that a server sends.

Flower unpacks whatever app bundle the server hands out, and imports what that names. A client of ours runs
the installed package and nothing else. This program stands in for Flower's: Python tells its audit hooks of
every file that is opened or copied, and the first file of a bundle that is no manifest ends the process,
before a line of it can run. Nothing of that reaches the server.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qkd_qiskit.deployment.bundle import MANIFEST
from qkd_qiskit.store.files import write_atomic

REFUSED = 77
# Flower's own name for its program, and its own folder of unpacked bundles.
PROGRAM = "flwr-clientapp"
_APPS = "apps"


def install_program(folder: Path) -> Path:
    """Write the program that Flower finds in place of its own.

    Args:
        folder: Goes first on the path of the SuperNode.

    Returns:
        The folder.
    """
    program = write_atomic(
        folder / PROGRAM, f'#!/bin/sh\nexec "{sys.executable}" -m qkd_qiskit.deployment.audit_hook "$@"\n'
    )
    program.chmod(0o700)
    return folder


def carries_code(event: str, arguments: Sequence[Any], apps: str) -> bool:
    """Return whether an audit event is about a file of a bundle that is no manifest.

    Args:
        event: Name of the event.
        arguments: Its arguments.
        apps: Folder of unpacked bundles, without links.
    """
    if event == "shutil.copytree":
        return True
    if event == "shutil.copyfile":
        return not _is_manifest(arguments[1], apps)
    return event == "open" and _below(arguments[0], apps) and not _is_manifest(arguments[0], apps)


def _below(path: object, apps: str) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    return os.path.realpath(os.fsdecode(path)).startswith(apps + os.sep)


def _is_manifest(path: object, apps: str) -> bool:
    return _below(path, apps) and Path(os.fsdecode(path)).name == MANIFEST  # type: ignore[arg-type]


def main() -> None:
    """Run Flower's program under the audit hook."""
    apps = os.path.realpath(Path(os.environ["FLWR_HOME"]) / _APPS)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _WATCHED and carries_code(event, arguments, apps):
            os.write(2, b"refused: the server sent an app bundle with code\n")
            # Not an exception: Flower would send its text to the server.
            os._exit(REFUSED)

    sys.addaudithook(hook)
    from flwr.supernode.cli import flwr_clientapp

    flwr_clientapp()


_WATCHED = {"open", "shutil.copyfile", "shutil.copytree"}

if __name__ == "__main__":
    main()
