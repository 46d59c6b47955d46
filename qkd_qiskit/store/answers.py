"""Answers within a stage: what makes a killed training end where an uninterrupted one ends.

Every search here is deterministic, given its seed and the answers to its questions: losses of a swarm, loss
and gradient of a point, the outcome of a sub-swarm. Each answer is stored as soon as it is known. A resumed
training runs through the same code again and is given the stored answers, which takes next to no time; where
they end, it computes on. So one mechanism serves every algorithm, and none of them has to describe its own
state.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import StoreError
from qkd_qiskit.store.database import Database
from qkd_qiskit.store.sealing import pack, unpack

Arrays = tuple[FloatArray, ...]

_LOG = logging.getLogger(__name__)
_DIGEST_BYTES = 16


class AnswerLog:
    """Answers to the questions of one training, in the order of the questions.

    Each answer is a transaction, so a kill at any moment costs at most the one that was being computed.

    Attributes:
        replayed: Answers taken from the database so far.
        computed: Answers computed so far.
    """

    def __init__(
        self,
        folder: Path | None = None,
        fingerprint: str = "",
        *,
        key: str = "training",
        resume: bool = False,
    ) -> None:
        """Open the answers of a training.

        Args:
            folder: Folder of the database; None writes nothing.
            fingerprint: Identifies everything that the answers depend on besides the questions.
            key: Place of the training.
            resume: Whether to take the written answers with this fingerprint; otherwise they are deleted.

        Raises:
            StoreError: If the database cannot be read or written.
        """
        self.replayed = self.computed = 0
        self._known: Iterator[tuple[bytes, Arrays]] = iter(())
        self._place = (fingerprint, key)
        self._database = None if folder is None else Database(folder)
        try:
            if resume:
                self._known = iter(self._stored())
            else:
                self._delete()
        except BaseException:
            self.close()
            raise

    def answer(self, question: FloatArray, compute: Callable[[], Arrays]) -> Arrays:
        """Return the stored answer to a question, or a computed one, which is then stored.

        Args:
            question: What the answer depends on; only its digest is kept.
            compute: Finds the answer: float arrays.

        Raises:
            StoreError: If the database holds the answer to another question, or cannot be written.
        """
        digest = hashlib.blake2b(
            repr(question.shape).encode() + np.ascontiguousarray(question, dtype=np.float64).tobytes(),
            digest_size=_DIGEST_BYTES,
        ).digest()
        known = next(self._known, None)
        if known is not None:
            if known[0] != digest:
                assert self._database is not None
                raise StoreError(
                    f"{self._place[1]} in {self._database.path}: expected the answer to question "
                    f"{self.replayed + 1}, found another one, which another machine or version has stored; "
                    "run without --resume"
                )
            self.replayed += 1
            return known[1]
        arrays = compute()
        if self._database is not None:
            # A worker of a killed run may still have stored the same answer.
            self._database.execute(
                "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?)",
                *(*self._place, self.replayed + self.computed, digest),
                pack(*(np.asarray(array, dtype=np.float64) for array in arrays), about=digest),
            )
        self.computed += 1
        return arrays

    def close(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def remove(self) -> None:
        """Delete the answers and close the database: for a training whose result is stored elsewhere."""
        self._delete()
        self.close()

    def __enter__(self) -> Self:
        """Return the log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database; the answers stay, for a training that has not ended."""
        self.close()

    def _stored(self) -> list[tuple[bytes, Arrays]]:
        """Return questions and answers up to the first damaged one; those from there on are deleted."""
        if self._database is None:
            return []
        found: list[tuple[bytes, Arrays]] = []
        rows = self._database.rows(
            "SELECT position, question, data FROM answer WHERE fingerprint = ? AND key = ? ORDER BY position",
            *self._place,
        )
        try:
            for position, question, data in rows:
                if position != len(found):
                    raise ValueError(f"expected answer {len(found)}, found {position!r}")
                found.append((question, unpack(data, about=question)))
        except (TypeError, ValueError) as error:
            _LOG.warning(
                "%s in %s: answers from %d on are damaged (%s); they are computed anew",
                *(self._place[1], self._database.path, len(found) + 1, error),
            )
            self._delete()
            self._database.insert(
                "INSERT INTO answer VALUES (?, ?, ?, ?, ?)",
                ((*self._place, *row) for row in rows[: len(found)]),
            )
        return found

    def _delete(self) -> None:
        if self._database is not None:
            self._database.execute("DELETE FROM answer WHERE fingerprint = ? AND key = ?", *self._place)
