"""A damaged database is made anew from what can be read of it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.errors import StoreError
from qkd_qiskit.store.database import DATABASE_FILE, Database
from qkd_qiskit.store.mending import DAMAGED_ENDING, mend_database
from qkd_qiskit.store.sealing import pack

PAGE = 4096
ANSWERS = 400


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 400 answers and one job, all of it in the one file."""
    folder = tmp_path_factory.mktemp("whole")
    with Database(folder) as database, database.transaction():
        database.insert(
            "INSERT INTO answer VALUES ('f', 'k', ?, ?, ?)",
            ((number, b"q" * 16, pack(np.full(40, number))) for number in range(ANSWERS)),
        )
        database.execute("INSERT INTO submission VALUES ('paid', '', '', '', x'', x'', x'')")
    with sqlite3.connect(folder / DATABASE_FILE) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / DATABASE_FILE


def leaf_pages(content: bytes) -> list[int]:
    """Places of the pages that hold rows of tables, the first page aside."""
    return [place for place in range(PAGE, len(content), PAGE) if content[place] == 0x0D]


def damaged(whole: Path, folder: Path, place: int, patch: bytes) -> Path:
    shutil.copy(whole, folder)
    with (folder / DATABASE_FILE).open("r+b") as file:
        file.seek(place)
        file.write(patch)
    return folder


def test_where_all_can_be_made_again_a_file_without_rows_is_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = b"no database at all" * 1000
    (tmp_path / DATABASE_FILE).write_bytes(content)
    with pytest.raises(StoreError, match="found nothing in it that can be read"):
        mend_database(tmp_path)
    assert (tmp_path / DATABASE_FILE).read_bytes() == content
    mend_database(tmp_path, begin_anew=True)
    assert "was damaged: kept nothing" in caplog.text
    assert (tmp_path / f"{DATABASE_FILE}{DAMAGED_ENDING}").read_bytes() == content
    assert answers(tmp_path) == []


def answers(folder: Path) -> list[int]:
    with Database(folder) as database:
        return [number for (number,) in database.rows("SELECT position FROM answer ORDER BY position")]


def test_a_whole_file_and_none_stay_as_they_are(whole: Path, tmp_path: Path) -> None:
    mend_database(tmp_path)
    assert not list(tmp_path.iterdir())
    shutil.copy(whole, tmp_path)
    mend_database(tmp_path)
    assert (tmp_path / DATABASE_FILE).read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("which", ["first", "middle", "last"])
def test_rows_of_other_pages_are_kept(
    which: str, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pages = leaf_pages(whole.read_bytes())
    rows = [place for place in pages if b"QKD-ARR1" in whole.read_bytes()[place : place + PAGE]]
    place = {"first": rows[0], "middle": rows[len(rows) // 2], "last": rows[-1]}[which]
    mend_database(damaged(whole, tmp_path, place, b"\xff" * 64))
    kept = answers(tmp_path)
    # A page holds about ten of these rows.
    assert ANSWERS - 12 <= len(kept) < ANSWERS
    with Database(tmp_path) as database:
        assert database.rows("PRAGMA integrity_check") == [("ok",)]
        assert database.rows("SELECT id FROM submission") == [("paid",)]
        found = dict(database.rows("SELECT position, data FROM answer"))
    assert all(found[number] == pack(np.full(40, number)) for number in kept)
    assert f"{DATABASE_FILE} was damaged: kept {len(kept)} of answer, 1 of submission" in caplog.text
    assert "lost rows of answer" in caplog.text
    assert (tmp_path / f"{DATABASE_FILE}{DAMAGED_ENDING}").stat().st_size == whole.stat().st_size
    mend_database(tmp_path)
    assert answers(tmp_path) == kept


@pytest.mark.parametrize(
    ("place", "patch"),
    [
        (0, b"\xff" * 100),
        (0, b"\xff" * PAGE),
        (18, b"\x07"),
        (16, b"\x02\x00"),
        (PAGE - 300, b"\xff" * 40),
    ],
    ids=["header", "first page", "format", "page size", "a table's statement"],
)
def test_a_file_whose_first_page_is_gone_loses_no_row(
    place: int, patch: bytes, whole: Path, tmp_path: Path
) -> None:
    mend_database(damaged(whole, tmp_path, place, patch))
    assert answers(tmp_path) == list(range(ANSWERS))


def test_rows_that_are_still_in_the_journal_are_kept(whole: Path, tmp_path: Path) -> None:
    damaged(whole, tmp_path, 0, b"")
    database = Database(tmp_path)
    database.execute("INSERT INTO answer VALUES ('f', 'k', 1000, x'', x'')")
    # As after a kill: the journal is left behind.
    for ending in ("", "-wal"):
        shutil.copy(f"{tmp_path / DATABASE_FILE}{ending}", f"{tmp_path / 'held'}{ending}")
    database.close()
    for ending in ("", "-wal"):
        shutil.move(f"{tmp_path / 'held'}{ending}", f"{tmp_path / DATABASE_FILE}{ending}")
    rows = [p for p in leaf_pages(whole.read_bytes()) if b"QKD-ARR1" in whole.read_bytes()[p : p + PAGE]]
    with (tmp_path / DATABASE_FILE).open("r+b") as file:
        file.seek(rows[3])
        file.write(b"\xff" * 64)
    mend_database(tmp_path)
    assert answers(tmp_path)[-1] == 1000
    assert not Path(f"{tmp_path / DATABASE_FILE}-wal").exists()


def test_values_of_the_wrong_type_are_left_out(whole: Path, tmp_path: Path) -> None:
    damaged(whole, tmp_path, 0, b"")
    with Database(tmp_path) as database:
        database.execute("UPDATE answer SET data = 'text' WHERE position = 7")
    # Damage elsewhere, so that the file is made anew.
    index = next(p for p in range(PAGE, whole.stat().st_size, PAGE) if whole.read_bytes()[p] == 0x0A)
    with (tmp_path / DATABASE_FILE).open("r+b") as file:
        file.seek(index)
        file.write(b"\xff" * 64)
    mend_database(tmp_path)
    assert answers(tmp_path) == [number for number in range(ANSWERS) if number != 7]


@pytest.mark.parametrize(
    "content", [b"no database at all" * 1000, b"\xff" * (5 * PAGE), b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_without_anything_to_keep_is_refused_and_left_alone(content: bytes, tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(content)
    with pytest.raises(StoreError, match=r"cannot use .*run.sqlite: .* nothing in it that can be read"):
        mend_database(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [DATABASE_FILE]
    assert (tmp_path / DATABASE_FILE).read_bytes() == content


def test_a_view_in_the_place_of_a_table_is_never_read(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / DATABASE_FILE) as connection:
        connection.execute(
            "CREATE VIEW answer AS SELECT 'f' AS fingerprint, 'k' AS key, 0 AS position, "
            "x'' AS question, zeroblob(1000000000) AS data"
        )
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(StoreError, match="expected the tables of this program, found 'answer'"):
        Database(tmp_path)
    with pytest.raises(StoreError, match="nothing in it that can be read"):
        mend_database(tmp_path)


def test_a_file_of_another_version_is_left_to_that_version(whole: Path, tmp_path: Path) -> None:
    damaged(whole, tmp_path, 60, (9).to_bytes(4, "big"))
    mend_database(tmp_path)
    with pytest.raises(StoreError, match="expected schema 1, found 9"):
        Database(tmp_path)


def test_another_process_is_no_damage(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged(whole, tmp_path, 0, b"")
    monkeypatch.setattr("qkd_qiskit.store.mending.BUSY_SECONDS", 0.0)
    other = sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="cannot use .*locked"):
        mend_database(tmp_path)
    other.close()


def test_pages_that_lead_around_in_circles_end(whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes()
    rows = [place for place in leaf_pages(content) if b"QKD-ARR1" in content[place : place + PAGE]]
    mend_database(damaged(whole, tmp_path, rows[5], content[rows[2] : rows[2] + PAGE]))
    kept = answers(tmp_path)
    assert ANSWERS - 12 <= len(kept) < ANSWERS
