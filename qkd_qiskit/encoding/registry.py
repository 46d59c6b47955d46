"""The encodings, by name."""

from __future__ import annotations

from numbers import Integral

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.encoding.amplitude import AmplitudeEncoding
from qkd_qiskit.encoding.angle import AngleEncoding
from qkd_qiskit.encoding.base import Encoder, Encoding
from qkd_qiskit.errors import DataError

ENCODINGS: dict[str, Encoding] = {
    encoding.name: encoding for encoding in (AngleEncoding(), AmplitudeEncoding())
}


@takes(DataError, name=str)
def encoding_named(name: str) -> Encoding:
    """Return the encoding of a name.

    Raises:
        DataError: If there is none.
    """
    if name not in ENCODINGS:
        raise DataError(f"unknown encoding {name!r}: expected {' or '.join(ENCODINGS)}")
    return ENCODINGS[name]


@takes(DataError, encoding=str, n_qubits=Integral, image_shape=(tuple, list, NOTHING))
def make_encoder(encoding: str, n_qubits: int, *, image_shape: tuple[int, int] | None = None) -> Encoder:
    """Return an encoder, yet to be fitted.

    Args:
        encoding: Name of the encoding.
        n_qubits: Qubits of the circuit, at least 1.
        image_shape: Rows and columns of the images; None for features that are no pixels.

    Raises:
        DataError: If the encoding is unknown or a number is out of range.
    """
    return encoding_named(encoding).make_encoder(n_qubits, image_shape)
