"""Features without labels, for a trained model to predict."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.data.csv import is_number
from qkd_qiskit.data.files import FEATURE_KEYS, _flatten, _member, _opened_npz, _read_npy
from qkd_qiskit.data.idx import read_idx
from qkd_qiskit.errors import DataError


def load_features(path: str | Path) -> FloatArray:
    """Load samples from a file without labels, scaled like those of `load_file`.

    Args:
        path: `.npy`; `.npz` with an array named as in `FEATURE_KEYS` (or one array only); `.csv` whose
            columns are all features, with or without headings; anything else is read as IDX, also
            gzip-compressed.

    Returns:
        Features [N, F]; images are flattened row by row and scaled to [0, 1].

    Raises:
        DataError: If the file cannot be read, or holds something else than finite numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    kind = path.suffix.lower()
    if kind == ".npy":
        samples = _read_npy(path)
    elif kind == ".npz":
        samples = _samples_of_npz(path)
    elif kind == ".csv":
        samples = _samples_of_csv(path)
    else:
        samples = read_idx(path)
    return _flatten(samples, str(path))[0]


def _samples_of_npz(path: Path) -> NDArray[Any]:
    with _opened_npz(path) as arrays:
        named = [key for key in FEATURE_KEYS if key in arrays]
        only = tuple(arrays.files) if len(arrays.files) == 1 else FEATURE_KEYS
        return _member(arrays, tuple(named) or only, "samples", path)


def _samples_of_csv(path: Path) -> FloatArray:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    if rows and not any(map(is_number, rows[0])):
        rows = rows[1:]
    if not rows:
        raise DataError(f"{path}: expected at least one row of numbers, found none")
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise DataError(f"{path}: expected {len(rows[0])} values in row {number}, found {len(row)}")
        wrong = next((cell for cell in row if not is_number(cell)), None)
        if wrong is not None:
            raise DataError(f"{path}: expected numbers only, found {wrong!r} in row {number}")
    return np.array([[float(cell) for cell in row] for row in rows])
