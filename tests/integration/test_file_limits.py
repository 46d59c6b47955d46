"""Limits of files are settings: of an experiment, of a client, of a command; and the page tells them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.config import LimitSettings, load_experiment
from qkd_qiskit.data import load_client_samples, prepare_data
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import FileLimits, current_limits

TINY = str(Path(__file__).with_name("tiny.toml"))
PAGE = Path(__file__).parents[2] / "docs" / "files.md"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    labels = np.arange(600) % 3
    np.savez(tmp_path / "set.npz", X=np.eye(3)[labels] + np.linspace(0, 1, 600)[:, None], y=labels)
    return tmp_path / "set.npz"


def test_an_experiment_sets_its_limits(table: Path) -> None:
    own = [f"data.path={table}", "data.augment.copies=0"]
    assert prepare_data(load_experiment(TINY, overrides=own)).classes == (0, 1, 2)
    tight = load_experiment(TINY, overrides=[*own, "limits.values=1000"])
    with pytest.raises(DataError, match=r"at most 1000 values \(limits.values\)"):
        prepare_data(tight)
    assert current_limits() == FileLimits()


def test_a_client_sets_its_limits(table: Path) -> None:
    assert len(load_client_samples(table).labels) == 600
    with pytest.raises(DataError, match=r"limits.file_bytes"):
        load_client_samples(table, limits=LimitSettings(file_bytes=1000))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("values=1000", "at most 1000 values (limits.values)"),
        ("speed=3", "--limit: expected NAME=NUMBER with one of file_bytes, unpacked_bytes"),
        ("values=many", "--limit: expected NAME=NUMBER"),
        ("values", "--limit: expected NAME=NUMBER"),
        ("values=" + "9" * 5000, "--limit: expected NAME=NUMBER"),
    ],
)
def test_a_command_sets_its_limits(
    option: str, message: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["estimate", "--dataset", str(table), "--backend", "noisy_line"]
    assert main(["--limit", option, *command]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert len(line) < 500
    assert current_limits() == FileLimits()


def test_output_on_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "qkd_qiskit", "backends", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "qkd-qiskit: error: cannot write the output: No space left on device\n"


def test_the_page_and_the_settings_tell_the_limits() -> None:
    text = PAGE.read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE))
    assert {name: int(number) for name, number in rows.items()} == asdict(FileLimits())
    known = {field.name for field in fields(FileLimits)}
    for name, field in LimitSettings.model_fields.items():
        assert name in known
        assert str(getattr(FileLimits, name)) in (field.description or "")


def test_the_code_of_the_page_runs() -> None:
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(code, str(PAGE), "exec"), {})
