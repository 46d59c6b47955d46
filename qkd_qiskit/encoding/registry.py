"""Features to circuit inputs, one interface for both encodings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.encoding.amplitude import AmplitudeEncoder
from qkd_qiskit.encoding.angle import AngleEncoder
from qkd_qiskit.errors import DataError


class Encoder(Protocol):
    """What every encoding can do; whatever is fitted is fitted on public data only."""

    @property
    def encoding(self) -> str:
        """`angle` or `amplitude`."""
        ...

    @property
    def n_qubits(self) -> int:
        """Qubits of the circuit, n."""
        ...

    @property
    def n_features(self) -> int:
        """Columns of the encoded inputs: 2n angles or 2^n amplitudes."""
        ...

    def fit(self, features: NDArray[Any]) -> Self:
        """Learn from public features [N, F]; returns the encoder itself."""
        ...

    def transform(self, features: NDArray[Any]) -> FloatArray:
        """Encoded inputs [N, n_features] of features [N, F]."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything needed to restore the fitted encoder with `encoder_from_arrays`."""
        ...


def make_encoder(encoding: str, n_qubits: int, *, image_shape: tuple[int, int] | None = None) -> Encoder:
    """An encoder, yet to be fitted.

    Args:
        encoding: `angle` or `amplitude`.
        n_qubits: Qubits of the circuit, at least 1.
        image_shape: Rows and columns of the images; None for features that are no pixels. Only
            `amplitude` looks at it.

    Raises:
        DataError: If the encoding is unknown or a number is out of range.
    """
    if encoding == "angle":
        return AngleEncoder(n_qubits)
    if encoding == "amplitude":
        return AmplitudeEncoder(n_qubits, image_shape)
    raise DataError(f"unknown encoding {encoding!r}: expected angle or amplitude")


def encoder_from_arrays(encoding: str, n_qubits: int, arrays: Mapping[str, NDArray[Any]]) -> Encoder:
    """The fitted encoder whose `arrays()` these are; how a saved model gets its preprocessing back.

    Args:
        encoding: `angle` or `amplitude`.
        n_qubits: Qubits of the circuit, at least 1.
        arrays: What `arrays()` gave, for example read from an npz file.

    Raises:
        DataError: If the encoding is unknown, or arrays are missing or do not fit.
    """
    if encoding == "angle":
        return AngleEncoder.from_arrays(n_qubits, arrays)
    if encoding == "amplitude":
        return AmplitudeEncoder.from_arrays(n_qubits, arrays)
    raise DataError(f"unknown encoding {encoding!r}: expected angle or amplitude")
