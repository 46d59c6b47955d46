"""Tables of the commands, on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from qkd_qiskit.reporting import records_table, write_json
from qkd_qiskit.reporting.table import percent

_NO_LIMIT = 10_000


def percentages(row: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str]:
    """Return the shares among a row's values as percentages, each under `KEY_percent`."""
    return {f"{key}_percent": percent(row[key]) for key in keys if row.get(key) is not None}


def show(
    title: str, columns: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, Any]], json_path: Path | None
) -> None:
    """Print rows as a table of some of their keys, and write all of them as JSON if wanted.

    In a file or a pipe the table is as wide as it must be. Under it stand the rows' notes, and why rows with
    the key `refused` have no figures.
    """
    console, table = Console(), records_table(title, columns, rows)
    if not console.is_terminal:
        free = console.options.update(max_width=_NO_LIMIT)
        console.width = max(console.width, console.measure(table, options=free).maximum)
    console.print(table)
    said = [note for row in rows for note in row.get("notes", ())]
    for row in rows:
        if row.get("refused"):
            heading, key = columns[0]
            name = f"{row['client']} on {row['backend']}" if "client" in row else f"{heading} {row.get(key)}"
            said.append(f"{name}: {row['refused']}")
    for line in dict.fromkeys(said):
        typer.echo(line)
    if json_path is not None:
        write_json(list(rows), json_path)
