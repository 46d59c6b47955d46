"""The guarded reader of arrays in NumPy's formats, npy and npz: headers are checked before memory is taken.

Nothing is ever unpickled, and no size is believed: what a header says must be what the bytes are.
"""

from __future__ import annotations

import io
import math
import re
import sys
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.errors import QKDError
from qkd_qiskit.store.guard import guarded
from qkd_qiskit.store.limits import current_limits
from qkd_qiskit.store.reading import Place, read_bytes
from qkd_qiskit.text import printable

_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 2048
_MOST_AXES = 32
_ITEM = (
    r"""(['"]descr['"]\s*:\s*['"][<>|=]?[?biufcSUO]\d*['"]|['"]fortran_order['"]\s*:\s*(?:True|False)|"""
    r"""['"]shape['"]\s*:\s*\((?:\s*\d+L?\s*,)*(?:\s*\d+L?)?\s*\))"""
)
_HEADER = re.compile(rf"\{{\s*{_ITEM}\s*,\s*{_ITEM}\s*,\s*{_ITEM}\s*,?\s*\}}\s*")
_FIELD = re.compile(r"""['"](\w+)['"]\s*:\s*['"(]?([^'")]*)""")
_ENTRY = b"PK\x01\x02"
_SUFFIX = ".npy"
_PIECE = 2**20
_ENCRYPTED = 0x1 | 0x40


@dataclass(frozen=True)
class ArrayHeader:
    """What an npy header says.

    Attributes:
        dtype: Type of the values: numbers, truth values or text.
        shape: Lengths of the axes.
        by_columns: Whether the first axis varies fastest.
        start: Place of the first value, in bytes.
    """

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    by_columns: bool
    start: int

    @property
    def values(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return self.values * self.dtype.itemsize


def read_npy(path: Place, error: type[QKDError]) -> NDArray[Any]:
    """Return the array in an npy file.

    Args:
        path: The file.
        error: Class of the exception when something goes wrong.

    Raises:
        QKDError: As the class `error`, if the file cannot be read, or is not exactly one array of numbers
            or texts within the limits.
    """
    data = read_bytes(path, error)
    with guarded(error, f"cannot read {path}"):
        array, end = array_at(data)
        if end != len(data):
            raise ValueError(
                f"oversized: {len(data) - end} bytes follow the array of shape {_shape(array.shape)}"
            )
        return array


def open_npz(path: Place, error: type[QKDError], what: str = "") -> ArrayArchive:
    """Return the arrays of an npz file, none of them unpacked yet.

    Args:
        path: The file.
        error: Class of the exception when something goes wrong, here or when an array is taken.
        what: What the file is, for the message, with a blank behind.

    Raises:
        QKDError: As the class `error`, if the file cannot be read or `ArrayArchive` refuses it.
    """
    return ArrayArchive(read_bytes(path, error, what), error, f"{what}{path}")


class ArrayArchive:
    """The arrays of an npz file, checked when opened and unpacked one by one when taken.

    Attributes:
        names: Names of the arrays, in the order of the file.
    """

    def __init__(self, data: bytes, error: type[QKDError], where: str) -> None:
        """Check what the archive says of itself.

        Args:
            data: The bytes of the file.
            error: Class of the exception when something goes wrong, here or when an array is taken.
            where: The file, for messages.

        Raises:
            QKDError: As the class `error`, if it is no archive, holds more members than `members`, one twice,
                an encrypted one or one that is not packed by deflate, or would unpack to more than the limits
                allow.
        """
        self._error, self._where = error, where
        with guarded(error, f"cannot read {where}"):
            most = current_limits().members
            # Counted in the bytes first: the directory alone may take gigabytes once it is read.
            if data.count(_ENTRY) > 2 * most + 2:
                raise ValueError(f"expected at most {most} arrays (limits.members), found more")
            self._archive = zipfile.ZipFile(io.BytesIO(data))
            members = self._archive.infolist()
            if len(members) > most:
                raise ValueError(f"expected at most {most} arrays (limits.members), found {len(members)}")
            _check_members(members, len(data))
            self._members = {member.filename.removesuffix(_SUFFIX): member for member in members}
            if len(self._members) != len(members):
                raise ValueError("expected arrays of different names, found one twice")
        self.names = tuple(self._members)

    def __contains__(self, name: object) -> bool:
        """Return whether there is an array of this name."""
        return name in self._members

    def header(self, name: str) -> ArrayHeader:
        """Return what an array says of itself, which its bytes hold too.

        Args:
            name: One of `names`.

        Raises:
            QKDError: As the class that was given, if there is no such array, it is damaged, of a type other
                than numbers and text, or larger than the limits allow.
        """
        with guarded(self._error, f"cannot read {self._where}: {printable(name, 40)}"):
            return self._header(name)

    def array(self, name: str) -> NDArray[Any]:
        """Unpack an array.

        Args:
            name: One of `names`.

        Raises:
            QKDError: As the class that was given, for the reasons of `header`, or if its bytes are damaged.
        """
        with guarded(self._error, f"cannot read {self._where}: {printable(name, 40)}"):
            header = self._header(name)
            return _values(self._unpacked(name), header)

    def _header(self, name: str) -> ArrayHeader:
        size = self._members[name].file_size
        header = _read_header(self._unpacked(name, min(size, _MOST_HEADER)))
        if header.start + header.nbytes != size:
            expected = header.start + header.nbytes
            raise ValueError(f"expected {expected} bytes for shape {_shape(header.shape)}, found {size}")
        return header

    def _unpacked(self, name: str, size: int | None = None) -> bytearray:
        """Return the bytes of a member, or its first ones; all of them are held against its checksum."""
        member = self._members[name]
        found = bytearray()
        with self._archive.open(member) as file:
            while size is None or len(found) < size:
                piece = file.read(_PIECE if size is None else size - len(found))
                if not piece:
                    break
                found += piece
        return found


def array_at(data: bytes | bytearray, start: int = 0) -> tuple[NDArray[Any], int]:
    """Return the array that begins at a place in some bytes, as `np.save` has written it, and where it ends.

    Raises:
        ValueError: If there is none, it is of a type other than numbers and text, larger than the limits
            allow, or its bytes are missing.
    """
    header = _read_header(data[start : start + _MOST_HEADER])
    end = start + header.start + header.nbytes
    if end > len(data):
        raise ValueError(
            f"truncated: expected {header.nbytes} bytes for shape {_shape(header.shape)}, "
            f"found {len(data) - start - header.start}"
        )
    return _values(data[start:end], header), end


def _check_members(members: list[zipfile.ZipInfo], given: int) -> None:
    most, limit = current_limits().unpacked_from(given)
    unpacked = sum(member.file_size for member in members)
    if unpacked > most:
        raise ValueError(f"expected at most {most} bytes unpacked (limits.{limit}), found {unpacked}")
    if sum(member.compress_size for member in members) > given:
        raise ValueError("expected arrays beside each other, found some that share their bytes")
    for member in members:
        name = printable(member.filename, 40)
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(f"expected plain arrays, found {name} encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"expected arrays packed by deflate or plain, found {name} packed otherwise")


def _read_header(data: bytes | bytearray) -> ArrayHeader:
    if bytes(data[: len(_MAGIC)]) != _MAGIC:
        raise ValueError(f"expected an array with the header 93 NUMPY, found {bytes(data[: len(_MAGIC)])!r}")
    length = data[8:10] if data[6:7] == b"\x01" else data[8:12]
    start = 8 + len(length) + int.from_bytes(length, "little")
    if not 10 < start <= min(len(data), _MOST_HEADER):
        raise ValueError("expected an array's header, found it cut off or too long")
    # NumPy evaluates this text as Python; three fields need no evaluation.
    text = bytes(data[8 + len(length) : start]).decode("latin-1")
    fields = {name: one for found in [_HEADER.fullmatch(text)] if found for name, one in _fields(found)}
    if fields.keys() != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"expected the header of an array of numbers or text, found {printable(text, 80)}")
    dtype = np.dtype(fields["descr"])
    if dtype.hasobject:
        raise ValueError("expected numbers or text, found Python objects")
    shape = tuple(int(axis.rstrip("L")) for axis in re.findall(r"\d+L?", fields["shape"]))
    # An axis of length 0 hides how long the others are.
    most = current_limits().values
    if math.prod(max(length, 1) for length in shape) > most or len(shape) > _MOST_AXES:
        raise ValueError(f"expected at most {most} values (limits.values), found shape {_shape(shape)}")
    return ArrayHeader(dtype, shape, fields["fortran_order"] == "True", start)


def _fields(found: re.Match[str]) -> list[tuple[str, str]]:
    return [(name, value) for item in found.groups() for name, value in _FIELD.findall(item)]


def _values(data: bytes | bytearray, header: ArrayHeader) -> NDArray[Any]:
    """Return the values behind a header as an array that may be written to."""
    if header.start + header.nbytes > len(data):
        raise ValueError(f"truncated: expected {header.nbytes} bytes, found {len(data) - header.start}")
    held = data if isinstance(data, bytearray) else bytearray(data)
    order = header.shape[::-1] if header.by_columns else header.shape
    if header.nbytes == 0:
        return np.zeros(header.shape, header.dtype)
    flat = np.frombuffer(held, header.dtype, header.values, header.start)
    if header.dtype.kind == "U":
        _check_signs(flat)
    array = flat.reshape(order)
    return array.T if header.by_columns else array


def _check_signs(texts: NDArray[Any]) -> None:
    """Refuse numbers that are no signs: NumPy makes texts of them that other libraries end the process by."""
    codes = texts.view(np.dtype(np.uint32).newbyteorder(texts.dtype.byteorder))
    if codes.size and int(codes.max()) > sys.maxunicode:
        raise ValueError(f"expected text, found the number {int(codes.max())}, which is no sign")


def _shape(shape: tuple[int, ...]) -> str:
    return printable(shape, 60)
