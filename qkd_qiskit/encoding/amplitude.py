"""The amplitude encoding: features as an ideal state, for simulators only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray, as_features
from qkd_qiskit.encoding.base import Encoding
from qkd_qiskit.encoding.checks import check_width, checked_qubits
from qkd_qiskit.encoding.resizing import resize
from qkd_qiskit.errors import DataError


class AmplitudeEncoding(Encoding):
    """Inputs are the 2^n real amplitudes of an ideal state, of norm 1; index bit q is qubit q."""

    name = "amplitude"
    code = 1
    executable = False

    def n_features(self, n_qubits: int) -> int:
        """Return the number of amplitudes, 2^n."""
        return 1 << n_qubits

    def make_encoder(self, n_qubits: int, image_shape: tuple[int, int] | None = None) -> AmplitudeEncoder:
        """Return an encoder; only its check of features is left to `fit`."""
        return AmplitudeEncoder(n_qubits, image_shape)

    def restore_encoder(self, n_qubits: int, arrays: Mapping[str, NDArray[Any]]) -> AmplitudeEncoder:
        """Return the encoder whose `arrays()` these are."""
        return AmplitudeEncoder.from_arrays(n_qubits, arrays)

    def array_fault(self, n_qubits: int, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        """Return what is wrong: the only array holds rows and columns of the images."""
        shape = shapes.get("image_shape")
        return None if shape == (2,) else f"array image_shape: expected shape (2,), found {shape}"

    def states(self, inputs: FloatArray) -> FloatArray:
        """Return the inputs themselves."""
        return inputs

    def numbers(self, n_qubits: int) -> int:
        """Return three numbers for each amplitude: the amplitude itself, and a complex state."""
        return 3 * self.n_features(n_qubits)

    def fault(self, inputs: FloatArray) -> str | None:
        """Return what is wrong with states that are not normalized."""
        norms = np.linalg.norm(inputs, axis=1)
        if np.abs(norms - 1).max(initial=0.0) <= 1e-6:
            return None
        worst = int(np.abs(norms - 1).argmax())
        return f"expected states of norm 1, found {norms[worst]:.6g} in row {worst}"

    def random_inputs(self, n_qubits: int, count: int, *, rng: np.random.Generator) -> FloatArray:
        """Draw states [count, 2^n]."""
        states = super().random_inputs(n_qubits, count, rng=rng)
        return np.asarray(states / np.linalg.norm(states, axis=1, keepdims=True))


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
        """Return the amplitudes of features.

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
        """Return everything that `from_arrays` needs."""
        return {"image_shape": np.asarray(self.image_shape or (0, 0), dtype=np.int64)}

    @classmethod
    def from_arrays(cls, n_qubits: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the encoder whose `arrays()` these are.

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
