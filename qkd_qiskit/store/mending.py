"""A damaged database is made anew from the rows that can be read; the damaged file is kept beside it."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qkd_qiskit.errors import StoreError
from qkd_qiskit.store.database import BUSY_SECONDS, DATABASE_FILE, SCHEMA_VERSION, Database, check_schema
from qkd_qiskit.store.guard import guarded

DAMAGED_ENDING = ".damaged"

_LOG = logging.getLogger(__name__)
_BESIDE = ("-wal", "-shm")
# More row numbers than a few pages hold.
_MOST_MISSES = 400
_KINDS: dict[str, tuple[type, ...]] = {
    "TEXT": (str,),
    "BLOB": (bytes,),
    "INTEGER": (int,),
    "REAL": (float, int),
}
_PAGE = 4096
# Another process, missing rights or a full disk.
_NO_DAMAGE = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
)

_Row = tuple[Any, ...]


def mend_database(folder: Path, *, begin_anew: bool = False) -> None:
    """Check the database of a folder, and replace a damaged one by what can be read of it.

    A warning names how many rows of which tables were kept and which tables have lost some. The caller holds
    the folder's lock.

    Args:
        folder: Folder of the database; nothing happens where there is none.
        begin_anew: Whether a file of which nothing can be read is replaced by an empty one, as where all that
            it held can be made again.

    Raises:
        StoreError: If nothing can be read of a damaged file, it holds tables of another program, or the new
            file cannot be written.
    """
    path = folder / DATABASE_FILE
    if not path.exists() or not path.stat().st_size or _is_sound(path):
        return
    with guarded(StoreError, f"cannot mend {path}"), tempfile.TemporaryDirectory(dir=folder) as place:
        kept, lost = _copy_rows(path, Path(place))
        if not any(kept.values()) and not begin_anew:
            raise StoreError(
                f"cannot use {path}: expected a file of this program, found nothing in it that can be read; "
                "move it away to begin anew"
            )
        for ending in ("", *_BESIDE):
            if Path(f"{path}{ending}").exists():
                shutil.copyfile(f"{path}{ending}", f"{path}{DAMAGED_ENDING}{ending}")
        # A journal of the old file must never be applied to the new one.
        for ending in _BESIDE:
            Path(f"{path}{ending}").unlink(missing_ok=True)
        (Path(place) / DATABASE_FILE).replace(path)
    _LOG.warning(
        "%s was damaged: kept %s; lost rows of %s; the damaged file is kept as %s",
        path,
        ", ".join(f"{number} of {table}" for table, number in kept.items() if number) or "nothing",
        ", ".join(lost) or "no table",
        f"{path.name}{DAMAGED_ENDING}",
    )


def _is_sound(path: Path) -> bool:
    """Return whether a file is a whole database of this program, or one of another version."""
    with path.open("rb") as file:
        header = file.read(100)
    # Files of an unknown format can be read, but never written.
    if header[18:20] not in (b"\1\1", b"\2\2"):
        return False
    try:
        with contextlib.closing(_opened(path)) as connection:
            ((version,),) = connection.execute("PRAGMA user_version").fetchall()
            if version == SCHEMA_VERSION:
                check_schema(connection, path)
                return bool(connection.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)])
            return bool(version)
    except (StoreError, UnicodeError):
        # SQLite's own messages quote what it cannot read.
        return False
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF in _NO_DAMAGE:
            raise StoreError(f"cannot use {path}: {error}") from None
        return False


def _copy_rows(path: Path, place: Path) -> tuple[dict[str, int], list[str]]:
    """Return how many rows of each table were copied into a new database, and the tables that lost some."""
    source = place / "source"
    for ending in ("", *_BESIDE[:1]):
        if Path(f"{path}{ending}").exists():
            shutil.copyfile(f"{path}{ending}", f"{source}{ending}")
    kept: dict[str, int] = {}
    lost = []
    with Database(place) as target:
        target.execute("PRAGMA journal_mode = DELETE")
        tables = [name for (name,) in target.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if not _opens(source):
            _replace_first_page(source, place / DATABASE_FILE)
        with contextlib.closing(_opened(source)) as connection, target.transaction():
            for table in tables:
                columns = [(name, kind) for _, name, kind, *_ in target.rows(f"PRAGMA table_info({table})")]
                walk = _Walk(connection, table, [name for name, _ in columns])
                rows = [row for row in walk.rows() if _fits(row, [kind for _, kind in columns])]
                marks = ", ".join("?" * len(columns))
                target.insert(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)
                ((kept[table],),) = target.rows(f"SELECT count(*) FROM {table}")
                if walk.damaged or len(rows) < walk.found:
                    lost.append(table)
    return kept, lost


class _Walk:
    """All rows of a table that can be read, in the order of their row numbers.

    Attributes:
        damaged: Whether a part of the table cannot be read.
        found: Rows that were read.
    """

    def __init__(self, connection: sqlite3.Connection, table: str, columns: list[str]) -> None:
        self._connection = connection
        self._select = f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED WHERE rowid"
        self.damaged = False
        self.found = 0

    def rows(self) -> list[_Row]:
        """Walk upwards to the first damage, downwards to the last one, and try the numbers between."""
        low, high = -(2**63), 2**63 - 1
        upwards = list(self._steps("> ? ORDER BY rowid", low))
        found = {row[0]: row[1:] for row in upwards}
        if self.damaged:
            low = upwards[-1][0] if upwards else 0
            for row in self._steps("< ? ORDER BY rowid DESC", high):
                if row[0] <= low or row[0] in found:
                    break
                found[row[0]] = row[1:]
            end = min((number for number in found if number > low), default=high)
            number, missed = low + 1, 0
            while number < end and missed < _MOST_MISSES:
                rows = self._read("= ?", number)
                found.update((row[0], row[1:]) for row in rows)
                number, missed = number + 1, 0 if rows else missed + 1
        self.found = len(found)
        return [found[number] for number in sorted(found)]

    def _steps(self, condition: str, start: int) -> Iterator[_Row]:
        number, up = start, start < 0
        while rows := self._read(condition, number):
            found = rows[0][0]
            if (found <= number) if up else (found >= number):
                # Pages out of order lead around in circles.
                self.damaged = True
                return
            yield rows[0]
            number = found

    def _read(self, condition: str, number: int) -> list[_Row]:
        try:
            return self._connection.execute(f"{self._select} {condition} LIMIT 1", (number,)).fetchall()
        except (sqlite3.Error, UnicodeError):
            self.damaged = True
            return []


def _fits(row: _Row, kinds: list[str]) -> bool:
    """Return whether each value has its column's type; the new table itself refuses missing ones."""
    return all(
        value is None or isinstance(value, _KINDS[kind]) for value, kind in zip(row, kinds, strict=True)
    )


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)


def _opens(path: Path) -> bool:
    try:
        with contextlib.closing(_opened(path)) as connection:
            check_schema(connection, path)
    except (sqlite3.Error, StoreError, UnicodeError):
        return False
    return True


def _replace_first_page(path: Path, template: Path) -> None:
    """Put a new database's first page, which says where tables begin, into a file that has lost its own.

    Tables are made in one order by one transaction, so they begin on the same pages in every file.
    """
    page = bytearray(template.read_bytes()[:_PAGE])
    with path.open("r+b") as file:
        size = file.seek(0, 2) // _PAGE
        page[28:32] = max(size, 1).to_bytes(4, "big")
        page[32:40] = bytes(8)
        file.seek(0)
        file.write(page)
