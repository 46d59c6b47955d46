"""The one guarded reader of files from elsewhere: bytes, text, JSON and TOML, all of them bounded.

Every function takes the class of the error that it raises; whatever goes wrong is one line of that class.
Bounds are those of `current_limits`. Arrays are read by `qkd_qiskit.store.array_files`.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from qkd_qiskit.errors import QKDError
from qkd_qiskit.store.guard import guarded
from qkd_qiskit.store.limits import current_limits
from qkd_qiskit.text import printable

Place = str | os.PathLike[str]

_GZIP = b"\x1f\x8b"
_PIECE = 2**20
_WORD = 2**63
# TOML's strings of all four kinds and its comments. Possessive and with optional ends: linear in the text.
_QUOTED = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*+(?:"{3,5})?|"(?:[^"\\\n]|\\.)*+"?'
    r"|'''(?:[^']|'{1,2}(?!'))*+(?:'{3,5})?|'[^'\n]*+'?|#[^\n]*+"
)


def read_bytes(path: Place, error: type[QKDError], what: str = "", *, most: int | None = None) -> bytes:
    """Return the content of a file.

    Args:
        path: The file; devices and pipes are refused, which might never end.
        error: Class of the exception when something goes wrong.
        what: What the file is, for the message, with a blank behind: `"device descriptor "`.
        most: Most bytes; the limit `file_bytes` when omitted.

    Raises:
        QKDError: As the class `error`, if the file cannot be read or is too long.
    """
    limit, name = (current_limits().file_bytes, "file_bytes") if most is None else (most, "text_bytes")
    with guarded(error, f"cannot read {what}{path}"):
        place = Path(path)
        found = place.stat()
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise ValueError("expected a plain file, found a device or a pipe")
        with place.open("rb") as file:
            data = file.read(min(found.st_size, limit) + 1)
            # A file may grow, and files of the system say that they are empty.
            while found.st_size < len(data) <= limit and (piece := file.read(_PIECE)):
                data += piece
        if len(data) > limit:
            more = max(found.st_size, limit + 1)
            raise ValueError(f"expected at most {limit} bytes (limits.{name}), found {more}")
    return data


def added_lines(
    path: Place, error: type[QKDError], start: int = 0, what: str = ""
) -> tuple[list[bytes], int]:
    """Return the whole lines that stand in a growing file behind a place, and the place behind them.

    Args:
        path: The file.
        error: Class of the exception when something goes wrong.
        start: First byte to read; behind the end of the file, which was begun anew, it is the file's first.
        what: What the file is, for the message, with a blank behind.

    Returns:
        The lines without their ends, of at most `text_bytes` together, and where to go on.

    Raises:
        QKDError: As the class `error`, if the file cannot be read or a line is longer than `text_bytes`.
    """
    most = current_limits().text_bytes
    with guarded(error, f"cannot read {what}{path}"), Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = 0 if size < start else start
        file.seek(start)
        whole, end, rest = file.read(most).rpartition(b"\n")
        if not end and len(rest) == most:
            raise ValueError(
                f"expected lines of at most {most} bytes (limits.text_bytes), found a longer one"
            )
    return whole.split(b"\n") if end else [], start + len(whole) + len(end)


def read_text(path: Place, error: type[QKDError], what: str = "") -> str:
    """Return the content of a UTF-8 file of at most `text_bytes`.

    Args:
        path: The file.
        error: Class of the exception when something goes wrong.
        what: What the file is, for the message, with a blank behind.

    Raises:
        QKDError: As the class `error`, if the file cannot be read, is too long or no UTF-8 text.
    """
    data = read_bytes(path, error, what, most=current_limits().text_bytes)
    with guarded(error, f"cannot read {what}{path}"):
        return data.decode("utf-8")


def read_json(path: Place, error: type[QKDError], what: str = "") -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        error: Class of the exception when something goes wrong.
        what: What the file is, for the message, with a blank behind.

    Raises:
        QKDError: As the class `error`, if the file cannot be read or `parse_json` refuses its text.
    """
    return parse_json(read_text(path, error, what), error, f"{what}{path}")


def read_toml(path: Place, error: type[QKDError], what: str = "") -> dict[str, Any]:
    """Return the table in a TOML file.

    Args:
        path: The file.
        error: Class of the exception when something goes wrong.
        what: What the file is, for the message, with a blank behind.

    Raises:
        QKDError: As the class `error`, if the file cannot be read or `parse_toml` refuses its text.
    """
    return parse_toml(read_text(path, error, what), error, f"{what}{path}")


def parse_json(text: str | bytes, error: type[QKDError], where: str) -> Any:
    """Return the value that a JSON text says.

    Args:
        text: The text, UTF-8 where it is bytes.
        error: Class of the exception when something goes wrong.
        where: Where the text comes from, for the message.

    Raises:
        QKDError: As the class `error`, if it is no JSON, is nested deeper than `depth`, holds a whole number
            of more than `digits` digits, or a number that is not finite.
    """
    with guarded(error, f"{where} is not JSON"):
        value = json.loads(
            text, parse_constant=_no_constant, parse_int=_whole_number, parse_float=_finite_number
        )
        _items(value)
        return value


def parse_toml(text: str, error: type[QKDError], where: str) -> dict[str, Any]:
    """Return the table that a TOML text says.

    Args:
        text: The text.
        error: Class of the exception when something goes wrong.
        where: Where the text comes from, for the message.

    Raises:
        QKDError: As the class `error`, if it is no TOML, is nested deeper than `depth`, or holds a whole
            number of more than 64 bits or a NUL.
    """
    with guarded(error, f"{where} is not valid TOML"):
        depth = current_limits().depth
        # The parser's time grows with the square of a key's parts: 64 kB of them take 17 s.
        chain = rf"(?<![\w.-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{depth}}}"
        if re.search(chain, _QUOTED.sub("s", text)):
            raise ValueError(f"expected keys of at most {depth} parts (limits.depth), found more")
        table = tomllib.loads(text)
        for item in _items(table):
            if type(item) is int and not -_WORD <= item < _WORD:
                raise ValueError("expected whole numbers of 64 bits, found a longer one")
            if isinstance(item, str) and "\0" in item:
                raise ValueError(f"expected text without NUL, found {item[:40]!r}")
        return table


def check_path(text: str, error: type[QKDError], where: str) -> Path:
    """Return a path that a file or a setting names, with `~` and `~user` replaced.

    Args:
        text: The path as it stands there.
        error: Class of the exception when something goes wrong.
        where: Where it stands, for the message.

    Raises:
        QKDError: As the class `error`, if it is empty, holds a NUL, or names an unknown user.
    """
    with guarded(error, where):
        if not text or "\0" in text:
            raise ValueError(f"expected a path, found {text[:40]!r}")
        text.encode("utf-8")
        try:
            return Path(text).expanduser()
        except RuntimeError:
            raise ValueError(f"expected a path, found no home folder for {printable(text, 40)!r}") from None


class Unpacked:
    """Bytes of a file, unpacked only as far as wanted where they show that gzip has packed them."""

    def __init__(self, data: bytes, error: type[QKDError], where: str) -> None:
        """Begin at the first byte; nothing is unpacked yet.

        Args:
            data: The bytes of the file.
            error: Class of the exception when something goes wrong.
            where: The file, for messages.
        """
        self._error, self._where = error, where
        packed = data[:2] == _GZIP
        self._source: io.BytesIO | gzip.GzipFile = io.BytesIO(data)
        self._most, self._limit = len(data), "file_bytes"
        if packed:
            self._source = gzip.GzipFile(fileobj=io.BytesIO(data))
            self._most, self._limit = current_limits().unpacked_from(len(data))
        self._read = 0

    @property
    def bound(self) -> tuple[int, str]:
        """Most bytes that there may be, and the limit that says so: `file_bytes` where nothing is packed."""
        return self._most, self._limit

    def read(self, size: int | None = None) -> bytearray:
        """Return the next bytes: so many, or all; fewer where they end.

        Raises:
            QKDError: As the class that was given, if they are damaged, or more than the limits allow.
        """
        found = bytearray()
        with guarded(self._error, f"cannot read {self._where}"):
            while size is None or len(found) < size:
                piece = self._source.read(_PIECE if size is None else min(_PIECE, size - len(found)))
                if not piece:
                    break
                self._read += len(piece)
                if self._read > self._most:
                    raise ValueError(
                        f"expected at most {self._most} bytes unpacked (limits.{self._limit}), found more"
                    )
                found += piece
        return found


def _no_constant(text: str) -> float:
    raise ValueError(f"expected finite numbers, found {text}")


def _whole_number(text: str) -> int:
    digits = current_limits().digits
    if len(text) > digits:
        raise ValueError(
            f"expected whole numbers of at most {digits} digits (limits.digits), found {len(text)}"
        )
    return int(text)


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"expected finite numbers, found {printable(text, 40)}")
    return number


def _items(value: Any) -> list[Any]:
    """Return everything within a value that is no table and no list; refuse what is nested too deeply."""
    most = current_limits().depth
    plain: list[Any] = []
    level = [value]
    for depth in range(most + 1):
        within = [node for node in level if isinstance(node, dict | list)]
        plain += [node for node in level if not isinstance(node, dict | list)]
        if not within:
            break
        if depth == most:
            raise ValueError(f"expected at most {most} levels (limits.depth), found more")
        level = [item for node in within for item in (node.values() if isinstance(node, dict) else node)]
    return plain
