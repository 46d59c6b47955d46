"""The clock of the bench."""

from __future__ import annotations

import os
import time


def seconds() -> float:
    """Tell the processor's seconds where this process is kept on one core, else those on the wall.

    On one core the two are equal on an idle machine, and what else runs on a busy one does not count.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return time.process_time() if cores == 1 else time.perf_counter()
