"""A journal of finished steps of work: what makes a killed training end where an uninterrupted one ends.

Every search here is deterministic, given its seed and the answers to its questions: losses of a swarm, loss
and gradient of a point, the outcome of a sub-swarm. The journal writes each answer down as soon as it is
known. A resumed training runs through the same code again and is given the written answers, which takes
next to no time; where they end, it computes on. So one mechanism serves every algorithm, and none of them
has to describe its own state.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import TrainingError

Arrays = tuple[FloatArray, ...]

_MAGIC = b"QKDJ1\n"
_FRAME = struct.Struct("<II")
_DIGEST_BYTES = 16
_LONGEST = 2**31
# A kill loses nothing that was written; only a crash of the whole machine needs the disk, and may lose this.
_SYNC_SECONDS = 5.0


class Journal:
    """Answers to the questions of one training, in the order in which they were asked.

    Records are framed with length and checksum and written at once, so a kill at any moment costs at most
    the answer that was being computed. A torn record at the end is cut off.

    Attributes:
        replayed: Answers taken from the file so far.
        computed: Answers computed so far.
    """

    def __init__(self, path: Path | None = None, fingerprint: str = "", *, resume: bool = False) -> None:
        """Open a journal.

        Args:
            path: The file; None writes nothing.
            fingerprint: Identifies everything that the answers depend on besides the questions. A file with
                another fingerprint is begun anew.
            resume: Whether to take answers from an existing file; otherwise it is begun anew.

        Raises:
            TrainingError: If the file cannot be read or written.
        """
        self.replayed = self.computed = 0
        self._known: Iterator[tuple[bytes, Arrays]] = iter(())
        self._file: BinaryIO | None = None
        self._path = path
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes() if resume and path.exists() else b""
            head = _MAGIC + _framed(fingerprint.encode())
            records: list[tuple[bytes, Arrays]] = []
            end = len(head)
            if content.startswith(head):
                records, end = _records(content, len(head))
            self._file = path.open("r+b" if content.startswith(head) else "wb", buffering=0)
            if not content.startswith(head):
                self._file.write(head)
            self._file.truncate(end)
            self._file.seek(end)
        except OSError as error:
            raise TrainingError(f"journal {path}: {error.strerror or error}") from None
        self._known = iter(records)
        self._synced = time.monotonic()

    def answer(self, question: FloatArray, compute: Callable[[], Arrays]) -> Arrays:
        """The written answer to a question, or a computed one, which is then written.

        Args:
            question: What the answer depends on; only its digest is kept.
            compute: Finds the answer: float arrays.

        Raises:
            TrainingError: If the file holds the answer to another question, or cannot be written.
        """
        digest = hashlib.blake2b(
            repr(question.shape).encode() + np.ascontiguousarray(question, dtype=np.float64).tobytes(),
            digest_size=_DIGEST_BYTES,
        ).digest()
        known = next(self._known, None)
        if known is not None:
            if known[0] != digest:
                raise TrainingError(
                    f"journal {self._path}: expected the answer to question {self.replayed + 1}, "
                    "found another one, which another machine or version has asked; run without --resume"
                )
            self.replayed += 1
            return known[1]
        arrays = compute()
        self.computed += 1
        if self._file is not None:
            self._write(self._file, digest, arrays)
        return arrays

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Close the file and delete it: for a training whose result is stored elsewhere."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """The journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; it stays, for a training that has not ended."""
        self.close()

    def _write(self, file: BinaryIO, digest: bytes, arrays: Arrays) -> None:
        buffer = io.BytesIO()
        buffer.write(digest)
        for array in arrays:
            np.save(buffer, np.asarray(array, dtype=np.float64), allow_pickle=False)
        try:
            file.write(_framed(buffer.getvalue()))
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise TrainingError(f"journal {self._path}: {error.strerror or error}") from None


def _framed(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _records(content: bytes, start: int) -> tuple[list[tuple[bytes, Arrays]], int]:
    """All whole records from `start`, and where they end."""
    records = []
    while len(content) - start >= _FRAME.size:
        size, checksum = _FRAME.unpack_from(content, start)
        payload = content[start + _FRAME.size : start + _FRAME.size + size]
        if size > _LONGEST or len(payload) < size or zlib.crc32(payload) != checksum:
            break
        buffer = io.BytesIO(payload)
        digest = buffer.read(_DIGEST_BYTES)
        arrays = []
        while buffer.tell() < size:
            arrays.append(np.load(buffer, allow_pickle=False))
        records.append((digest, tuple(arrays)))
        start += _FRAME.size + size
    return records, start
