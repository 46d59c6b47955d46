"""Exact gradients against finite differences, on both ways through the sweep and on every kind of circuit."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

STEP = 1e-5


def quadratic_loss(weights):
    """A loss whose derivative is known: sum of weights * p^2."""

    def loss(p):
        return (weights * p**2).sum(axis=(1, 2)), 2 * weights * p

    return loss


def central_difference(evaluator, weights, inputs, loss):
    gradient = np.empty_like(weights)
    for k in range(weights.shape[-1]):
        shift = np.zeros(weights.shape[-1])
        shift[k] = STEP
        above = loss(evaluator.probabilities(weights + shift, inputs))[0]
        below = loss(evaluator.probabilities(weights - shift, inputs))[0]
        gradient[:, k] = (above - below) / (2 * STEP)
    return gradient


@pytest.mark.parametrize("n_inputs", [1, 7, 400])
@pytest.mark.parametrize(
    ("n_qubits", "plan", "kernel", "sharing", "encoding", "n_outcomes"),
    [
        (2, "conv", "su4", "layer", "angle", 2),
        (3, "edge", "RY0 RX1", "site", "angle", 2),
        (4, "conv, edge, conv", "RY0 RY1 CRX01 CRZ10", "layer", "angle", 4),
        (5, "conv, tree, conv", "RX0 CX10 RZ1 CZ01 RY0", "site", "angle", 3),
        (4, "conv, tree, conv", "su4", "layer", "amplitude", 4),
    ],
)
def test_gradient_equals_finite_differences(
    noise_zoo, n_inputs, n_qubits, plan, kernel, sharing, encoding, n_outcomes
):
    spec = VQCNNSpec(
        n_qubits=n_qubits,
        plan=plan,
        kernels=kernel,
        sharing=sharing,
        encoding=encoding,
        n_outcomes=n_outcomes,
    )
    rng = np.random.default_rng(n_inputs)
    weights = rng.uniform(-np.pi, np.pi, (2, spec.n_weights))
    inputs = ENCODINGS[spec.encoding].random_inputs(spec.n_qubits, n_inputs, rng=rng)
    evaluator = PauliEvaluator(spec, noise_zoo)
    loss = quadratic_loss(rng.normal(size=(n_inputs, 2**spec.n_measured)) / n_inputs)
    values, gradient = evaluator.loss_and_gradient(weights, inputs, loss)
    np.testing.assert_allclose(values, loss(evaluator.probabilities(weights, inputs))[0], atol=1e-12)
    np.testing.assert_allclose(gradient, central_difference(evaluator, weights, inputs, loss), atol=1e-7)
    assert np.abs(gradient).max() > 1e-3


def test_swarm_gradient_is_that_of_each_particle_and_chunking_changes_nothing():
    spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", sharing="site", n_outcomes=2)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(2, 3, spec.n_weights))
    inputs = rng.normal(size=(5, 8))
    loss = quadratic_loss(rng.normal(size=(5, 2)))
    roomy = PauliEvaluator(spec, NoiseModel())
    tight = PauliEvaluator(spec, NoiseModel(), memory_budget=2**15)
    values, gradient = roomy.loss_and_gradient(weights, inputs, loss)
    assert values.shape == (2, 3)
    again = tight.loss_and_gradient(weights, inputs, loss)
    np.testing.assert_allclose(values, again[0], atol=1e-13)
    np.testing.assert_allclose(gradient, again[1], atol=1e-13)
    one = roomy.loss_and_gradient(weights[1, 2], inputs, loss)
    np.testing.assert_allclose(gradient[1, 2], one[1], atol=1e-13)


def test_single_precision_is_close_to_double():
    spec = VQCNNSpec(
        n_qubits=6, plan="conv, edge, conv, edge, conv", kernels="su4", sharing="site", n_outcomes=4
    )
    rng = np.random.default_rng(2)
    weights, inputs = rng.normal(size=(2, spec.n_weights)), rng.normal(size=(20, 12))
    double = PauliEvaluator(spec).probabilities(weights, inputs)
    single = PauliEvaluator(spec, dtype=np.float32).probabilities(weights, inputs)
    assert 0 < np.abs(double - single).max() < 1e-5
