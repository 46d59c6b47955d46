"""Whatever goes wrong with something from elsewhere becomes one clear line of an error class of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qkd_qiskit.errors import QKDError
from qkd_qiskit.text import printable


def why(failure: BaseException) -> str:
    """Return the reason of a failure as one line."""
    if isinstance(failure, MemoryError):
        return "it does not fit into the memory"
    if isinstance(failure, RecursionError):
        return "it is nested too deeply"
    if isinstance(failure, UnicodeError):
        return "not UTF-8 text"
    if isinstance(failure, OSError) and failure.strerror:
        return printable(failure.strerror)
    if isinstance(failure, KeyError) and failure.args:
        return f"{printable(failure.args[0])} is missing"
    # Libraries go on about their own settings in later lines.
    lines = str(failure).split("\n", 1)
    return printable(lines[0]) or type(failure).__name__


@contextmanager
def guarded(error: type[QKDError], doing: str, *, keep: type[QKDError] | None = None) -> Iterator[None]:
    """Turn every exception of a block or of a decorated function into one line of an error class of ours.

    Damage shows in more ways than any list of exceptions holds: libraries raise what they were written with.

    Args:
        error: Class of the new exception; those of this class pass as they are.
        doing: Words that open the message, with the place: `cannot read model.npz`.
        keep: Another class whose exceptions pass as they are.
    """
    try:
        yield
    except Exception as failure:
        if isinstance(failure, error if keep is None else (error, keep)):
            raise
        raise error(f"{printable(doing)}: {why(failure)}") from failure
