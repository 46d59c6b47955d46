"""The file of a folder: transactions, processes side by side, damage, and the folder's lock."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qkd_qiskit.errors import StoreError
from qkd_qiskit.store.database import DATABASE_FILE, LOCK_FILE, Database, folder_lock
from qkd_qiskit.store.sealing import pack, unpack

_INSERT = "INSERT INTO record VALUES (?, ?, '', '')"
_HOLD = """
import sys
from pathlib import Path
from qkd_qiskit.store import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
_WRITE = """
import sys
from pathlib import Path
from qkd_qiskit.store import Database
for k in range(50):
    with Database(Path(sys.argv[1])) as database:
        database.execute("INSERT INTO record VALUES (?, ?, '', '')", sys.argv[2], str(k))
"""


def _count(folder):
    with Database(folder) as database:
        return database.rows("SELECT count(*) FROM record")[0][0]


def test_a_transaction_is_there_whole_or_not_at_all(tmp_path):
    with Database(tmp_path) as database:
        with database.transaction():
            database.insert(_INSERT, [("a", ""), ("b", "")])
        with pytest.raises(StoreError, match="UNIQUE"), database.transaction():
            database.insert(_INSERT, [("d", ""), ("a", "")])
    assert _count(tmp_path) == 2


def test_processes_that_start_at_once_share_one_new_file(tmp_path):
    commands = [[sys.executable, "-c", _WRITE, str(tmp_path), str(k)] for k in range(3)]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert _count(tmp_path) == 150


@pytest.mark.parametrize("durable", [False, True])
def test_what_was_written_outlives_a_kill(tmp_path, durable):
    code = (
        "import os, sys; from pathlib import Path; from qkd_qiskit.store import Database\n"
        f"database = Database(Path(sys.argv[1]), durable={durable})\n"
        "database.execute('INSERT INTO record VALUES (1, 1, 1, 1)')\n"
        "database.execute('BEGIN IMMEDIATE')\n"
        "database.execute('INSERT INTO record VALUES (2, 2, 2, 2)')\n"
        "os.kill(os.getpid(), 9)"
    )
    process = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert process.returncode == -signal.SIGKILL
    assert _count(tmp_path) == 1


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / DATABASE_FILE).write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(StoreError, match=r"cannot use .*run.sqlite: expected a file of this program"):
        Database(tmp_path)


def test_another_schema_is_refused(tmp_path):
    other = sqlite3.connect(tmp_path / DATABASE_FILE)
    other.execute("PRAGMA user_version = 9")
    other.close()
    with pytest.raises(StoreError, match="run.sqlite: expected schema 1, found 9"):
        Database(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/x/run.sqlite: Not a directory"):
        Database(tmp_path / "file" / "x")
    with (
        pytest.raises(StoreError, match="file/x/run.lock: Not a directory"),
        folder_lock(tmp_path / "file/x"),
    ):
        pass


def test_a_lock_file_that_is_a_folder_is_named(tmp_path):
    (tmp_path / LOCK_FILE).mkdir()
    with pytest.raises(StoreError, match="cannot open .*run.lock"), folder_lock(tmp_path):
        pass


def test_a_folder_is_refused_while_another_process_works_there(tmp_path):
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with (
        pytest.raises(StoreError, match=f"{tmp_path}: another run or command is"),
        folder_lock(tmp_path),
    ):
        pass
    process.kill()
    process.communicate()
    with folder_lock(tmp_path), pytest.raises(StoreError, match="another run"), folder_lock(tmp_path):
        pass


def test_waiting_for_a_folder_ends_when_it_is_free(tmp_path):
    steps = []

    def second():
        with folder_lock(tmp_path, wait=True):
            steps.append("second")

    thread = threading.Thread(target=second)
    with folder_lock(tmp_path):
        thread.start()
        thread.join(0.2)
        steps.append("first")
    thread.join()
    assert steps == ["first", "second"]


@given(
    st.lists(
        arrays.arrays(
            st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_, "U3"]),
            arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
        ),
        max_size=3,
    )
)
def test_arrays_come_back_as_they_were(given_arrays):
    found = unpack(pack(*given_arrays))
    assert len(found) == len(given_arrays)
    for before, after in zip(given_arrays, found, strict=True):
        assert (before.dtype, before.shape) == (after.dtype, after.shape)
        assert before.tobytes() == after.tobytes()


def test_objects_are_not_packed():
    with pytest.raises(ValueError, match="allow_pickle"):
        pack(np.array([object()]))
