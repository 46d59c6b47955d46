"""A folder that holds a run is neither overwritten unasked nor gone on with by other settings."""

from __future__ import annotations

import json

import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.errors import StoreError
from qkd_qiskit.experiment.folder import finished_here, holds_run, plain_settings, take_folder
from qkd_qiskit.store import open_store
from qkd_qiskit.store.database import Database


@pytest.fixture
def settings():
    return load_experiment("quickstart")


def begin(folder, settings, *, finished=False):
    take_folder(folder, settings, resume=False, overwrite=False)
    with open_store(folder, "print"), Database(folder) as database, database.transaction():
        database.execute("INSERT INTO stage VALUES ('print', 'data', '{}')")
    if finished:
        (folder / "results.json").write_text("{}")


def test_an_empty_folder_and_one_with_other_files_are_taken(tmp_path, settings):
    (tmp_path / "notes.txt").write_text("mine")
    assert not holds_run(tmp_path)
    take_folder(tmp_path, settings, resume=True, overwrite=False)
    assert json.loads((tmp_path / "settings.json").read_text())["name"] == "quickstart"
    # The settings alone are no run: another try with others may follow.
    take_folder(tmp_path, load_experiment("quickstart", seed=9), resume=False, overwrite=False)


@pytest.mark.parametrize(("finished", "words"), [(True, "a finished run"), (False, "a run that was begun")])
def test_a_run_is_not_overwritten_unasked(tmp_path, settings, finished, words):
    begin(tmp_path, settings, finished=finished)
    assert holds_run(tmp_path)
    with pytest.raises(StoreError, match=f"holds {words}: --resume goes on .* --overwrite .* --output"):
        take_folder(tmp_path, settings, resume=False, overwrite=False)
    take_folder(tmp_path, settings, resume=True, overwrite=False)
    take_folder(tmp_path, settings, resume=False, overwrite=True)
    # No result of the old run stands beside the stages of the new one.
    assert not (tmp_path / "results.json").exists()


def test_resuming_other_settings_names_those_that_differ(tmp_path, settings):
    begin(tmp_path, settings)
    other = load_experiment("quickstart", seed=9, overrides=["training.refine=1", "clients.1.samples=77"])
    with pytest.raises(
        StoreError, match=r"seed: 7 there, 9 here; clients\.1\.samples: \d+ there, 77 here; tr"
    ):
        take_folder(tmp_path, other, resume=True, overwrite=False)
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert kept["seed"] == 7
    many = [f"training.{key}={value}" for key, value in (("particles", 3), ("sweeps", 1), ("patience", 3))]
    other = load_experiment("quickstart", seed=9, overrides=[*many, "training.l2=0.5", "training.refine=1"])
    with pytest.raises(StoreError, match="; and 2 more; --overwrite"):
        take_folder(tmp_path, other, resume=True, overwrite=False)


def test_workers_and_threads_may_change(tmp_path, settings):
    begin(tmp_path, settings)
    overrides = ["training.threads=1", "federation.workers=1"]
    other = load_experiment("quickstart", overrides=overrides)
    assert plain_settings(other) == plain_settings(settings)
    take_folder(tmp_path, other, resume=True, overwrite=False)


def test_both_choices_at_once_are_refused(tmp_path, settings):
    with pytest.raises(StoreError, match="expected --resume or --overwrite, found both"):
        take_folder(tmp_path, settings, resume=True, overwrite=True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, settings):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write into .*file"):
        take_folder(tmp_path / "file", settings, resume=False, overwrite=False)


def test_a_result_of_other_settings_or_damaged_is_not_taken(tmp_path, settings):
    begin(tmp_path, settings, finished=True)
    assert finished_here(tmp_path, "another") is None
    assert finished_here(tmp_path, "print") is None
    assert finished_here(tmp_path / "nowhere", "print") is None
