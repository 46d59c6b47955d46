"""Environments must reproduce the full evaluation, block by block, while weights change along the way."""

from __future__ import annotations

import numpy as np
import pytest

from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.simulation.local_environment import local_weights
from qkd_qiskit.vqcnn import VQCNNSpec


@pytest.mark.parametrize(
    ("n_qubits", "plan", "kernel", "sharing", "encoding", "n_outcomes"),
    [
        (2, "conv", "su4", "site", "angle", 2),
        (3, "edge", "RY0 RX1", "site", "angle", 2),
        (6, "conv, edge, conv, edge, conv", "su4", "site", "angle", 4),
        (5, "conv, tree, conv", "RX0 CRX10 RZ1 CX01 RY0", "site", "angle", 3),
        (4, "conv, edge, conv", "su4", "layer", "angle", 2),
        (4, "conv, tree, conv", "su4", "site", "amplitude", 4),
        (3, "conv", "su4", "site", "reupload", 4),
    ],
)
def test_environment_equals_full_evaluation(noise_zoo, n_qubits, plan, kernel, sharing, encoding, n_outcomes):
    spec = VQCNNSpec(
        n_qubits=n_qubits,
        plan=plan,
        kernels=kernel,
        sharing=sharing,
        encoding=encoding,
        n_outcomes=n_outcomes,
    )
    rng = np.random.default_rng(4)
    inputs = ENCODINGS[spec.encoding].random_inputs(spec.n_qubits, 5, rng=rng)
    weights = rng.uniform(-np.pi, np.pi, spec.n_weights)
    evaluator = PauliEvaluator(spec, noise_zoo)
    sweep = evaluator.environments(weights, inputs)
    moved: set[int] = set()
    for environment in sweep:
        own = list(environment.weights)
        candidates = np.tile(weights, (3, 1))
        candidates[:, own] = rng.uniform(-np.pi, np.pi, (3, len(own)))
        fast = environment.probabilities(environment.build(candidates))
        np.testing.assert_allclose(fast, evaluator.probabilities(candidates, inputs), atol=1e-12)
        weights = candidates[1]
        sweep.accept(weights)
        moved |= set(own)
    assert moved


def test_weights_of_one_block_are_those_that_change_only_its_matrix():
    spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", sharing="site", n_outcomes=2)
    local = local_weights(PauliEvaluator(spec)._compiled)
    flat = [weight for weights in local for weight in weights]
    assert len(flat) == len(set(flat))
    shared = VQCNNSpec(n_qubits=4, plan="conv", kernels="su4", sharing="layer", n_outcomes=4)
    assert all(weights == () for weights in local_weights(PauliEvaluator(shared)._compiled))


def test_accept_refuses_foreign_weights_and_needs_a_block():
    spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", sharing="site", n_outcomes=2)
    evaluator, weights, inputs = PauliEvaluator(spec), np.zeros(spec.n_weights), np.zeros((2, 8))
    with pytest.raises(SimulationError, match="expected a current block"):
        evaluator.environments(weights, inputs).accept(weights)
    sweep = evaluator.environments(weights, inputs)
    first = next(iter(sweep))
    foreign = next(k for k in range(spec.n_weights) if k not in first.weights)
    changed = weights.copy()
    changed[foreign] = 1.0
    with pytest.raises(SimulationError, match="expected changes of weights"):
        sweep.accept(changed)


def test_environment_refuses_what_exceeds_the_budget_and_swarms_of_weights():
    spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", sharing="site", n_outcomes=2)
    evaluator = PauliEvaluator(spec, memory_budget=2**20)
    with pytest.raises(SimulationError, match="memory budget"):
        evaluator.environments(np.zeros(spec.n_weights), np.zeros((1000, 8)))
    with pytest.raises(SimulationError, match="expected one weight vector"):
        evaluator.environments(np.zeros((2, spec.n_weights)), np.zeros((1, 8)))
