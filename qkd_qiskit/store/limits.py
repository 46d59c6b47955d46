"""How much a file from elsewhere may ask for: bytes, bytes unpacked, values, depth and digits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

ALWAYS_UNPACKED = 2**24
"""Bytes that a file may unpack to whatever its ratio: small tables of equal values pack very well."""


@dataclass(frozen=True)
class FileLimits:
    """Bounds of what is read; each is positive, and named in the message of a refusal as `limits.NAME`.

    Attributes:
        file_bytes: Bytes of a file.
        unpacked_bytes: Bytes that all parts of a packed file may unpack to together.
        ratio: Bytes unpacked for each byte given, above 16 MiB unpacked. Images pack 2 to 10 times.
        members: Files in an archive.
        values: Numbers or texts in an array or a table; numbers take 8 bytes each once they are features.
        text_bytes: Bytes of a settings file, a device's descriptor or a JSON file.
        depth: Tables and lists within each other in TOML and JSON.
        digits: Digits of a whole number in JSON; in TOML numbers have 64 bits.
    """

    file_bytes: int = 2**30
    unpacked_bytes: int = 2**30
    ratio: int = 100
    members: int = 256
    values: int = 2**28
    text_bytes: int = 2**24
    depth: int = 64
    digits: int = 300

    def unpacked_from(self, given: int) -> tuple[int, str]:
        """Return how many bytes some packed bytes may unpack to, and the name of the limit that says so."""
        by_ratio = max(ALWAYS_UNPACKED, self.ratio * given)
        if by_ratio < self.unpacked_bytes:
            return by_ratio, "ratio"
        return self.unpacked_bytes, "unpacked_bytes"


_CURRENT: ContextVar[FileLimits] = ContextVar("limits of files")
_DEFAULT = FileLimits()


def current_limits() -> FileLimits:
    """Return the limits that readers keep to here: those of `use_limits`, or the default ones."""
    return _CURRENT.get(_DEFAULT)


@contextmanager
def use_limits(**limits: int | None) -> Iterator[FileLimits]:
    """Let all readers keep to other limits within a block.

    Args:
        **limits: Fields of `FileLimits`; those left out, or None, stay as they are.

    Yields:
        The limits of the block.
    """
    token = _CURRENT.set(
        replace(current_limits(), **{name: value for name, value in limits.items() if value is not None})
    )
    try:
        yield _CURRENT.get()
    finally:
        _CURRENT.reset(token)
