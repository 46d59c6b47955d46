"""Amplitudes that a device prepares approximately, by a circuit of few gates fitted to each sample."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.encoding.amplitude import AmplitudeEncoder
from qkd_qiskit.encoding.base import Encoder, Encoding
from qkd_qiskit.encoding.coarse_middle import coarse_in_the_middle
from qkd_qiskit.encoding.real_circuits import RealCircuit
from qkd_qiskit.encoding.state_fit import Turns, common_start, fidelities, fit_angles
from qkd_qiskit.errors import DataError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector

MAX_QUBITS = 14
"""Qubits beyond which states of 2^n amplitudes for each sample are not fitted."""


class FittedAmplitudeEncoding(Encoding):
    """Inputs are the angles of a fixed circuit of RY and CZ, fitted to each sample's amplitudes."""

    @abstractmethod
    def structure(self, n_qubits: int) -> RealCircuit:
        """Return the circuit, its CZ on neighbours of the chain."""

    def n_features(self, n_qubits: int) -> int:
        """Return the number of RY."""
        return self.structure(n_qubits).n_angles

    def make_encoder(
        self, n_qubits: int, image_shape: tuple[int, int] | None = None
    ) -> FittedAmplitudeEncoder:
        """Return an encoder that has yet to be fitted."""
        return FittedAmplitudeEncoder(self.name, self.structure(n_qubits), image_shape)

    def restore_encoder(self, n_qubits: int, arrays: Mapping[str, NDArray[Any]]) -> FittedAmplitudeEncoder:
        """Return the fitted encoder whose `arrays()` these are."""
        return FittedAmplitudeEncoder.from_arrays(self.name, self.structure(n_qubits), arrays)

    def array_fault(self, n_qubits: int, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        """Return what is wrong: rows and columns of the images, and turns to start from."""
        expected = {"image_shape": (2,), "start": (2, self.n_features(n_qubits))}
        wrong = next((name for name, shape in expected.items() if shapes.get(name) != shape), None)
        if wrong is None:
            return None
        return f"array {wrong}: expected shape {expected[wrong]}, found {shapes.get(wrong)}"

    def append(self, circuit: QuantumCircuit, x: ParameterVector) -> None:
        """Add RY and CZ."""
        self.structure(circuit.num_qubits).append(circuit, x)

    def pairs(self, n_qubits: int) -> tuple[tuple[int, int], ...]:
        """Return the qubits of each CZ."""
        return self.structure(n_qubits).pairs

    def fidelities(self, encoder: Encoder, features: NDArray[Any]) -> FloatArray:
        """Return the fidelities [N] of prepared states with amplitudes of features [N, F].

        Raises:
            DataError: If the encoder is another encoding's, or the features do not fit it.
        """
        if not isinstance(encoder, FittedAmplitudeEncoder):
            found = type(encoder).__name__
            raise DataError(f"{self.name} encoding: expected an encoder of its own, found {found}")
        return encoder.fidelities(features)

    def numbers(self, n_qubits: int) -> int:
        """Return three numbers for each amplitude of a target, and the angles."""
        return 3 * (1 << n_qubits) + self.n_features(n_qubits)

    def feature_space(self, inputs: FloatArray) -> FloatArray:
        """Return the prepared states [N, 2^n], each with the sign that makes its sum positive.

        Raises:
            DataError: If no number of qubits has so many angles.
        """
        for n_qubits in range(1, MAX_QUBITS + 1):
            if self.n_features(n_qubits) == inputs.shape[1]:
                states = self.structure(n_qubits).states(inputs)
                return states * np.where(states.sum(axis=1, keepdims=True) < 0, -1, 1)
        raise DataError(
            f"{self.name} encoding: expected angles of its circuit, found {inputs.shape[1]} features"
        )


class FittedAmplitudeEncoder:
    """Features as angles whose states are close to their amplitudes.

    Images are resized as for `amplitude` and read in an order of qubits that needs little entanglement
    (`coarse_in_the_middle`); other features keep their order. Every sample's fit starts from the angles of
    what the public samples have in common: like samples end in like states.

    Attributes:
        name: The encoding's name, for messages.
        circuit: Gates whose angles are fitted.
        amplitudes: Makes amplitudes of features, in the order of `amplitude`.
    """

    def __init__(self, name: str, circuit: RealCircuit, image_shape: tuple[int, int] | None = None) -> None:
        """Make an encoder that has yet to be fitted.

        Args:
            name: The encoding's name, for messages.
            circuit: Gates whose angles are fitted, on at most `MAX_QUBITS` qubits.
            image_shape: Rows and columns of the images; None for features that are no pixels.

        Raises:
            DataError: If a number is out of range.
        """
        if circuit.n_qubits > MAX_QUBITS:
            raise DataError(
                f"{name} encoding: expected at most {MAX_QUBITS} qubits, found {circuit.n_qubits}"
            )
        self.name, self.circuit = name, circuit
        self.amplitudes = AmplitudeEncoder(circuit.n_qubits, image_shape)
        self._start: Turns | None = None

    @property
    def n_qubits(self) -> int:
        """Qubits of the circuit."""
        return self.circuit.n_qubits

    @property
    def n_features(self) -> int:
        """Columns of the encoded inputs: one for each RY."""
        return self.circuit.n_angles

    @property
    def order(self) -> IntArray:
        """Where each target amplitude comes from among those of `amplitudes`."""
        if self.amplitudes.image_shape is None:
            return np.arange(1 << self.n_qubits)
        return coarse_in_the_middle(self.n_qubits)

    def fit(self, features: NDArray[Any]) -> Self:
        """Fit the angles that public features [N, F] have in common.

        Raises:
            DataError: If the features do not fit, or a row is all zero.
        """
        self._start = common_start(self.circuit, self.targets(features))
        return self

    def targets(self, features: NDArray[Any]) -> FloatArray:
        """Return the states [N, 2^n] that the circuit is to prepare.

        Raises:
            DataError: If the features do not fit, or a row is all zero.
        """
        return self.amplitudes.transform(features)[:, self.order]

    def transform(self, features: NDArray[Any]) -> FloatArray:
        """Return the angles [N, n_features] of features, in radians in [-pi, pi].

        Raises:
            DataError: If the encoder is not fitted, or the features do not fit it.
        """
        return fit_angles(self.circuit, self.targets(features), self._fitted())

    def fidelities(self, features: NDArray[Any]) -> FloatArray:
        """Return how well the states of features [N, F] are prepared without noise, [N], from 0 to 1.

        Raises:
            DataError: If the encoder is not fitted, or the features do not fit it.
        """
        return fidelities(self.circuit, self.transform(features), self.targets(features))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that `from_arrays` needs.

        Raises:
            DataError: If the encoder is not fitted.
        """
        return {**self.amplitudes.arrays(), "start": self._fitted()}

    @classmethod
    def from_arrays(cls, name: str, circuit: RealCircuit, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the fitted encoder whose `arrays()` these are.

        Raises:
            DataError: If arrays are missing or do not fit.
        """
        encoder = cls(name, circuit)
        encoder.amplitudes = AmplitudeEncoder.from_arrays(circuit.n_qubits, arrays)
        start = np.asarray(arrays.get("start", ()))
        shape = (2, circuit.n_angles)
        if start.shape != shape or start.dtype.kind != "f" or not np.isfinite(start).all():
            raise DataError(f"{name} encoding: cannot be restored, array start is not {shape} finite numbers")
        encoder._start = start.astype(np.float32)
        return encoder

    def _fitted(self) -> Turns:
        if self._start is None:
            raise DataError(
                f"{self.name} encoding: expected a fitted encoder, call fit with public features first"
            )
        return self._start
