"""An encoding that nothing in the package knows works everywhere once it is registered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qiskit.circuit.library import CCXGate

from qkd_qiskit import VQCNNClassifier, VQCNNSpec, load_backend, run_experiment, transpile_verified
from qkd_qiskit.config import load_experiment
from qkd_qiskit.encoding import ENCODINGS, Encoding
from qkd_qiskit.errors import HardwareError, VQCNNError
from qkd_qiskit.hardware import predict_counts
from qkd_qiskit.interop import CrosscheckCase, crosscheck, random_noise, random_points
from qkd_qiskit.models import load_model
from qkd_qiskit.reporting.circuits import overview_circuit
from qkd_qiskit.simulation import PauliEvaluator

TINY = str(Path(__file__).parent / "tiny.toml")


class GroupMeans:
    """Means of n groups of neighbouring features, centred on the public ones, as angles."""

    def __init__(self, n_qubits, centre=0.0):
        self.n_qubits = self.n_features = n_qubits
        self.centre = centre

    def fit(self, features):
        self.centre = self._means(features).mean(axis=0)
        return self

    def transform(self, features):
        return np.clip(6 * (self._means(features) - self.centre), -1.5, 1.5)

    def arrays(self):
        return {"centre": self.centre}

    def _means(self, features):
        return np.stack(
            [part.mean(axis=1) for part in np.array_split(features, self.n_qubits, axis=1)], axis=1
        )


class SingleEncoding(Encoding):
    """One angle a qubit."""

    name = "single"
    code = 5

    def n_features(self, n_qubits):
        return n_qubits

    def make_encoder(self, n_qubits, image_shape=None):
        return GroupMeans(n_qubits)

    def restore_encoder(self, n_qubits, arrays):
        return GroupMeans(n_qubits, arrays["centre"])

    def append(self, circuit, x):
        for qubit in range(circuit.num_qubits):
            circuit.rx(np.pi / 2 + x[qubit], qubit)


@pytest.fixture(autouse=True)
def single(monkeypatch):
    encoding = SingleEncoding()
    monkeypatch.setitem(ENCODINGS, "single", encoding)
    return encoding


SHAPE = {"encoding": "single", "plan": "conv, edge, conv", "sharing": "site", "n_outcomes": 3}


def test_specs_have_indices_of_their_own():
    spec = VQCNNSpec(4, **SHAPE)
    assert VQCNNSpec.from_index(spec.index) == spec
    others = {VQCNNSpec(4, **{**SHAPE, "encoding": name}).index for name in ("angle", "amplitude")}
    assert spec.index not in others


def test_an_index_is_refused_where_its_encoding_is_not_known(monkeypatch):
    index = VQCNNSpec(4, **SHAPE).index
    monkeypatch.delitem(ENCODINGS, "single")
    with pytest.raises(VQCNNError, match="expected an encoding with a code among 0, 1, .*found 5"):
        VQCNNSpec.from_index(index)


def test_it_is_transpiled_as_predicted():
    spec, device = VQCNNSpec(4, **SHAPE), load_backend("ibm_guadalupe")
    report = transpile_verified(spec, device).report
    assert report.deviation < 1e-9
    assert report.exact
    assert report.counted.two_qubit == report.predicted.two_qubit
    one_qubit = report.predicted.one_qubit
    assert one_qubit.low <= report.counted.one_qubit.mid <= one_qubit.high
    assert report.state_preparation is None


def test_it_is_trained_under_noise_and_classifies():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    features = rng.normal(0.8 * (2 * labels[:, None] - 1), 0.5, (60, 3))
    model = VQCNNClassifier(2, encoding="single", backend="noisy_line", random_state=0)
    model.fit(features[:40], labels[:40])
    assert model.score(features[40:], labels[40:]) > 0.85
    assert any("fitted to angle encoding; for single they" in note for note in model.budget_.notes)


def test_all_routes_agree():
    spec, rng = VQCNNSpec(4, **SHAPE), np.random.default_rng(1)
    weights, inputs = random_points(spec, 2, rng=rng)
    assert inputs.shape == (2, 4)
    assert PauliEvaluator(spec).probabilities(weights, inputs).shape == (2, 4)
    cases = [CrosscheckCase(spec, weights, inputs, noise) for noise in (None, random_noise(4, rng=rng))]
    rows = crosscheck(cases, shots=500)
    assert {row.route for row in rows if row.passed} >= {"Aer", "SamplerV2", "SamplerQNN"}
    assert all(row.passed for row in rows if row.missing is None)


def test_an_experiment_runs_and_its_model_is_saved(tmp_path):
    changed = ["model.encoding=single", "training.refine=8", "fedavg.rounds=1"]
    finished = run_experiment(load_experiment(TINY, overrides=changed), output=tmp_path)
    model = load_model(tmp_path)
    assert (model.spec.encoding, type(model.encoder)) == ("single", GroupMeans)
    pixels = np.random.default_rng(0).random((4, 64))
    assert model.predict_proba(PauliEvaluator(model.spec), pixels).shape == (4, 3)
    assert "single encoding" in model.spec.describe()
    assert finished.results["models"]["global"]["two_qubit_gates"] > 0


def test_a_drawing_names_the_features_of_a_qubit():
    labels = [
        item.operation.label for item in overview_circuit(VQCNNSpec(2, **{**SHAPE, "plan": "conv"})).data
    ]
    assert labels[:2] == ["$x_{0}$", "$x_{1}$"]


def test_gates_that_cannot_be_counted_are_named(single, monkeypatch):
    monkeypatch.setattr(
        single, "append", lambda circuit, x: circuit.append(CCXGate(), [0, 1, 2]), raising=False
    )
    with pytest.raises(
        HardwareError, match="single encoding: expected one-qubit gates among h, .*, found 'ccx'"
    ):
        predict_counts(VQCNNSpec(4, **SHAPE), load_backend("noisy_line"))
