"""Circuits of prepared amplitudes under noise: the exact engine against Aer."""

import numpy as np
import pytest
from qiskit_aer.noise import NoiseModel, amplitude_damping_error, depolarizing_error

from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

NAMES = ("amplitude_exact", "amplitude_mps", "amplitude_mps(layers=2)", "amplitude_brick(layers=3)")


def case(name, n_qubits=4):
    rng = np.random.default_rng(4)
    spec = VQCNNSpec(n_qubits, name, plan="conv, edge, conv", kernels="su4", n_outcomes=4)
    features = rng.normal(size=(4, 2**n_qubits))
    inputs = make_encoder(name, n_qubits).fit(features).transform(features)
    return spec, features, rng.uniform(-np.pi, np.pi, (2, spec.n_weights)), inputs


def noise():
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.02, 2), ["cz", "cx"])
    model.add_all_qubit_quantum_error(amplitude_damping_error(0.03), ["ry"])
    return model


@pytest.mark.parametrize("name", NAMES)
def test_prepared_amplitudes_under_noise_equal_aer(name):
    spec, _, weights, inputs = case(name)
    found = PauliEvaluator(spec, noise()).probabilities(weights, inputs)
    np.testing.assert_allclose(found, AerEvaluator(spec, noise()).probabilities(weights, inputs), atol=1e-7)
    ideal = PauliEvaluator(spec).probabilities(weights, inputs)
    np.testing.assert_allclose(ideal, AerEvaluator(spec).probabilities(weights, inputs), atol=1e-9)
    assert np.abs(found - ideal).max() > 1e-3


def test_exactly_prepared_amplitudes_are_those_of_ideal_states_without_noise():
    spec, features, weights, inputs = case("amplitude_exact")
    plain = VQCNNSpec(4, "amplitude", plan="conv, edge, conv", kernels="su4", n_outcomes=4)
    states = make_encoder("amplitude", 4).fit(features).transform(features)
    np.testing.assert_allclose(
        PauliEvaluator(spec).probabilities(weights, inputs),
        PauliEvaluator(plain).probabilities(weights, states),
        atol=1e-9,
    )
