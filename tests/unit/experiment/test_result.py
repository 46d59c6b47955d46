"""A result that was loaded: what it shows, and what it refuses."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from qkd_qiskit.config import load_experiment
from qkd_qiskit.errors import ReportingError
from qkd_qiskit.evaluation import REQUIRED_MODELS
from qkd_qiskit.experiment import ExperimentResult


@pytest.fixture
def folder(tmp_path):
    """Folder of a finished run whose clients were elsewhere; its numbers are found by nobody."""
    absent = {"fedavg": "clients' samples are not at the server"}
    model = {"accuracy": 0.75, "accuracy_ideal": None, "interval": [0.7, 0.8], "noise": None}
    model |= {"weights": 12, "two_qubit_gates": None}
    unknown = dict.fromkeys(("backend", "samples", "classes", "budget", "model_index", "gates", "accuracy"))
    client = {"name": "north", **unknown, "classes": [0], "bytes_sent": 8, "seconds": None}
    results = {
        "schema": 1,
        "experiment": "made by hand",
        "seed": 5,
        "versions": {"numpy": "0.1"},
        "data": {"dataset": "digits", "classes": [0, 1], "public": 9, "test": 20},
        "clients": [client],
        "models": dict.fromkeys(REQUIRED_MODELS, model) | dict.fromkeys(absent),
        "absent": absent,
        "communication": {"distillation": {"up": 8, "down": 4, "rounds": 1}, "fedavg": None},
        "timings": {"total": 1.0},
    }
    (tmp_path / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (tmp_path / "settings.json").write_text(load_experiment("quickstart").model_dump_json())
    return tmp_path


def test_a_loaded_result_has_settings_and_record_only(folder):
    loaded = ExperimentResult.load(folder)
    assert loaded.settings == load_experiment("quickstart")
    assert loaded.results == json.loads((folder / "results.json").read_text())
    assert loaded.record.measured.keys() == set(REQUIRED_MODELS) - {"fedavg"}
    assert (loaded.server, loaded.clients, loaded.confusion) == (None, None, None)


def test_saving_a_loaded_result_copies_it(folder, tmp_path):
    other = tmp_path / "copy"
    ExperimentResult.load(folder).save(other)
    assert sorted(path.name for path in other.iterdir()) == ["report.html", "results.json", "settings.json"]
    assert (other / "results.json").read_bytes() == (folder / "results.json").read_bytes()
    assert ExperimentResult.load(other).settings == load_experiment("quickstart")
    page = (other / "report.html").read_text()
    assert "made by hand" in page
    assert "Confusion of the global model" not in page


def test_text_print_and_notebook_show_the_same_table(folder):
    loaded = ExperimentResult.load(folder)
    console = Console(file=io.StringIO(), width=80)
    loaded.print(console)
    assert str(loaded) == console.file.getvalue()
    page = loaded._repr_html_()
    for piece in ("public data only", "75.0", "70.0-80.0"):
        assert piece in str(loaded)
        assert piece in page
    assert page.lstrip().startswith("<pre>")
    assert "FedAvg: not measured, clients' samples are not at the server" in str(loaded)


def test_missing_and_damaged_settings_are_named(folder):
    (folder / "settings.json").write_text('{"name": 3}')
    with pytest.raises(ReportingError, match=r"settings\.json: "):
        ExperimentResult.load(folder)
    (folder / "settings.json").unlink()
    with pytest.raises(ReportingError, match=r"cannot read .*settings\.json: No such file"):
        ExperimentResult.load(folder)


def test_a_folder_that_cannot_be_written_is_named(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportingError, match="cannot write .*file"):
        ExperimentResult.load(folder).save(tmp_path / "file")
