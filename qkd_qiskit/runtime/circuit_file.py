"""Circuits as bytes: QPY, whose reading may fail with what another version of Qiskit has written."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence

import qiskit
from qiskit import QuantumCircuit, qpy

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.runtime.service_text import safe_line

_MAGIC = b"QISKIT"
# The magic, the format's version, and the three numbers of Qiskit's: a byte each in every format so far.
_HEAD_BYTES = len(_MAGIC) + 4
# NOTE: a length that is damaged within QPY makes its reader ask for so much memory that the process dies.
_SEAL = b"sha256:"
_SEAL_BYTES = len(_SEAL) + hashlib.sha256().digest_size


def write_circuits(circuits: Sequence[QuantumCircuit]) -> bytes:
    """Return circuits as bytes that `read_circuits` reads."""
    buffer = io.BytesIO()
    qpy.dump(list(circuits), buffer)
    data = buffer.getvalue()
    return data + _SEAL + hashlib.sha256(data).digest()


def read_circuits(data: bytes, *, where: str) -> tuple[QuantumCircuit, ...]:
    """Return the circuits that `write_circuits` has written.

    Args:
        data: The bytes.
        where: What they belong to, for errors.

    Raises:
        SubmissionError: If they cannot be read: damaged, or of a version that the installed Qiskit does not
            know. The message names the version that wrote them, and the installed one.
    """
    if len(data) < _HEAD_BYTES or not data.startswith(_MAGIC):
        raise SubmissionError(f"{where}: expected a stored circuit (QPY), found {len(data)} other bytes")
    format_version, *numbers = data[len(_MAGIC) : _HEAD_BYTES]
    written = f"QPY version {format_version} of Qiskit {'.'.join(map(str, numbers))}"
    installed = f"Qiskit {qiskit.__version__}, which reads QPY up to version {qpy.QPY_VERSION}"
    if format_version > qpy.QPY_VERSION:
        raise SubmissionError(
            f"{where}: cannot read the stored circuit: it is {written}, installed is {installed}; "
            "its jobs can be collected, but not sent again with this Qiskit"
        )
    body, seal = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    if seal.startswith(_SEAL) and seal != _SEAL + hashlib.sha256(body).digest():
        raise SubmissionError(
            f"{where}: the stored circuit, {written}, is damaged (installed is {installed})"
        )
    try:
        with warnings.catch_warnings():
            # A newer Qiskit with the same format is told as a warning; what it wrote can be read.
            warnings.simplefilter("ignore", UserWarning)
            return tuple(qpy.load(io.BytesIO(data)))
    except Exception as error:
        raise SubmissionError(
            f"{where}: cannot read the stored circuit, {written} (installed is {installed}): "
            f"{safe_line(error)}"
        ) from None
