"""A small federation, and the proof that nothing of it is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("flwr")

# Small models, but thousands of public inputs: messages large beside what Flower puts around them.
EXPERIMENT = """
name = "small"
seed = 5
[data]
dataset = "digits"
classes = [0, 1, 2]
public_train = 60
public_unlabelled = 80
public_calibration = 20
public_validation = 20
test = 60
augment = { copies = 1, public_copies = 40, shift = 0.5 }
[model]
n_qubits = 4
[server]
backend = "noisy_line"
[[clients]]
name = "one class"
backend = "noisy_line"
classes = [1]
samples = 30
[[clients]]
name = "two classes"
backend = "noisy_line"
classes = [0, 2]
samples = 40
[[clients]]
name = "all"
backend = "noisy_line"
samples = 40
[training]
particles = 3
iterations = 1
refine = 4
[fedavg]
rounds = 0
[federation]
workers = 1
timeout = 400
"""


@pytest.fixture(scope="session")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("experiment") / "small.toml"
    path.write_text(EXPERIMENT)
    return path


def processes_below(folder: Path) -> list[str]:
    """Command lines of all processes that name a folder or hold it in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        if int(place.name) == os.getpid():
            continue
        try:
            words = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words:
            found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


@pytest.fixture
def processes() -> Callable[[Path], list[str]]:
    """Tells the command lines of all processes that name a folder."""
    return processes_below


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that no process may outlive."""
    made = tmp_path_factory.mktemp("federation")
    yield made
    deadline = time.monotonic() + 60
    while left := processes_below(made):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    """Environment of commands: temporary files lie below the folder, and processes can be told by it."""
    (folder / "tmp").mkdir()
    return {**os.environ, "TMPDIR": str(folder / "tmp"), "QKD_TEST_FOLDER": str(folder)}


@pytest.fixture(scope="module")
def run(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `qkd-qiskit` to its end."""

    def run(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "qkd_qiskit", *map(str, arguments)],
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    return run
