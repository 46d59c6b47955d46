"""Gradients by state vectors against those of the Pauli sweep, which shares no arithmetic with them."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.simulation import PauliEvaluator, state_vector
from qkd_qiskit.simulation.gate_fusion import MOST_QUBITS, plan_groups
from qkd_qiskit.vqcnn import VQCNNSpec

SPECS = {
    "one pair": VQCNNSpec(2, plan="conv", kernels="su4", n_outcomes=2),
    "odd width, wide tree": VQCNNSpec(7, plan="conv, tree, conv", kernels="su4", n_outcomes=3),
    "edge, shared weights": VQCNNSpec(
        6, plan="conv, edge, conv, edge, conv", kernels="su4", sharing="layer", n_outcomes=4
    ),
    "amplitude": VQCNNSpec(
        5, encoding="amplitude", plan="conv, conv, edge, conv", kernels="su4", sharing="site", n_outcomes=4
    ),
    "parametrized pairs": VQCNNSpec(4, plan="conv, tree", kernels="RY0 CRX01 CRZ10 CX01", n_outcomes=2),
}


def problem(spec, n_samples, *, particles=2):
    rng = np.random.default_rng(n_samples)
    weights = rng.uniform(-np.pi, np.pi, (particles, spec.n_weights))
    inputs = ENCODINGS[spec.encoding].random_inputs(spec.n_qubits, n_samples, rng=rng)
    factors = rng.normal(size=(n_samples, 2**spec.n_measured)) / n_samples

    def loss(p):
        return (factors * p**2).sum(axis=(1, 2)), 2 * factors * p

    return weights, inputs, loss


def by_sweep(source, weights, inputs, loss):
    evaluator = PauliEvaluator(source)
    evaluator.__dict__["_states"] = None
    return evaluator.loss_and_gradient(weights, inputs, loss)


@pytest.mark.parametrize("n_samples", [1, 6])
@pytest.mark.parametrize("name", SPECS)
def test_both_ways_give_the_same_gradient(name, n_samples):
    spec = SPECS[name]
    weights, inputs, loss = problem(spec, n_samples)
    values, gradient = PauliEvaluator(spec)._states.loss_and_gradient(weights, inputs, loss)
    expected = by_sweep(spec, weights, inputs, loss)
    np.testing.assert_allclose(values, expected[0], atol=1e-12)
    np.testing.assert_allclose(gradient, expected[1], atol=1e-12)
    assert np.abs(gradient).max() > 1e-4


@pytest.fixture
def through_the_basis(monkeypatch):
    """Every evaluation sends the basis states through the circuit."""
    monkeypatch.setattr(
        state_vector.StateVectorSimulator, "_mixes", lambda self, n_samples, *, gradient: True
    )


@pytest.mark.usefixtures("through_the_basis")
@pytest.mark.parametrize("n_samples", [1, 6])
@pytest.mark.parametrize("name", SPECS)
def test_mixtures_of_basis_states_give_the_same(name, n_samples):
    spec = SPECS[name]
    weights, inputs, loss = problem(spec, n_samples)
    sweep = PauliEvaluator(spec)._states
    values, gradient = sweep.loss_and_gradient(weights, inputs, loss)
    expected = by_sweep(spec, weights, inputs, loss)
    np.testing.assert_allclose(values, expected[0], atol=1e-12)
    np.testing.assert_allclose(gradient, expected[1], atol=1e-12)
    np.testing.assert_allclose(
        sweep.probabilities(weights, inputs),
        PauliEvaluator(spec, NoiseModel()).probabilities(weights, inputs),
        atol=1e-12,
    )


@pytest.mark.usefixtures("through_the_basis")
def test_mixtures_serve_a_routed_circuit_with_ideal_input_states():
    spec = VQCNNSpec(
        4, encoding="amplitude", plan="conv, tree, conv", kernels="su4", sharing="site", n_outcomes=4
    )
    transpiled = transpile_verified(spec, load_backend("ibm_torino"), seed=3)
    weights, inputs, loss = problem(spec, 5, particles=1)
    found = PauliEvaluator(transpiled)._states.loss_and_gradient(weights, inputs, loss)
    expected = by_sweep(transpiled, weights, inputs, loss)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-12)


def test_many_samples_of_a_deep_circuit_go_through_the_basis():
    spec = VQCNNSpec(6, encoding="amplitude", plan=["conv"] * 8, kernels="su4", n_outcomes=4)
    sweep = PauliEvaluator(spec)._states
    assert not sweep._mixes(2, gradient=True)
    assert sweep._mixes(2000, gradient=True)
    assert sweep.seconds(2000, gradient=True) < 2000 / 64 * sweep.seconds(64, gradient=True)


def test_a_transpiled_and_routed_circuit_has_the_same_gradient():
    spec = SPECS["odd width, wide tree"]
    transpiled = transpile_verified(spec, load_backend("ibm_torino"), seed=3)
    weights, inputs, loss = problem(spec, 4, particles=1)
    found = PauliEvaluator(transpiled)._states.loss_and_gradient(weights, inputs, loss)[1]
    np.testing.assert_allclose(found, by_sweep(transpiled, weights, inputs, loss)[1], atol=1e-12)


@pytest.mark.parametrize("mixes", [False, True])
def test_slices_of_samples_change_nothing(monkeypatch, mixes):
    monkeypatch.setattr(
        state_vector.StateVectorSimulator, "_mixes", lambda self, n_samples, *, gradient: mixes
    )
    spec = SPECS["amplitude"]
    weights, inputs, loss = problem(spec, 11)
    whole = PauliEvaluator(spec)._states.loss_and_gradient(weights, inputs, loss)
    monkeypatch.setattr(
        state_vector, "sample_slices", lambda n, width: [slice(k, k + 3) for k in range(0, n, 3)]
    )
    sliced = PauliEvaluator(spec)._states.loss_and_gradient(weights, inputs, loss)
    np.testing.assert_allclose(sliced[0], whole[0], atol=1e-13)
    np.testing.assert_allclose(sliced[1], whole[1], atol=1e-13)


def test_single_precision_states_are_close():
    spec = SPECS["edge, shared weights"]
    weights, inputs, loss = problem(spec, 9)
    exact = PauliEvaluator(spec)._states.loss_and_gradient(weights, inputs, loss)[1]
    close = PauliEvaluator(spec, dtype=np.float32)._states.loss_and_gradient(weights, inputs, loss)[1]
    np.testing.assert_allclose(close, exact, atol=1e-5)
    assert np.abs(close - exact).max() > 0


@pytest.mark.parametrize("name", SPECS)
def test_groups_hold_every_block_once_and_keep_the_order_on_every_qubit(name):
    compiled = PauliEvaluator(SPECS[name])._states._compiled
    groups = plan_groups(compiled)
    flat = [k for group in groups for k in group.blocks]
    assert sorted(flat) == list(range(len(compiled.blocks)))
    assert all(len(group.qubits) <= MOST_QUBITS for group in groups)
    for qubit in range(compiled.n_qubits):
        mine = [k for k in flat if qubit in (compiled.blocks[k].first, compiled.blocks[k].second)]
        assert mine == sorted(mine)
