"""Wide circuits: against density matrices up to ten qubits, against sampled trajectories above twelve."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit_aer.noise import NoiseModel, ReadoutError, amplitude_damping_error, depolarizing_error

from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator, SamplerEvaluator, count_agreement
from qkd_qiskit.vqcnn import VQCNNSpec


def narrowing(n_qubits, pooling="edge", kernel="su4"):
    layers = (n_qubits - 2) // 2 if pooling == "edge" else 2
    plan = f"conv, {pooling}, " * layers + "conv"
    return VQCNNSpec(n_qubits, plan=plan, kernels=kernel, sharing="site", n_outcomes=4)


@pytest.fixture
def noise():
    model = NoiseModel()
    model.add_all_qubit_quantum_error(amplitude_damping_error(0.01), ["rz", "ry"])
    model.add_all_qubit_quantum_error(depolarizing_error(0.02, 2), ["rxx", "ryy", "rzz", "cx"])
    model.add_all_qubit_readout_error(ReadoutError([[0.98, 0.02], [0.05, 0.95]]))
    return model


@pytest.mark.parametrize("pooling", ["edge", "tree"])
def test_ten_noisy_qubits_equal_density_matrices(noise, pooling):
    spec = narrowing(10, pooling)
    rng = np.random.default_rng(1)
    weights, inputs = rng.normal(size=(1, spec.n_weights)), rng.normal(size=(1, 20))
    exact = PauliEvaluator(spec, noise).probabilities(weights, inputs)
    assert np.abs(exact - AerEvaluator(spec, noise).probabilities(weights, inputs)).max() < 1e-7


@pytest.mark.parametrize(
    ("n_qubits", "shots", "n_inputs"),
    [(13, 120, 1), pytest.param(16, 200, 1, marks=pytest.mark.long)],
)
def test_more_than_twelve_noisy_qubits_give_the_counts_of_trajectories(noise, n_qubits, shots, n_inputs):
    # Few gates: each shot of a trajectory runs them all.
    spec = narrowing(n_qubits, kernel="RY0 RX1 CX01")
    rng = np.random.default_rng(2)
    # Near |0>, so that there is something for the noise to damp.
    weights = 0.1 * rng.normal(size=spec.n_weights)
    inputs = rng.uniform(-1.6, -1.3, (n_inputs, 2 * n_qubits))
    exact = PauliEvaluator(spec, noise).probabilities(weights, inputs)
    counts = SamplerEvaluator(spec, noise, shots=shots, seed=3).sample(weights, inputs).counts
    assert count_agreement(counts, exact).agrees
    # The test sees a wrong answer: the same counts do not fit the ideal circuit.
    ideal = PauliEvaluator(spec).probabilities(weights, inputs)
    assert not count_agreement(counts, ideal).agrees


def test_states_under_noise_may_be_sampled_shot_by_shot(noise, monkeypatch):
    monkeypatch.setattr("qkd_qiskit.simulation.sampler._WIDEST_DENSITY", 2)
    spec = VQCNNSpec(3, "amplitude", "conv, conv", "RY0 RX1 CX01", "site", 4)
    rng = np.random.default_rng(5)
    weights = rng.normal(size=spec.n_weights)
    inputs = ENCODINGS["amplitude"].random_inputs(3, 2, rng=rng)
    counts = SamplerEvaluator(spec, noise, shots=3000, seed=3).sample(weights, inputs).counts
    assert count_agreement(counts, PauliEvaluator(spec, noise).probabilities(weights, inputs)).agrees
    assert not count_agreement(counts, PauliEvaluator(spec).probabilities(weights, inputs)).agrees


def test_sixteen_qubits_with_a_gradient_fit_the_default_budget(noise):
    spec = narrowing(16)
    rng = np.random.default_rng(4)
    weights, inputs = rng.normal(size=spec.n_weights), rng.normal(size=(3, 32))
    evaluator = PauliEvaluator(spec, noise)

    def loss(p):
        return (p**2).sum((1, 2)), 2 * p

    value, gradient = evaluator.loss_and_gradient(weights, inputs, loss)
    direction = rng.normal(size=spec.n_weights)
    step = 1e-5 * direction
    above, below = (loss(evaluator.probabilities(weights[None] + s, inputs))[0][0] for s in (step, -step))
    assert value == pytest.approx(loss(evaluator.probabilities(weights[None], inputs))[0][0], rel=1e-12)
    assert gradient @ direction == pytest.approx((above - below) / 2e-5, rel=1e-6)


def test_the_plan_is_told_with_its_clusters_and_costs():
    evaluator = PauliEvaluator(narrowing(8), NoiseModel())
    lines = evaluator.plan_table(500).splitlines()
    plan = evaluator.plan(500)
    assert len(lines) == 1 + len(plan.sample_steps) + len(plan.observable_steps) + 1 + 1
    assert [line.split()[0] for line in lines[1:-2]] == ["samples"] * len(plan.sample_steps) + [
        "observables"
    ] * len(plan.observable_steps)
    assert lines[-1].startswith("one particle, 500 samples, 3 strings: ")
    # First convolution on four neighbouring pairs: products of 16 x 16 matrices with 500 samples.
    assert lines[1].split() == ["samples", "0", "0-1", "0-1", str(16 * 500), "2.56e+05", str(16 * 500 * 8)]
