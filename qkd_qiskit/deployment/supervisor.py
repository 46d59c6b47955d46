"""Run a command that ends, with all that it started, when whoever started it ends.

Run by its path, with the command as arguments: only the standard library, nothing to import, fast. When the
other end of standard input is closed, be it that the other side was killed, the command is asked to end, and
after a grace everything that is left is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE = 8.0
_POLL = 0.1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parents end, where the system can do so (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """Process ids of all direct children, adopted ones included; empty where there is no /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name in the second field may hold spaces; the parent is the second field behind it.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(stat.parent.name))
    return found


def signal_all(number: int, first: subprocess.Popen[bytes]) -> None:
    """Send a signal to the command, its process group, and all adopted children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(first.pid, number)
    for child in children():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, number)


def reap() -> None:
    """Bury dead children, adopted ones too."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end(first: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """Ask everything to end, wait, and kill what is left."""
    deadline = time.monotonic() + grace
    signal_all(signal.SIGTERM, first)
    while (first.poll() is None or children()) and time.monotonic() < deadline:
        time.sleep(_POLL)
    while first.poll() is None or children():
        signal_all(signal.SIGKILL, first)
        time.sleep(_POLL)
        reap()


def main(command: list[str]) -> int:
    """Run the command until it ends or the input is closed; its exit status, 1 where a signal ended it."""
    adopt_orphans()
    # A terminal's interrupt is for whoever started this, who then closes the input. Handlers, because
    # the command would inherit it if the signals were ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    first = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    stdin = sys.stdin.fileno()
    while first.poll() is None:
        ready, _, _ = select.select([stdin], [], [], _POLL)
        if ready and not os.read(stdin, 4096):
            break
    status = first.poll()
    end(first)
    return 0 if status is None else max(status, 0) or int(status < 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
