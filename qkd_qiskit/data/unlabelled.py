"""Features without labels, for a trained model to predict."""

from __future__ import annotations

import csv
from array import array
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.data.csv import is_number, table_text
from qkd_qiskit.data.files import FEATURE_KEYS, flatten, kind_of, member
from qkd_qiskit.data.idx import read_idx
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import guarded, open_npz, read_npy
from qkd_qiskit.text import printable


def load_features(path: str | Path) -> FloatArray:
    """Load samples from a file without labels, scaled like those of `load_file`.

    Args:
        path: `.npy`; `.npz` with an array named as in `FEATURE_KEYS` (or one array only); `.csv`, also
            `.csv.gz`, whose columns are all features, with or without headings; anything else is read as
            IDX, also gzip-compressed.

    Returns:
        Features [N, F]; images are flattened row by row and scaled to [0, 1].

    Raises:
        DataError: If the file cannot be read, or holds something else than finite numbers.
    """
    with guarded(DataError, f"cannot read {path}"):
        path = Path(path)
        if not path.is_file():
            raise DataError(f"no such file: {path}")
        kind = kind_of(path)
        if kind == "npy":
            samples = read_npy(path, DataError)
        elif kind == "npz":
            samples = _samples_of_npz(path)
        elif kind == "csv":
            samples = _samples_of_csv(path)
        else:
            samples = read_idx(path)
        return flatten(samples, str(path))[0]


def _samples_of_npz(path: Path) -> NDArray[Any]:
    archive = open_npz(path, DataError)
    named = tuple(key for key in FEATURE_KEYS if key in archive)
    only = archive.names if len(archive.names) == 1 else FEATURE_KEYS
    return member(archive, named or only, "samples", path)


def _samples_of_csv(path: Path) -> FloatArray:
    rows = (row for row in csv.reader(table_text(path)) if row)
    first = next(rows, [])
    if not any(map(is_number, first)):
        first = next(rows, [])
    if not first:
        raise DataError(f"{path}: expected at least one row of numbers, found none")
    # PERF: eight bytes a number; lists of texts take ten times the file.
    numbers, count = array("d"), 0
    for count, row in enumerate(chain([first], rows), 1):
        if len(row) != len(first):
            raise DataError(f"{path}: expected {len(first)} values in row {count - 1}, found {len(row)}")
        wrong = next((cell for cell in row if not is_number(cell)), None)
        if wrong is not None:
            raise DataError(
                f"{path}: expected numbers only, found {printable(wrong, 60)!r} in row {count - 1}"
            )
        numbers.extend(map(float, row))
    return np.array(numbers).reshape(count, len(first))
