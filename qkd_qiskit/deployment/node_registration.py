"""Registers the keys of many clients with Flower in one process: starting its program takes longest.

Run as a file, so that this package is not imported for it, with the name of Flower's connection, then the
file of a public key and a name for each client. After what Flower tells of a client in JSON comes a
separator.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

SEPARATOR = "\x1e"


def main(arguments: Sequence[str]) -> None:
    """Register all; Flower itself tells what it refuses.

    Args:
        arguments: Connection, then key and name of each client in turn.
    """
    import typer
    from flwr.cli.app import app

    connection, *rest = arguments
    command = typer.main.get_command(app)
    for key, name in zip(rest[::2], rest[1::2], strict=True):
        call = ["supernode", "register", key, connection, f"--name={name}", "--format", "json"]
        try:
            command.main(call, prog_name="flwr", standalone_mode=False)
        finally:
            print(SEPARATOR, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
