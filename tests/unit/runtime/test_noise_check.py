"""Counts beside a noise model: what shots alone do, false alarms, and noise that the model does not know."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit_aer.noise import NoiseModel

from qkd_qiskit import PauliEvaluator, VQCNNSpec, load_backend, transpile_verified
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import HardwareError, SimulationError
from qkd_qiskit.hardware import fold_angles
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime import compare_noise, predict_counts
from qkd_qiskit.simulation.aer import AerEvaluator
from qkd_qiskit.simulation.evaluator import ActiveCircuit


def drawn(probabilities, shots, seed):
    return np.random.default_rng(seed).multinomial(shots, probabilities)


def some_probabilities(n, size, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(size), size=n)


@pytest.mark.parametrize("shots", [1, 7, 300])
def test_shot_noise_is_the_mean_of_many_draws(shots):
    exact = np.vstack([some_probabilities(3, 4), np.eye(4)[:1], [[0.5, 0.5, 0, 0]]])
    counts = np.random.default_rng(1).multinomial(shots, exact, size=(20_000, len(exact)))
    found = np.abs(counts / shots - exact).sum(axis=-1).mean(axis=0) / 2
    compared = compare_noise(counts[0], exact, exact)
    np.testing.assert_allclose(compared.from_shots, found, atol=0.004)
    assert compared.from_shots[3] == 0


@given(
    p=st.floats(1e-12, 1) | st.sampled_from([0.0, 5e-324, 1e-300]),
    shots=st.integers(1, 60),
)
def test_shot_noise_is_the_sum_over_all_counts(p, shots):
    from scipy.stats import binom

    k = np.arange(shots + 1)
    expected = (np.abs(k / shots - p) * binom.pmf(k, shots, p if p >= 1e-12 else 0.0)).sum()
    exact = np.array([[p, 1 - p]])
    found = compare_noise(np.array([[shots, 0]]), exact, exact)
    np.testing.assert_allclose(found.from_shots, expected, atol=1e-9)
    np.testing.assert_allclose(found.distances, 1 - p, atol=1e-12)


def test_distances_are_total_variations():
    counts = np.array([[50, 50], [100, 0]])
    found = compare_noise(counts, [[0.5, 0.5], [0.8, 0.2]], [[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(found.distances, [0, 0.2])
    np.testing.assert_allclose(found.from_ideal, [0.5, 0])


def test_false_alarms_are_as_rare_as_promised():
    exact = some_probabilities(30, 4)
    alarms = sum(
        not compare_noise(drawn(exact, 500, seed), exact, exact, alarm=0.05).explained for seed in range(400)
    )
    # More than 35 of 400 would come by chance once in 2000 times, were the rate 0.05.
    assert alarms <= 35


def test_a_small_shift_of_all_samples_is_found():
    exact = some_probabilities(100, 2, seed=3)
    readout = np.array([[0.985, 0.0], [0.015, 1.0]])
    found = compare_noise(drawn(exact @ readout.T, 1000, 4), exact, exact)
    assert not found.explained
    assert compare_noise(drawn(exact, 1000, 4), exact, exact).explained


def test_one_sample_that_is_off_is_found_and_named():
    exact = some_probabilities(100, 4, seed=5)
    moved = exact.copy()
    moved[17] = np.roll(exact[17], 1)
    found = compare_noise(drawn(moved, 1000, 6), exact, exact)
    assert "noise model does not explain the counts" in found.warning()
    assert "largest at sample 17" in found.warning()
    assert compare_noise(drawn(exact, 1000, 6), exact, exact).warning() is None


def test_the_comparison_is_ready_for_json():
    exact = some_probabilities(3, 4)
    found = json.loads(json.dumps(compare_noise(drawn(exact, 100, 0), exact, exact).to_dict()))
    assert found["explained"] is True
    assert len(found["distances"]) == len(found["from_shots"]) == len(found["from_ideal"]) == 3


def test_predictions_must_fit_the_counts():
    with pytest.raises(SimulationError, match="expected counts like probabilities"):
        compare_noise(np.ones((2, 2), dtype=int), np.ones((2, 4)) / 4, np.ones((2, 4)) / 4)
    with pytest.raises(SimulationError, match="expected shots in every row"):
        compare_noise(np.zeros((1, 2), dtype=int), [[0.5, 0.5]], [[0.5, 0.5]])
    with pytest.raises(SimulationError, match="that sum to 1"):
        compare_noise(np.ones((1, 2), dtype=int), [[0.5, 0.6]], [[0.5, 0.5]])


def a_model(n_qubits=3):
    rng = np.random.default_rng(0)
    spec = VQCNNSpec(n_qubits, plan="conv", kernels="one_cx", n_outcomes=2)
    encoder = make_encoder("angle", n_qubits, image_shape=(4, 4)).fit(rng.random((20, 16)))
    return SavedModel(spec, rng.normal(size=spec.n_weights + 1), (0, 1), encoder, "noisy_line", True, 7)


def test_predictions_are_those_of_aer_with_the_devices_noise():
    model, device = a_model(), load_backend("noisy_line")
    inputs = np.random.default_rng(1).normal(size=(4, model.spec.n_features))
    transpiled = transpile_verified(model.spec, device, seed=model.seed)
    expected = AerEvaluator(transpiled, device.noise_model).probabilities(model.weights, inputs)
    found = predict_counts(model, device, inputs)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    ideal = PauliEvaluator(model.spec).probabilities(model.weights, inputs)
    assert np.abs(found - ideal).max() > 0.005
    # A device without any of that noise does not count what was predicted.
    silent = AerEvaluator(transpiled, NoiseModel()).probabilities(model.weights, inputs)
    assert not compare_noise(drawn(silent, 100_000, 0), found, ideal).explained
    assert compare_noise(drawn(expected, 100_000, 0), found, ideal).explained


@pytest.mark.needs_device("ibm_kingston")
def test_predictions_on_fractional_gates_are_those_of_the_folded_circuit():
    device, rng = load_backend("ibm_kingston+fractional"), np.random.default_rng(2)
    spec = VQCNNSpec(3, plan="conv", kernels="su4", n_outcomes=2)
    encoder = make_encoder("angle", 3, image_shape=(4, 4)).fit(rng.random((20, 16)))
    weights = rng.uniform(-4, 4, spec.n_weights + 1)
    model = SavedModel(spec, weights, (0, 1), encoder, "ibm_kingston", True, 7)
    inputs = rng.normal(size=(2, spec.n_features))
    folded = fold_angles(transpile_verified(spec, device, seed=7), model.weights, device)
    circuit = ActiveCircuit(folded)
    noise = device.noise_model_for(circuit.active_qubits)
    expected = AerEvaluator(circuit, noise).probabilities(model.weights, inputs)
    np.testing.assert_allclose(predict_counts(model, device, inputs), expected, atol=1e-6)


def test_no_prediction_where_the_engine_has_none(monkeypatch):
    def refuses(*args, **options):
        raise SimulationError("too wide")

    monkeypatch.setattr("qkd_qiskit.runtime.noise_check.compile_transpiled", refuses)
    assert predict_counts(a_model(), load_backend("noisy_line"), np.zeros((1, 6))) is None


def test_a_model_that_does_not_fit_is_refused():
    with pytest.raises(HardwareError, match="device noisy_line"):
        predict_counts(a_model(20), load_backend("noisy_line"), np.zeros((1, 40)))
