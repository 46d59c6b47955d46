"""Stored values with a checksum before them, so that a flipped bit is noticed."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.store.array_files import array_at

_DIGEST_BYTES = 16
_SEAL = b"QKD-ARR1"
_RAW = b"QKD-RAW1"
_NUMPY = b"\x93NUMPY"


def pack(*arrays: NDArray[Any], about: bytes = b"") -> bytes:
    """Return arrays as bytes: a checksum, then one after the other in NumPy's file format.

    Args:
        *arrays: Numbers or text.
        about: What the arrays belong to, which the checksum then covers too.
    """
    buffer = io.BytesIO()
    for array in arrays:
        np.save(buffer, array, allow_pickle=False)
    data = buffer.getvalue()
    return _SEAL + _digest(data, about) + data


def unpack(data: object, *, about: bytes = b"") -> tuple[NDArray[Any], ...]:
    """Return the arrays that `pack` has made bytes of; an earlier version's bytes have no checksum.

    Args:
        data: The bytes.
        about: What `pack` was told.

    Raises:
        ValueError: If they are something else, damaged, or the arrays are larger than the limits allow.
    """
    if not isinstance(data, bytes):
        raise ValueError(f"expected stored arrays, found {type(data).__name__}")
    end = 0
    if data.startswith(_SEAL):
        end = len(_SEAL) + _DIGEST_BYTES
        if data[len(_SEAL) : end] != _digest(data[end:], about):
            raise ValueError("expected stored arrays, found damaged ones")
    elif not data.startswith(_NUMPY):
        raise ValueError("expected stored arrays, found something else")
    arrays = []
    while end < len(data):
        array, end = array_at(data, end)
        arrays.append(array)
    return tuple(arrays)


def seal_bytes(data: bytes) -> bytes:
    """Return bytes with their checksum before them."""
    return _RAW + _digest(data, b"") + data


def unseal_bytes(sealed: object) -> bytes:
    """Return the bytes that `seal_bytes` has sealed.

    Raises:
        ValueError: If they are something else, or damaged.
    """
    start = len(_RAW) + _DIGEST_BYTES
    data = sealed[start:] if isinstance(sealed, bytes) else b""
    if sealed != seal_bytes(data):
        raise ValueError("expected stored bytes with their checksum, found damaged ones")
    return data


def seal_text(text: str) -> str:
    """Return a text with its checksum before it."""
    return f"{_digest(text.encode(), b'').hex()} {text}"


def unseal_text(sealed: object) -> str:
    """Return the text that `seal_text` has sealed.

    Raises:
        ValueError: If it is something else, or damaged.
    """
    digest, _, text = sealed.partition(" ") if isinstance(sealed, str) else ("", "", "")
    if digest != _digest(text.encode(), b"").hex():
        raise ValueError("expected a stored text with its checksum, found a damaged one")
    return text


def _digest(data: bytes, about: bytes) -> bytes:
    digest = hashlib.blake2b(about, digest_size=_DIGEST_BYTES)
    digest.update(data)
    return digest.digest()
