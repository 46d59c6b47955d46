"""Checksums of the ledger's rows: a flipped bit in a state, a range or a price is seen as damage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from qkd_qiskit.runtime.batch import Batch
from qkd_qiskit.store.database import Database

BATCH_FIELDS = ", ".join(Batch.__dataclass_fields__)
SUBMISSION, FORMER, FORMER_CHARGE = "submission", "former", "former_charge"

_TABLE = (
    "CREATE TABLE IF NOT EXISTS ledger_seal (submission TEXT NOT NULL, place TEXT NOT NULL, "
    "digest TEXT NOT NULL, PRIMARY KEY (submission, place))"
)
# Arrays and circuits have checksums of their own.
_QUERIES = {
    SUBMISSION: "SELECT id, created, backend, settings FROM submission WHERE id = ?",
    FORMER: "SELECT submission, job_id FROM former WHERE submission = ? ORDER BY rowid",
    FORMER_CHARGE: "SELECT submission, seconds FROM former_charge WHERE submission = ? ORDER BY rowid",
}
_BATCHES = f"SELECT {BATCH_FIELDS} FROM batch WHERE submission = ? ORDER BY number"
_NUMBER = list(Batch.__dataclass_fields__).index("number")
_DIGEST_BYTES = 16


def batch_place(number: object) -> str:
    """Return under which name the row of a batch is sealed."""
    return f"batch {number}"


class RowSeals:
    """What the rows of each submission were when they were last written.

    Submissions of earlier versions have no seal until something of theirs is written: they are taken as they
    are. Of all others a row without a seal, and a seal without a row, are damage too.
    """

    def __init__(self, database: Database) -> None:
        """Open the seals of a ledger, and make their table where an earlier version has made none."""
        self._database = database
        database.execute(_TABLE)

    def write(self, submission: str, *places: str) -> None:
        """Seal rows that were just written; the caller has a transaction open.

        Args:
            submission: Name of the submission.
            places: `SUBMISSION`, `FORMER`, `FORMER_CHARGE`, or what `batch_place` gives. Of a submission
                without seals everything is sealed.
        """
        found = self._digests(submission)
        wanted = places if self._sealed(submission) else found
        self._database.insert(
            "INSERT OR REPLACE INTO ledger_seal VALUES (?, ?, ?)",
            [(submission, place, found[place]) for place in wanted if place in found],
        )

    def damaged(self, submission: str) -> frozenset[str]:
        """Return the places of a submission whose rows are not what was sealed."""
        sealed = self._sealed(submission)
        if not sealed:
            return frozenset()
        found = self._digests(submission)
        return frozenset(
            place for place in found.keys() | sealed.keys() if found.get(place) != sealed.get(place)
        )

    def forget(self, submission: str, place: str) -> None:
        """Drop the seal of rows that are deleted; the caller has a transaction open."""
        self._database.execute(
            "DELETE FROM ledger_seal WHERE submission = ? AND place = ?", submission, place
        )

    def submissions(self) -> frozenset[str]:
        """Return the names of all submissions that are sealed."""
        query = "SELECT submission FROM ledger_seal WHERE place = ?"
        return frozenset(name for (name,) in self._database.rows(query, SUBMISSION))

    def _sealed(self, submission: str) -> dict[str, str]:
        query = "SELECT place, digest FROM ledger_seal WHERE submission = ?"
        return dict(self._database.rows(query, submission))

    def _digests(self, submission: str) -> dict[str, str]:
        found = {place: _digest(self._database.rows(query, submission)) for place, query in _QUERIES.items()}
        for row in self._database.rows(_BATCHES, submission):
            found[batch_place(row[_NUMBER])] = _digest([row])
        return found


def _digest(rows: Iterable[Sequence[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for row in rows:
        digest.update(repr(tuple(row)).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
