"""Fingerprint of the public inputs, so that client and server know that they speak of the same ones."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import as_features
from qkd_qiskit.errors import DataError

_STEPS_PER_UNIT = 10**6
_LARGEST = 1e9


def public_digest(inputs: NDArray[Any]) -> str:
    """Return the SHA-256 of the public inputs: their shape and their values in order, to six decimals.

    Values are rounded because linear algebra libraries differ in the last bits between machines, and
    clients that fitted the same encoder must agree. The sign of zero and the memory layout do not count.

    Args:
        inputs: Encoded inputs, [N, F], of magnitude at most 1e9.

    Returns:
        64 hexadecimal digits.

    Raises:
        DataError: If the inputs are no finite table or too large to be rounded so.
    """
    table = as_features(inputs, "public inputs")
    largest = float(np.abs(table).max())
    if largest > _LARGEST:
        raise DataError(f"public inputs: expected values of at most {_LARGEST:g}, found {largest:g}")
    steps = np.rint(table * _STEPS_PER_UNIT).astype("<i8")
    shape = np.asarray(table.shape, dtype="<i8")
    return hashlib.sha256(shape.tobytes() + steps.tobytes()).hexdigest()
