"""Runs that are kept elsewhere, here in a stand-in for MLflow that does what its documentation says."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.errors import ReportingError
from qkd_qiskit.reporting import check_results
from qkd_qiskit.trackers import TrackedRun, mlflow, tracker_named
from qkd_qiskit.trackers.base import FILES

REQUIRED = ("global", "centralized", "fedavg", "public_only", "teacher_ensemble", "best_client")
REQUIRED += ("logistic_regression", "rbf_svm", "mlp")


class MlflowError(Exception):
    """Stands in for `mlflow.exceptions.MlflowException`."""


class FakeMlflow(ModuleType):
    """Notes what it is told, and refuses what MLflow's servers refuse."""

    def __init__(self):
        super().__init__("mlflow")
        self.exceptions = SimpleNamespace(MlflowException=MlflowError)
        self.experiment, self.run, self.ended = None, None, False
        self.params, self.metrics, self.tags, self.artifacts = {}, {}, {}, []

    def set_experiment(self, name):
        self.experiment = name

    @contextmanager
    def start_run(self, run_name):
        self.run = run_name
        yield SimpleNamespace(info=SimpleNamespace(run_id="r1"))
        self.ended = True

    def log_params(self, params):
        if len(params) > 100 or any(len(value) > 500 for value in params.values()):
            raise MlflowError("too much")
        self.params |= params

    def log_metrics(self, metrics):
        if not all(isinstance(value, float) for value in metrics.values()):
            raise MlflowError("no number")
        self.metrics |= metrics

    def set_tags(self, tags):
        self.tags |= tags

    def log_artifact(self, path):
        self.artifacts.append(path)

    def get_tracking_uri(self):
        return "sqlite:///mlflow.db"


@pytest.fixture
def fake(monkeypatch):
    made = FakeMlflow()
    monkeypatch.setitem(sys.modules, "mlflow", made)
    monkeypatch.setattr(mlflow, "find_spec", lambda name: made)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return made


@pytest.fixture
def run(tmp_path):
    model = {"accuracy": 0.75, "accuracy_ideal": 0.8, "interval": [0.7, 0.8], "noise": None, "weights": 12}
    client = {"name": "north & co", "backend": "noisy_line", "samples": 9, "classes": [0], "budget": None}
    client |= {"model_index": None, "gates": None, "bytes_sent": 8, "seconds": 1.0}
    client |= {"accuracy": {"own_classes": 0.9, "all_classes": 0.4}}
    record = check_results(
        {
            "schema": 1,
            "experiment": "quickstart",
            "seed": 5,
            "versions": {"numpy": "2.1"},
            "data": {"dataset": "digits", "classes": [0, 1], "public": 9, "test": 20},
            "clients": [client],
            "models": dict.fromkeys(REQUIRED, model | {"two_qubit_gates": None}),
            "comparisons": {"global_minus_fedavg": {"difference": -0.1, "interval": [-0.2, 0.1]}},
            "communication": {"distillation": {"up": 8, "down": 4, "rounds": 1}, "fedavg": None},
            "timings": {"total": 1.5},
        }
    )
    (tmp_path / "results.json").write_text(json.dumps(record.dump()))
    return TrackedRun(load_experiment("quickstart", seed=5), record, tmp_path)


def test_settings_figures_and_files_are_kept(fake, run):
    told = tracker_named("mlflow").keep(run)
    assert told == "MLflow run r1 in sqlite:///mlflow.db"
    assert (fake.experiment, fake.run, fake.ended) == ("quickstart", "quickstart, seed 5", True)
    assert fake.params["seed"] == "5"
    assert fake.params["training.structure.enabled"] == "True"
    assert fake.params["clients.2.backend"] == "ibm_marrakesh"
    assert fake.params["data.classes"] == "0, 1, 2, 3"
    assert "model.n_qubits" in fake.params
    assert len(fake.params) > 100
    assert fake.metrics["global/accuracy"] == 0.75
    assert fake.metrics["global/accuracy_ideal"] == 0.8
    assert fake.metrics["global_minus_fedavg/difference"] == -0.1
    assert fake.metrics["client north _ co/own_classes"] == 0.9
    assert (fake.metrics["bytes/up"], fake.metrics["seconds/total"]) == (8.0, 1.5)
    assert fake.tags == {"version.numpy": "2.1"}
    assert fake.artifacts == [str(run.folder / "results.json")]
    for name in FILES:
        (run.folder / name).write_text("x")
    assert [path.name for path in run.files()] == list(FILES)


def test_the_environment_names_another_experiment(fake, run, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "all of them")
    tracker_named("mlflow").keep(run)
    assert fake.experiment == "all of them"


def test_what_mlflow_refuses_is_one_line(fake, run, monkeypatch):
    monkeypatch.setattr(mlflow, "_LONGEST", 10**6)
    long = run.settings.model_copy(update={"title": "x" * 600})
    with pytest.raises(ReportingError, match="mlflow: cannot keep the run: too much"):
        tracker_named("mlflow").keep(TrackedRun(long, run.record, run.folder))


def test_without_mlflow_the_extra_is_named_before_any_work(monkeypatch, run):
    monkeypatch.setattr(mlflow, "find_spec", lambda name: None)
    with pytest.raises(ReportingError, match="--track mlflow needs the extra 'mlflow'"):
        tracker_named("mlflow")
    with pytest.raises(ReportingError, match="--track mlflow needs the extra 'mlflow'"):
        mlflow.MlflowTracker().keep(run)


def test_other_trackers_are_unknown():
    with pytest.raises(
        ReportingError, match="--track: expected one of mlflow, found 'mlfow'; did you mean 'mlflow'"
    ):
        tracker_named("mlfow")
