"""Readers meet damaged files: seeded and bounded; the long ones count 20 000 cases and more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("worker.py")

#: Cases of each kind in the long test; together more than 20 000.
LONG = {
    "models": 4400,
    "tables": 6400,
    "settings": 5200,
    "records": 2400,
    "stores": 800,
    "jobs": 800,
    "local_jobs": 400,
    "public_sets": 800,
    "indices": 3200,
}
QUICK = 12


def run_worker(kinds: list[str], seed: int, count: int, folder: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(WORKER), ",".join(kinds), str(seed), str(count), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_few_cases_of_each_kind(tmp_path: Path) -> None:
    found = run_worker(list(LONG), 0, QUICK, tmp_path)
    assert found["failures"] == []
    assert found["cases"] == dict.fromkeys(LONG, QUICK)


def test_the_long_test_has_enough_cases() -> None:
    assert sum(LONG.values()) >= 20_000


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("kind", LONG)
def test_many_cases(kind: str, part: int, tmp_path: Path) -> None:
    found = run_worker([kind], 1 + part, LONG[kind] // 4, tmp_path)
    assert found["failures"] == []


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("raise ValueError('foreign')", "ValueError: foreign"),
        ("raise told('two' + chr(10) + 'lines')", "no single line"),
        ("raise told('x' * 5000)", "no single line"),
        ("bytearray(2**30)", "MemoryError"),
        ("while True: pass", "takes more than 1 s"),
        ("assert 1 == 2", "AssertionError"),
        ("raise DataError('one line')", None),
        ("pass", None),
    ],
)
def test_the_worker_sees_faults(body: str, wrong: str | None, tmp_path: Path) -> None:
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); import types, pathlib\n"
        "from qkd_qiskit.errors import DataError\n"
        "readers = types.ModuleType('readers'); sys.modules['readers'] = readers; readers.KINDS = {}\n"
        "import worker; worker.MOST_SECONDS = 1\n"
        # An error of our own that says what it likes.
        "told = lambda words: type('Told', (DataError,), {'__str__': lambda self: words})()\n"
        f"def case(folder, rng):\n    {body}\n"
        "readers.KINDS['faulty'] = lambda whole: case\n"
        "print(json.dumps(worker.main(['faulty'], 0, 1, pathlib.Path(sys.argv[2]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(WORKER.parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    failures = json.loads(done.stdout)["failures"]
    if wrong is None:
        assert failures == []
    else:
        assert len(failures) == 1
        assert wrong in failures[0]
