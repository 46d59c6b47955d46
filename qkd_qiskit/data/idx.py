"""IDX files, the format of MNIST: http://yann.lecun.com/exdb/mnist/."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.errors import DataError

MAX_VALUES = 2**28
"""Most numbers that one file may hold: 2 GiB once they are float64."""

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 4
_DEFLATE_RATIO = 1032  # no deflate stream unpacks to more than this many bytes per byte


def read_idx(path: Path) -> NDArray[Any]:
    """Read an IDX file, plain or gzip-compressed (which its content shows, not its name).

    The header is never trusted: its size is compared with the file before memory is taken.

    Args:
        path: The file.

    Returns:
        The array in native byte order, with the type and shape that the header declares.

    Raises:
        DataError: If the file is unreadable, no IDX, too large, or longer or shorter than its
            header says.
    """
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        size = path.stat().st_size
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            return _read(file, size * _DEFLATE_RATIO if packed else size, path)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"cannot read {path}: {reason}") from None


def _read(file: Any, most_bytes: int, path: Path) -> NDArray[Any]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\x00\x00" or head[2] not in _TYPES or not 1 <= head[3] <= _MOST_AXES:
        found = head.hex(" ") or "nothing"
        raise DataError(f"{path} is not an IDX file: expected the header 00 00 TYPE AXES, found {found}")
    axes = head[3]
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise DataError(f"{path} is truncated: it ends inside its IDX header")
    shape = struct.unpack(f">{axes}I", lengths)
    dtype = np.dtype(_TYPES[head[2]])
    count = math.prod(shape)
    if count == 0:
        raise DataError(f"{path} holds no values: its header says shape {shape}")
    if count > MAX_VALUES:
        raise DataError(f"{path} is too large: expected at most {MAX_VALUES} values, its header says {count}")
    expected = count * dtype.itemsize
    promise = f"its header says {expected} bytes for shape {shape}"
    if expected > most_bytes:
        raise DataError(f"{path} is truncated: {promise}, the file cannot hold them")
    body = file.read(expected + 1)
    if len(body) != expected:
        word, found = ("oversized", "more") if len(body) > expected else ("truncated", str(len(body)))
        raise DataError(f"{path} is {word}: {promise}, found {found}")
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="))
