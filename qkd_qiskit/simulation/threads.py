"""How many threads the exact simulation may use: set once for a block of work, read by all evaluators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

from qkd_qiskit.errors import SimulationError

_THREADS: ContextVar[int | None] = ContextVar("threads", default=None)


class _SharedLimit:
    """The limit of BLAS, which is the process's: the first to ask sets it, the last to end takes it back."""

    def __init__(self) -> None:
        self._lock, self._holders = Lock(), 0
        self._limiter: Any = None

    def take(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._limiter = _blas().limit(limits=1)
            self._holders += 1

    def leave(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._limiter.restore_original_limits()


_LIMIT = _SharedLimit()


@cache
def _blas() -> ThreadpoolController:
    """Return the BLAS libraries, SciPy's own too. PERF: to look for them takes half a millisecond."""
    import_module("scipy.linalg")
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread, in the whole process, until the last of those who ask for it has ended.

    The engine's matrices are small: more threads of BLAS take twice as long, disturb other processes, and
    round otherwise. It decorates functions too. Threads and nested calls may overlap.
    """
    _LIMIT.take()
    try:
        yield
    finally:
        _LIMIT.leave()


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
