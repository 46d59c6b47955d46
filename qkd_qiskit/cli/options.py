"""Options and checks that several commands share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit.cli import complete
from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.errors import ConfigError, ReportingError, VQCNNError

Seed = Annotated[int | None, typer.Option(min=0, help="Replaces the experiment's seed.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replaces one setting; repeatable: clients.0.samples=50",
        autocompletion=complete.overrides,
    ),
]
Json = Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Also write the table as JSON.")]
Missing = Annotated[
    str | None,
    typer.Option(help="Rows of a table with missing values: drop them, or fill in the median."),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
Backends = Annotated[
    list[str] | None,
    typer.Option("--backend", help="Device name or .toml; repeatable.", autocompletion=complete.devices),
]
Fractional = Annotated[
    bool, typer.Option("--fractional", help="Use native rzz and rx: devices are then called NAME+fractional.")
]
Qubits = Annotated[int, typer.Option(min=2, help="Width of the model.")]
Encoding = Annotated[
    str, typer.Option(help=" or ".join(ENCODINGS) + "; some have options, as in 'zz(reps=1)'")
]
Kernel = Annotated[str, typer.Option(help="Preset name or gate string.")]
Sharing = Annotated[str, typer.Option(help="layer or site")]


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written before minutes of work go into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportingError(f"cannot write into {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise ReportingError(f"cannot write into {folder}: no permission")


def check_json(path: Path | None) -> None:
    """Refuse a file that cannot be written before minutes of work go into it."""
    if path is None:
        return
    if path.is_dir():
        raise ReportingError(f"--json: expected a file, found the folder {path}")
    check_folder(path.parent)


def is_path(dataset: str) -> bool:
    """Return whether a dataset is named by its place: `openml:NAME` may hold dots and slashes too."""
    path = Path(dataset)
    return path.exists() or (not dataset.startswith("openml:") and (path.suffix != "" or len(path.parts) > 1))


def class_names(text: str | None) -> tuple[int | str, ...] | None:
    """Return class names between commas; whole numbers are taken as numbers."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(int(name) if name.removeprefix("-").isdecimal() else name for name in names)


def numbers(option: str, text: str) -> tuple[int, ...]:
    """Positive whole numbers between commas."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"{option}: expected positive whole numbers between commas, found {text!r}")
    return tuple(int(part) for part in parts)


def model_index(text: str) -> int:
    """Return a model index from its decimal digits."""
    # int() alone would raise on very long numbers, and accept signs, spaces and underscores.
    if not (text.isascii() and text.isdecimal()) or len(text) > sys.get_int_max_str_digits():
        raise VQCNNError(f"--index: expected a model index, a whole decimal number, found {text[:40]!r}")
    return int(text)
