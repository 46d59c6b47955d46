"""What the demonstration leaves in the folder of its results."""

from __future__ import annotations

from pathlib import Path

import pytest

from qkd_qiskit.deployment.demo import copy_results
from qkd_qiskit.errors import FederationError
from qkd_qiskit.store import Database


@pytest.fixture
def federation(tmp_path: Path) -> Path:
    folder = tmp_path / "federation"
    with Database(folder / "results"):
        pass
    (folder / "results" / "results.json").write_text("{}")
    (folder / "experiment.toml").write_text("seed = 1")
    return folder


def test_results_are_copied_and_a_database_with_jobs_stays(federation: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with Database(output) as database:
        database.execute("INSERT INTO former VALUES ('paid', 'job')")
    copy_results(federation, output)
    assert sorted(path.name for path in output.iterdir()) == ["experiment.toml", "results.json", "run.sqlite"]
    with Database(output) as database:
        assert database.rows("SELECT * FROM former") == [("paid", "job")]


def test_a_folder_that_cannot_be_written_is_named(federation: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FederationError, match="cannot write into .*file/x: Not a directory"):
        copy_results(federation, tmp_path / "file" / "x")
