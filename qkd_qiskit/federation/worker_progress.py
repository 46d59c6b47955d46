"""Progress of worker processes, brought to the process that shows it.

Every worker appends lines to a file of its own, and a thread reads them: no server, nothing to unpickle, and
a worker that is killed leaves nothing behind but a half-written line, which is not read.
"""

from __future__ import annotations

import json
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from qkd_qiskit.errors import StoreError
from qkd_qiskit.progress import Progress
from qkd_qiskit.store import added_lines, parse_json

_POLL_SECONDS = 0.1


class FileProgress:
    """Writes progress down, in a worker."""

    def __init__(self, path: Path) -> None:
        """Append to a file.

        Args:
            path: The file, which no other process writes.
        """
        self._path = path

    def start(self, label: str, total: int | None = None) -> None:
        """Announce a piece of work of `total` steps."""
        self._write("start", label, total)

    def advance(self, label: str, n: int = 1) -> None:
        """Report `n` finished steps."""
        self._write("advance", label, n)

    def done(self, label: str) -> None:
        """Report the end of a work."""
        self._write("done", label, None)

    def _write(self, *event: object) -> None:
        # A worker goes on where nobody can be told how far it is.
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


class WorkerProgress:
    """Reads what workers write, in the process that started them; a context manager."""

    def __init__(self, progress: Progress) -> None:
        """Prepare a folder for the files of the workers.

        Args:
            progress: Shows everything that workers report.
        """
        self._progress = progress
        self._folder = tempfile.TemporaryDirectory(prefix="qkd-progress-", ignore_cleanup_errors=True)
        self._read: dict[Path, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def path(self, number: int) -> Path:
        """Return the file of one worker."""
        return Path(self._folder.name) / f"{number}.jsonl"

    def __enter__(self) -> Self:
        """Start listening."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Pass on what is left, and stop."""
        self._over.set()
        self._thread.join()
        self._folder.cleanup()

    def _listen(self) -> None:
        over = False
        while not over:
            over = self._over.wait(_POLL_SECONDS)
            # Descriptors may run out for a while, and what is not read now is read later.
            with suppress(OSError, StoreError):
                self._pass_on()

    def _pass_on(self) -> None:
        for path in sorted(Path(self._folder.name).iterdir()):
            lines, self._read[path] = added_lines(path, StoreError, self._read.get(path, 0))
            for line in lines:
                what, label, number = parse_json(line, StoreError, str(path))
                if what == "start":
                    self._progress.start(label, number)
                elif what == "advance":
                    self._progress.advance(label, number)
                else:
                    self._progress.done(label)
