"""IDX files, the format of MNIST: http://yann.lecun.com/exdb/mnist/."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.errors import DataError
from qkd_qiskit.store import Unpacked, current_limits, read_bytes

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 4


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
    return _read(Unpacked(read_bytes(path, DataError), DataError, str(path)), path)


def _read(file: Unpacked, path: Path) -> NDArray[Any]:
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
    most = current_limits().values
    if count > most:
        raise DataError(
            f"{path} is too large: expected at most {most} values (limits.values), its header says {count}"
        )
    expected = count * dtype.itemsize
    promise = f"its header says {expected} bytes for shape {shape}"
    bound, limit = file.bound
    if limit != "file_bytes" and expected > bound:
        raise DataError(f"{path} is too large: {promise}, limits.{limit} allows {bound}")
    body = file.read(expected + 1)
    if len(body) != expected:
        word, found = ("oversized", "more") if len(body) > expected else ("truncated", str(len(body)))
        raise DataError(f"{path} is {word}: {promise}, found {found}")
    array = np.frombuffer(body, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)
