"""Encodings that entangle, shipped or of one's own, go wherever the angle encoding goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qiskit.circuit.library import zz_feature_map
from typer.testing import CliRunner

from qkd_qiskit import CircuitEncoding, VQCNNClassifier, VQCNNSpec, run_experiment
from qkd_qiskit.cli.app import app
from qkd_qiskit.config import load_experiment
from qkd_qiskit.estimator import estimate_gate_budget
from qkd_qiskit.interop import CrosscheckCase, crosscheck, random_noise, random_points
from qkd_qiskit.models import SavedModel, load_model
from qkd_qiskit.reporting.circuits import overview_circuit
from qkd_qiskit.simulation import PauliEvaluator

TINY = str(Path(__file__).parent / "tiny.toml")


def own(n_qubits: int) -> CircuitEncoding:
    return CircuitEncoding(zz_feature_map(n_qubits, reps=1, entanglement="linear"), "mine", scale=0.3)


@pytest.mark.parametrize("encoding", ["zz(reps=1)", "hardware_efficient", "own"])
def test_all_routes_agree(encoding):
    spec = VQCNNSpec(3, own(3) if encoding == "own" else encoding, plan="conv, edge")
    rng = np.random.default_rng(0)
    weights, inputs = random_points(spec, 2, rng=rng)
    cases = [CrosscheckCase(spec, weights, inputs, noise) for noise in (None, random_noise(3, rng=rng))]
    rows = crosscheck(cases, shots=500)
    assert {row.route for row in rows if row.passed} >= {"Aer", "SamplerV2", "SamplerQNN"}
    assert all(row.passed for row in rows if row.missing is None)


def task(seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 60)
    return rng.normal(0.8 * (2 * labels[:, None] - 1), 0.5, (60, 3)), labels


def test_the_classifier_takes_an_own_circuit_under_noise():
    features, labels = task()
    model = VQCNNClassifier(2, encoding=own(2), backend="noisy_line", random_state=0)
    model.fit(features[:40], labels[:40])
    assert model.score(features[40:], labels[40:]) > 0.8
    assert model.spec_.encoding == own(2).name
    spec = VQCNNSpec(2, own(2), plan="conv")
    fixed = VQCNNClassifier(2, encoding=own(2), budget=spec, refine=5, random_state=0).fit(features, labels)
    assert fixed.spec_ == spec
    budget = estimate_gate_budget(features, labels, backend="noisy_line", n_qubits=2, encoding=own(2))
    assert any("for mine@" in note for note in budget.notes)


def test_a_saved_model_is_read_where_its_circuit_is_known(tmp_path):
    features, _ = task()
    spec = VQCNNSpec(2, own(2), plan="conv")
    encoder = spec.input_encoding.make_encoder(2).fit(features)
    params = np.append(np.random.default_rng(0).uniform(-1, 1, spec.n_weights), 0.0)
    saved = SavedModel(spec, params, (0, 1), encoder, "noisy_line", noise=True, seed=0)
    (tmp_path / "model.npz").write_bytes(saved.to_bytes())
    read = load_model(tmp_path / "model.npz")
    evaluator = PauliEvaluator(read.spec)
    expected = saved.predict_proba(evaluator, features)
    np.testing.assert_array_equal(read.predict_proba(evaluator, features), expected)


@pytest.mark.parametrize("encoding", ["zz(reps=1)"])
def test_an_experiment_runs_on_every_clients_device(tmp_path, encoding):
    changed = [f"model.encoding={encoding}", "training.refine=4", "fedavg.rounds=1"]
    finished = run_experiment(load_experiment(TINY, overrides=changed), output=tmp_path)
    model = load_model(tmp_path)
    assert model.spec.encoding == encoding
    for client in finished.results["clients"]:
        assert client["gates"]["transpiled"]["two_qubit"] == client["gates"]["estimated"]["two_qubit"]


def test_commands_take_options(tmp_path):
    arguments = ["transpile", "--backend", "noisy_line", "--qubits", "4", "--plan", "conv", "--encoding"]
    done = CliRunner().invoke(app, [*arguments, "zz(reps=1)"])
    assert done.exit_code == 0, done.output
    refused = CliRunner().invoke(app, [*arguments, "zz(reps=9)"])
    assert refused.exit_code != 0
    assert "expected reps from 1 to 8, found 9" in (refused.stderr or str(refused.exception))


def test_a_drawing_names_each_feature_once():
    labels = [item.operation.label for item in overview_circuit(VQCNNSpec(3, "zz", plan="conv")).data]
    assert labels[:3] == ["$x_{0},x_{1}$", "$x_{0},x_{1},x_{2}$", "$x_{1},x_{2}$"] or labels[0] == "$x_{0}$"
