"""Every writer meets a full disk, which a limit on files makes: one line, nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import json, logging, resource, sys
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from qkd_qiskit.errors import QKDError
from qkd_qiskit.store import *
logging.disable(logging.CRITICAL)
folder = Path(sys.argv[1])

@dataclass
class Stage:
    numbers: np.ndarray

def store():
    with open_store(folder, "f") as opened:
        opened.save("first", Stage(np.zeros(3)))

store()
write_atomic(folder / "old.txt", "old")
append_line(folder / "lines.jsonl", "whole")
log = AnswerLog(folder, "f")
big = np.random.default_rng(0).random(200_000)

def save():
    StageStore(folder, "f").save("second", Stage(big))

writers = {
    "file": lambda: write_atomic(folder / "old.txt", bytes(10**6)),
    "line": lambda: append_line(folder / "lines.jsonl", "x" * 10**6),
    "stage": save,
    "record": lambda: RecordStore(folder).save("s", "c", "f", {"text": "x" * 10**6}),
    "answer": lambda: log.answer(np.zeros(1), lambda: (big,)),
    "new database": lambda: Database(folder / "new"),
    "lock": lambda: folder_lock(folder / "locked").__enter__(),
}
limit = int(sys.argv[2])
before = {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix != ".sqlite-shm"}
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
said = {}
for name, write in writers.items():
    try:
        write()
        said[name] = None
    except QKDError as error:
        said[name] = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
files = sorted(path.name for path in folder.iterdir() if path.is_file())
kept = StageStore(folder, "f").load("first", Stage) is not None
none = StageStore(folder, "f").load("second", Stage) is None
save()
print(json.dumps({"said": said, "files": files, "kept": kept, "none": none,
                  "old": (folder / "old.txt").read_text(), "lines": (folder / "lines.jsonl").read_text(),
                  "after": StageStore(folder, "f").load("second", Stage) is not None}))
"""


@pytest.mark.parametrize("limit", [0, 20_000])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path: Path, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PROGRAM, str(tmp_path), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    said = found["said"]
    if limit:
        # What is new fits; what has a megabyte does not.
        assert said.pop("lock") is None
        said.pop("new database")
    assert all(said.values()), said
    assert all(len(line.splitlines()) == 1 for line in said.values())
    assert "cannot write" in said["file"]
    assert "File too large" in said["line"]
    for name in ("stage", "record", "answer"):
        assert "run.sqlite: expected a file of this program, and room on the disk" in said[name]
    assert (found["old"], found["lines"]) == ("old", "whole\n")
    assert (found["kept"], found["none"], found["after"]) == (True, True, True)
    assert not [name for name in found["files"] if name.endswith(".tmp")]
