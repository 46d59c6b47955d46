"""An experiment of objects: the same results in one process and in workers, and what becomes of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from qiskit.circuit.library import zz_feature_map
from qiskit.primitives import StatevectorSampler
from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2
from sklearn.neighbors import KNeighborsClassifier

from qkd_qiskit import (
    CircuitEncoding,
    Client,
    Experiment,
    ExperimentResult,
    Server,
    run_experiment,
)
from qkd_qiskit.errors import HardwareError, ReportingError, StoreError
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.progress import ProgressEvent

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 240)
X = RNG.normal(Y[:, None] * [1.5, -1.5, 1.5], 0.5)


class Majority:
    """A baseline of the test's own: always the class that most samples have."""

    name = "majority"
    runs_circuits = True

    def fit(self, data):
        from qkd_qiskit.evaluation import Predictions

        most = int(np.bincount(data.everything.labels).argmax())

        class Fitted:
            def predictions(self, inputs):
                return Predictions(np.full(len(inputs), most), None, None, 1, None)

        return Fitted()


def median(outputs):
    return np.median(outputs, axis=0)


def experiment(workers=1, seed=0):
    device = FakeGuadalupeV2()
    sampler = StatevectorSampler(seed=np.random.default_rng(5))
    return Experiment(
        [Client("own", X[:50], Y[:50], backend=device), Client("dealt", backend="noisy_line", samples=40)],
        Server(X[50:200], Y[50:200], test=(X[200:], Y[200:]), backend=device, sampler=sampler, shots=64),
        name="objects",
        aggregation=median,
        encoding=CircuitEncoding(zz_feature_map(2, reps=1, entanglement="linear"), "mine", scale=0.3),
        baselines=[KNeighborsClassifier(3), Majority()],
        seed=seed,
        training={"particles": 4, "iterations": 2, "refine": 8},
        fedavg={"rounds": 1, "local_steps": 2},
        distillation={"recipe": "fixed"},
        federation={"workers": workers},
    )


def comparable(results):
    kept = {key: value for key, value in results.items() if key != "timings"}
    kept["clients"] = [{k: v for k, v in c.items() if k != "seconds"} for c in results["clients"]]
    return kept


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    events = []
    return run_experiment(experiment(), output=folder, progress=events.append), folder, events


def test_objects_take_part_and_results_say_so(finished):
    result, folder, _ = finished
    written = json.loads((folder / "results.json").read_text())
    kinds = [record["kind"] for record in written["own"]]
    assert kinds == ["samples", "device", "encoding", "aggregation rule", "baseline", "baseline", "sampler"]
    models = written["models"]
    truth = Y[200:]
    majority = np.bincount(np.concatenate([Y[:50], Y[50:200]])).argmax()
    assert models["majority"]["accuracy"] == pytest.approx((truth == majority).mean())
    assert models["k_neighbors_classifier"]["accuracy"] > 0.8
    assert models["k_neighbors_classifier"]["weights"] is None
    assert models["global_sampled"]["noise"] == "own sampler"
    assert models["global"]["accuracy"] > 0.8
    assert "global_minus_majority" in written["comparisons"]
    assert result.server.rounds.aggregate.teacher.aggregation == "median"
    device = written["clients"][0]["backend"]
    assert device.startswith("fake_guadalupe@")
    assert written["models"]["global"]["noise"] == device
    assert "of the user's own" in str(result)


def test_worker_processes_find_the_objects_too(finished):
    result, _, _ = finished
    assert comparable(run_experiment(experiment(workers=2)).results) == comparable(result.results)


def test_a_function_hears_of_every_stage(finished):
    _, _, events = finished
    assert all(isinstance(event, ProgressEvent) for event in events)
    ended = {event.label for event in events if event.finished}
    assert {"client own", "client dealt", "global model", "FedAvg"} <= ended


def test_a_result_predicts_plots_and_compares(finished):
    result, folder, _ = finished
    predicted = result.predict(X[200:])
    assert (predicted == Y[200:]).mean() == pytest.approx(result.results["models"]["global"]["accuracy"])
    # As the model that was written predicts, under the noise of the device that this program has.
    proba = result.predict_proba(X[200:])
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    for name in ("accuracies", "gates", "bytes", "classes", "training", "confusion"):
        assert result.plot(name).get_axes()
    loaded = ExperimentResult.load(folder)
    first, second = loaded.compare(result, model="majority")
    assert (first.difference, second.difference.value, second.paired) == (None, 0.0, True)
    assert loaded.model.spec == result.model.spec
    np.testing.assert_array_equal(loaded.model.params, result.model.params)
    # The run's folder holds the device's calibration.
    np.testing.assert_allclose(loaded.predict_proba(X[200:]), proba, atol=1e-6)
    with pytest.raises(ReportingError, match="picture training: a loaded result lacks"):
        loaded.plot("training")
    with pytest.raises(ReportingError, match="picture: expected one of .*found 'acuracies'; did you mean"):
        result.plot("acuracies")
    with pytest.raises(ReportingError, match="expected a model among .*found 'nobody'"):
        result.compare(loaded, model="nobody")


def test_it_is_gone_on_with_and_never_overwritten(finished):
    result, folder, _ = finished
    with pytest.raises(StoreError, match="holds a finished run"):
        run_experiment(experiment(), output=folder)
    before = (folder / "results.json").stat().st_mtime_ns
    again = run_experiment(experiment(), output=folder, resume=True)
    assert comparable(again.results) == comparable(result.results)
    assert (folder / "results.json").stat().st_mtime_ns >= before


def test_names_are_forgotten_after_the_run(finished):
    result, _, _ = finished
    with pytest.raises(HardwareError, match="was an object of a Python program"):
        load_backend(result.settings.clients[0].backend)
    with pytest.raises(HardwareError, match="was an object of a Python program"):
        run_experiment(result.settings.model_copy(update={"baselines": ()}))
