"""How many threads the exact simulation may use: set once for a block of work, read by all evaluators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from qkd_qiskit.errors import SimulationError

_THREADS: ContextVar[int | None] = ContextVar("threads", default=None)


def engine_threads() -> int:
    """Return the number of threads that the surrounding `use_threads` allows; 1 without one."""
    return _THREADS.get() or 1


@contextmanager
def use_threads(count: int) -> Iterator[int]:
    """Let exact evaluators share their work among threads; results do not depend on their number.

    Inside another one the smaller number counts, so that a worker process stays within its share.

    Args:
        count: Threads, at least 1.

    Yields:
        The number that counts.

    Raises:
        SimulationError: If it is no whole number, or below 1.
    """
    if not isinstance(count, int) or count < 1:
        raise SimulationError(f"expected a number of threads of at least 1, found {count!r}")
    allowed = min(count, _THREADS.get() or count)
    token = _THREADS.set(allowed)
    try:
        yield allowed
    finally:
        _THREADS.reset(token)
