"""Files while the process is short of descriptors: strangers may use them up, and they come back."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from qkd_qiskit.errors import QKDError

T = TypeVar("T")

_PATIENCE = 60.0
_PAUSE = 0.2
_SHORTAGES = (errno.EMFILE, errno.ENFILE)


def when_readable(read: Callable[[], T], *, patience: float = _PATIENCE) -> T:
    """Return what a call reads from files; while there are no descriptors, try again.

    Args:
        read: The call.
        patience: Seconds after which a shortage is an error.

    Raises:
        OSError: If a file cannot be read for another reason, or the shortage lasts.
        QKDError: As a guarded reader raises it, for the same reasons.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return read()
        except (OSError, QKDError) as error:
            # Guarded readers name what has failed, and keep the failure as its cause.
            failure = error if isinstance(error, OSError) else error.__cause__
            short = isinstance(failure, OSError) and failure.errno in _SHORTAGES
            if not short or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)
