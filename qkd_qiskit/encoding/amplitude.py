"""The amplitude encoding: features as an ideal state, for simulators only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray, as_features
from qkd_qiskit.encoding.checks import check_width, checked_qubits
from qkd_qiskit.encoding.resizing import resize
from qkd_qiskit.errors import DataError


class AmplitudeEncoder:
    """Features as the amplitudes of an ideal state: for simulators only.

    Images are resized to 2^ceil(n/2) rows and 2^floor(n/2) columns (`resize`: area averages, linear
    interpolation where the grid is finer) and read row by row: the state's index is
    `row * columns + column`, so the low qubits count columns and the high ones rows (qubit 0 is the
    least significant bit). Features that are no pixels keep their order and are padded with zeros;
    nothing is fitted or mixed. Every row is divided by its L2 norm.

    Attributes:
        n_qubits: Qubits of the circuit.
        image_shape: Rows and columns of the images, or None for features that are no pixels.
    """

    encoding = "amplitude"

    def __init__(self, n_qubits: int, image_shape: tuple[int, int] | None = None) -> None:
        """Make an encoder.

        Args:
            n_qubits: Qubits of the circuit, n, at least 1.
            image_shape: Rows and columns of the images, or None for features that are no pixels.

        Raises:
            DataError: If a number is out of range.
        """
        self.n_qubits = checked_qubits(n_qubits)
        if image_shape is not None and min(image_shape) < 1:
            raise DataError(f"amplitude encoding: expected a positive image shape, found {image_shape}")
        self.image_shape = image_shape

    @property
    def n_features(self) -> int:
        """Columns of the encoded inputs, 2^n."""
        return 1 << self.n_qubits

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns that images are resized to."""
        return 1 << (self.n_qubits - self.n_qubits // 2), 1 << (self.n_qubits // 2)

    def fit(self, features: NDArray[Any]) -> Self:
        """Check that features fit; there is nothing to learn.

        Args:
            features: Public features, [N, F].

        Returns:
            The encoder itself.

        Raises:
            DataError: If the features are no finite table or too wide.
        """
        self._checked(features)
        return self

    def transform(self, features: NDArray[Any]) -> FloatArray:
        """Amplitudes of the features.

        Args:
            features: Features, [N, F].

        Returns:
            Real amplitudes, [N, 2^n], each row of L2 norm 1, in the order of Qiskit's state index.

        Raises:
            DataError: If the features do not fit, or a row is all zero and has no direction.
        """
        table = self._checked(features)
        if self.image_shape is not None:
            amplitudes = resize(table.reshape(-1, *self.image_shape), self.grid).reshape(len(table), -1)
        else:
            amplitudes = np.pad(table, ((0, 0), (0, self.n_features - table.shape[1])))
        largest = np.abs(amplitudes).max(axis=1, keepdims=True)
        if not largest.all():
            row = np.argmin(largest)
            raise DataError(f"amplitude encoding: expected a nonzero value in each row, none in row {row}")
        # Dividing by the largest value first keeps the squares of tiny and huge rows in range.
        amplitudes = amplitudes / largest
        return np.asarray(amplitudes / np.linalg.norm(amplitudes, axis=1, keepdims=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything needed to restore the encoder with `encoder_from_arrays`."""
        return {"image_shape": np.asarray(self.image_shape or (0, 0), dtype=np.int64)}

    @classmethod
    def from_arrays(cls, n_qubits: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The encoder whose `arrays()` these are.

        Raises:
            DataError: If the array is missing or does not fit.
        """
        shape = np.asarray(arrays.get("image_shape", ()))
        if shape.shape != (2,) or shape.dtype.kind not in "iu":
            raise DataError("amplitude encoding: cannot be restored, array image_shape is not two integers")
        return cls(n_qubits, (int(shape[0]), int(shape[1])) if shape.any() else None)

    def _checked(self, features: NDArray[Any]) -> FloatArray:
        table = as_features(features, "amplitude encoding")
        if self.image_shape is not None:
            check_width(table, self.image_shape[0] * self.image_shape[1], "amplitude encoding")
        elif table.shape[1] > self.n_features:
            raise DataError(
                f"amplitude encoding: expected at most {self.n_features} features on {self.n_qubits} qubits, "
                f"found {table.shape[1]} that are no image; take more qubits or the angle encoding"
            )
        return table
