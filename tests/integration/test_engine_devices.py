"""Random structures on all shipped devices: engine against Aer, gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.hardware import list_backends, load_backend, transpile_verified
from qkd_qiskit.simulation import ActiveCircuit, AerEvaluator, PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

KERNELS = ("su4", "two_cx", "one_cx", "RX0 CRY10 RZ1", "RY0 CZ01 RY1 CX10 RZ0", "CRX01 CRZ10")
CASES = [(number, list_backends()[number % len(list_backends())]) for number in range(50)]


def random_spec(rng):
    while True:
        layers = [str(rng.choice(["conv", "edge", "tree"])) for _ in range(rng.integers(1, 4))]
        try:
            return VQCNNSpec(
                n_qubits=int(rng.integers(2, 7)),
                encoding=str(rng.choice(["angle", "angle", "amplitude"])),
                plan=tuple(layers),
                kernels=str(rng.choice(KERNELS)),
                sharing=str(rng.choice(["layer", "site"])),
                n_outcomes=int(rng.integers(2, 5)),
            )
        except VQCNNError:
            continue


def compare(number, device_name):
    rng = np.random.default_rng([17, number])
    spec, device = random_spec(rng), load_backend(device_name)
    transpiled = transpile_verified(spec, device, seed=number)
    noise = device.noise_model_for(transpiled.active_qubits)
    active = ActiveCircuit(transpiled)
    weights = rng.uniform(-np.pi, np.pi, (2, spec.n_weights))
    inputs = ENCODINGS[spec.encoding].random_inputs(spec.n_qubits, 2, rng=rng)
    engine = PauliEvaluator(active, noise)
    exact = engine.probabilities(weights, inputs)
    np.testing.assert_allclose(exact, AerEvaluator(active, noise).probabilities(weights, inputs), atol=1e-7)
    np.testing.assert_allclose(exact.sum(axis=-1), 1.0, atol=1e-9)
    ideal = PauliEvaluator(active).probabilities(weights, inputs)
    np.testing.assert_allclose(ideal, PauliEvaluator(spec).probabilities(weights, inputs), atol=1e-9)
    assert np.abs(exact - ideal).max() > 1e-5

    def loss(p):
        return (p**2).sum(axis=(1, 2)), 2 * p

    _, gradient = engine.loss_and_gradient(weights[0], inputs, loss)
    for k in rng.permutation(spec.n_weights)[:5]:
        shift = np.zeros(spec.n_weights)
        shift[k] = 1e-4
        above, below = engine.probabilities(np.stack([weights[0] + shift, weights[0] - shift]), inputs)
        difference = ((above**2).sum() - (below**2).sum()) / 2e-4
        np.testing.assert_allclose(gradient[k], difference, atol=1e-5)
    for k in transpiled.removed_weights:
        assert gradient[k] == 0.0


@pytest.mark.parametrize(("number", "device_name"), CASES[: len(list_backends())])
def test_a_random_structure_on_each_device(number, device_name):
    compare(number, device_name)


@pytest.mark.long
@pytest.mark.parametrize(("number", "device_name"), CASES[len(list_backends()) :])
def test_more_random_structures_on_all_devices(number, device_name):
    compare(number, device_name)
