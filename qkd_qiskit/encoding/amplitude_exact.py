"""Amplitudes that a device prepares exactly, and pays for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.encoding.amplitude import AmplitudeEncoder
from qkd_qiskit.encoding.base import Encoding
from qkd_qiskit.encoding.rotation_tree import tree_angles, tree_gates
from qkd_qiskit.errors import DataError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector

MAX_QUBITS = 14
"""Qubits beyond which a preparation of 2^n rotations is no circuit to build."""


class ExactAmplitudeEncoding(Encoding):
    """Inputs are the 2^n - 1 angles of a tree of rotations that prepares the states of `amplitude`."""

    name = "amplitude_exact"
    code = 16

    def n_features(self, n_qubits: int) -> int:
        """Return the number of angles, 2^n - 1.

        Raises:
            DataError: If there are too many qubits.
        """
        if n_qubits > MAX_QUBITS:
            raise DataError(f"{self.name} encoding: expected at most {MAX_QUBITS} qubits, found {n_qubits}")
        return (1 << n_qubits) - 1

    def make_encoder(
        self, n_qubits: int, image_shape: tuple[int, int] | None = None
    ) -> ExactAmplitudeEncoder:
        """Return an encoder; only its check of features is left to `fit`."""
        self.n_features(n_qubits)
        return ExactAmplitudeEncoder(AmplitudeEncoder(n_qubits, image_shape))

    def restore_encoder(self, n_qubits: int, arrays: Mapping[str, NDArray[Any]]) -> ExactAmplitudeEncoder:
        """Return the encoder whose `arrays()` these are."""
        self.n_features(n_qubits)
        return ExactAmplitudeEncoder(AmplitudeEncoder.from_arrays(n_qubits, arrays))

    def array_fault(self, n_qubits: int, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        """Return what is wrong: the only array holds rows and columns of the images."""
        del n_qubits
        shape = shapes.get("image_shape")
        return None if shape == (2,) else f"array image_shape: expected shape (2,), found {shape}"

    def append(self, circuit: QuantumCircuit, x: ParameterVector) -> None:
        """Add RY, CX and CZ, the latter on neighbours of the chain."""
        angles = iter(x)
        for name, qubits in tree_gates(circuit.num_qubits):
            if name == "ry":
                circuit.ry(next(angles), *qubits)
            else:
                getattr(circuit, name)(*qubits)

    def pairs(self, n_qubits: int) -> tuple[tuple[int, int], ...]:
        """Return the qubits of each CX and CZ."""
        self.n_features(n_qubits)
        return tuple((qubits[0], qubits[1]) for name, qubits in tree_gates(n_qubits) if name != "ry")

    def numbers(self, n_qubits: int) -> int:
        """Return three numbers for each amplitude, and the angles."""
        return 3 * (1 << n_qubits) + self.n_features(n_qubits)

    def random_inputs(self, n_qubits: int, count: int, *, rng: np.random.Generator) -> FloatArray:
        """Draw angles [count, 2^n - 1] of random states."""
        states = rng.normal(size=(count, 1 << n_qubits))
        return tree_angles(states / np.linalg.norm(states, axis=1, keepdims=True))


class ExactAmplitudeEncoder:
    """Features as angles of a tree of rotations, by way of their amplitudes.

    Attributes:
        amplitudes: Makes amplitudes of features.
    """

    def __init__(self, amplitudes: AmplitudeEncoder) -> None:
        """Make an encoder of what makes the amplitudes."""
        self.amplitudes = amplitudes

    @property
    def n_qubits(self) -> int:
        """Qubits of the circuit."""
        return self.amplitudes.n_qubits

    @property
    def n_features(self) -> int:
        """Columns of the encoded inputs, 2^n - 1."""
        return (1 << self.n_qubits) - 1

    def fit(self, features: NDArray[Any]) -> Self:
        """Check that features fit; there is nothing to learn.

        Raises:
            DataError: If the features are no finite table or too wide.
        """
        self.amplitudes.fit(features)
        return self

    def transform(self, features: NDArray[Any]) -> FloatArray:
        """Return the angles [N, 2^n - 1] of features, in radians.

        Raises:
            DataError: If the features do not fit, or a row is all zero and has no direction.
        """
        return tree_angles(self.amplitudes.transform(features))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that `restore_encoder` needs."""
        return self.amplitudes.arrays()
