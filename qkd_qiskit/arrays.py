"""Types of arrays, and the check of features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arguments import found
from qkd_qiskit.errors import DataError, QKDError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LARGEST_FEATURE = 1e302
"""Differences of larger features, and sums of a million of them, would be infinite."""


def as_numbers(values: Any, error: type[QKDError], name: str) -> FloatArray:
    """Return real numbers as a float64 array of any shape.

    Args:
        values: The numbers.
        error: Class of the exception.
        name: Their name, which opens the message.

    Raises:
        QKDError: As the class `error`, if they are something else, or rows of different lengths.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        array = np.empty(0, dtype=np.object_)
    if array.dtype.kind not in "biuf":
        raise error(f"{name}: expected real numbers, found {found(values)}")
    return np.asarray(array, dtype=np.float64)


def as_features(values: Any, where: str) -> FloatArray:
    """Return features as a finite float64 table.

    Args:
        values: Numbers, [N, F], with at least one row and one column.
        where: Words that open the error message.

    Raises:
        DataError: If the table has another shape, is empty, or holds something not a finite number, or one
            beyond 1e302.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: expected real numbers as features, found type {array.dtype}")
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"{where}: expected a table [samples, features], found shape {array.shape}")
    table = np.ascontiguousarray(array, dtype=np.float64)
    finite = np.isfinite(table)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise DataError(
            f"{where}: expected finite features, found {table[row, column]} in row {row}, column {column}"
        )
    huge = np.abs(table) > LARGEST_FEATURE
    if huge.any():
        row, column = np.argwhere(huge)[0]
        raise DataError(
            f"{where}: expected features of at most {LARGEST_FEATURE:g} in size, "
            f"found {table[row, column]:g} in row {row}, column {column}"
        )
    return table
