"""A folder that holds a run is neither overwritten unasked nor gone on with by other settings."""

from __future__ import annotations

import json

import pytest

from qkd_qiskit.config import ExperimentSettings, load_experiment
from qkd_qiskit.errors import HardwareError, StoreError
from qkd_qiskit.experiment import run_experiment
from qkd_qiskit.experiment.folder import (
    finished_here,
    holds_run,
    leave_jobs_of_other_models,
    plain_settings,
    take_folder,
)
from qkd_qiskit.store import folder_lock, open_store
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
    overrides = ["training.threads=1", "federation.workers=1", "limits.values=5000000"]
    other = load_experiment("quickstart", overrides=overrides)
    assert plain_settings(other) == plain_settings(settings)
    take_folder(tmp_path, other, resume=True, overwrite=False)


def test_a_run_whose_database_is_damaged_is_gone_on_with(tmp_path, settings, caplog):
    begin(tmp_path, settings)
    path = tmp_path / "run.sqlite"
    content = bytearray(path.read_bytes())
    content[:100] = b"\xff" * 100
    path.write_bytes(content)
    assert holds_run(tmp_path)
    take_folder(tmp_path, settings, resume=True, overwrite=False)
    assert "was damaged: kept 1 of stage" in caplog.text
    assert (tmp_path / "run.sqlite.damaged").read_bytes() == content


def test_both_choices_at_once_are_refused(tmp_path, settings):
    with pytest.raises(StoreError, match="expected --resume or --overwrite, found both"):
        take_folder(tmp_path, settings, resume=True, overwrite=True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, settings):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*file"):
        take_folder(tmp_path / "file", settings, resume=False, overwrite=False)


def test_a_result_of_other_settings_or_damaged_is_not_taken(tmp_path, settings):
    begin(tmp_path, settings, finished=True)
    assert finished_here(tmp_path, "another") is None
    assert finished_here(tmp_path, "print") is None
    assert finished_here(tmp_path / "nowhere", "print") is None


def put_jobs(folder):
    (folder / "jobs").mkdir()
    (folder / "jobs" / "qkd-1.json").write_text("{}")
    for name in ("global_model.npz", "report.html"):
        (folder / name).write_text("old")
    (folder / "clients").mkdir(exist_ok=True)
    (folder / "clients" / "0-a.npz").write_text("old")


def test_jobs_of_a_run_that_is_replaced_are_kept_with_their_model(tmp_path, settings, caplog):
    begin(tmp_path, settings, finished=True)
    put_jobs(tmp_path)
    take_folder(tmp_path, load_experiment("quickstart", seed=9), resume=False, overwrite=True)
    assert f"the former run and its jobs are kept in {tmp_path / 'former-1'}" in caplog.text
    kept = {path.name for path in (tmp_path / "former-1").iterdir()}
    assert kept >= {"jobs", "run.sqlite", "settings.json", "global_model.npz", "results.json", "clients"}
    assert json.loads((tmp_path / "former-1" / "settings.json").read_text())["seed"] == 7
    assert {path.name for path in tmp_path.iterdir()} <= {"former-1", "settings.json", "run.lock"}
    assert holds_run(tmp_path / "former-1")
    assert not holds_run(tmp_path)


def test_without_jobs_what_is_replaced_is_deleted(tmp_path, settings):
    begin(tmp_path, settings, finished=True)
    put_jobs(tmp_path)
    (tmp_path / "jobs" / "qkd-1.json").unlink()
    (tmp_path / "notes.txt").write_text("mine")
    take_folder(tmp_path, settings, resume=False, overwrite=True)
    for name in ("results.json", "global_model.npz", "report.html", "clients/0-a.npz"):
        assert not (tmp_path / name).exists()
    assert (tmp_path / "notes.txt").exists()


def test_jobs_alone_keep_a_folder(tmp_path, settings):
    put_jobs(tmp_path)
    assert holds_run(tmp_path)
    with pytest.raises(StoreError, match="holds jobs of a run: --resume"):
        take_folder(tmp_path, settings, resume=False, overwrite=False)


def test_stages_that_nobody_takes_leave_with_their_jobs(tmp_path, settings):
    begin(tmp_path, settings, finished=True)
    put_jobs(tmp_path)
    leave_jobs_of_other_models(tmp_path, settings, "print")
    assert (tmp_path / "jobs").exists()
    leave_jobs_of_other_models(tmp_path, settings, "another version")
    assert (tmp_path / "former-1" / "jobs" / "qkd-1.json").exists()
    assert json.loads((tmp_path / "settings.json").read_text())["seed"] == 7


def test_a_run_that_is_refused_writes_nothing(tmp_path, settings):
    (tmp_path / "settings.json").write_text("those of the run that works here")
    with folder_lock(tmp_path), pytest.raises(StoreError, match="another run or command is working there"):
        run_experiment(settings, output=tmp_path)
    assert (tmp_path / "settings.json").read_text() == "those of the run that works here"


def test_two_devices_of_one_name_are_refused_before_anything_is_written(tmp_path, settings):
    server = settings.server.model_copy(update={"backend": "a/mine.toml"})
    client = settings.clients[0].model_copy(update={"backend": "b/mine.toml"})
    twice = settings.model_copy(update={"server": server, "clients": (client,)})
    with pytest.raises(HardwareError, match="expected one device of that name"):
        take_folder(tmp_path, twice, resume=False, overwrite=False)
    assert not (tmp_path / "settings.json").exists()


@pytest.mark.parametrize(
    ("where", "changed"),
    [
        ("server.backend", {"server": {"backend": "noisy_lin"}}),
        ("client 'A'", {"clients": [{"name": "A", "backend": "noisy_lin", "samples": 9}]}),
    ],
)
def test_devices_are_found_before_anything_is_done(tmp_path, settings, monkeypatch, where, changed):
    monkeypatch.setattr("qkd_qiskit.experiment.run.prepare_data", None)
    wrong = ExperimentSettings.model_validate(settings.model_dump(exclude_unset=True) | changed)
    with pytest.raises(HardwareError, match=f"{where}: unknown device 'noisy_lin'.*mean 'noisy_line'"):
        run_experiment(wrong, output=tmp_path)
    assert not (tmp_path / "settings.json").exists()
