"""Predicted beside measured times of the ideal paths; run by `make bench`."""

from __future__ import annotations

import numpy as np
import pytest
from engine_peers import bench_spec, shortest
from numpy.typing import NDArray
from qiskit_aer.noise import NoiseModel
from threadpoolctl import threadpool_limits

from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

# The choice may miss the faster path where both are close, but not by more than this.
WORST_CHOICE = 2.5


@pytest.mark.parametrize("n_qubits", [4, 6, 8, 10])
def test_the_cost_model_chooses_well(n_qubits: int) -> None:
    spec = bench_spec(n_qubits)
    # An empty noise model keeps this one on the Pauli path.
    exact, states = PauliEvaluator(spec, NoiseModel()), PauliEvaluator(spec)._states
    assert states is not None
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, spec.n_weights))
    print(f"\nIdeal paths, {n_qubits} qubits, milliseconds a particle (predicted):")
    with threadpool_limits(1):
        for n_samples in (1, 10, 100, 500, 2000):
            inputs = rng.normal(size=(n_samples, spec.n_features))
            predicted = exact.seconds(n_samples), states.seconds(n_samples)
            measured = (
                shortest(lambda x=inputs: exact.probabilities(weights, x)) / 4,
                shortest(lambda x=inputs: states.probabilities(weights, x)) / 4,
            )
            print(
                f"  {n_samples:4d} samples   Pauli {1e3 * measured[0]:8.3f} ({1e3 * predicted[0]:8.3f})"
                f"   states {1e3 * measured[1]:8.3f} ({1e3 * predicted[1]:8.3f})"
            )
            chosen = measured[int(predicted[1] < predicted[0])]
            assert chosen <= WORST_CHOICE * min(measured)


def test_the_basis_goes_through_where_that_costs_less(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = [*["conv"] * 8, "edge", *["conv"] * 8, "edge", *["conv"] * 8]
    spec = VQCNNSpec(8, encoding="amplitude", plan=plan, kernels="su4", sharing="site", n_outcomes=10)
    states = PauliEvaluator(spec, dtype=np.float32)._states
    assert states is not None
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(1, spec.n_weights))
    print(f"\nGradient of {len(spec.blocks)} blocks, single precision, milliseconds (predicted for double):")
    with threadpool_limits(1):
        for n_samples in (100, 500, 2000, 8000):
            inputs = rng.normal(size=(n_samples, spec.n_features))
            inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
            predicted = states._costs(n_samples, gradient=True)
            measured = []
            for mixes in (False, True):
                monkeypatch.setattr(states, "_mixes", lambda n, *, gradient, mixes=mixes: mixes)
                measured.append(
                    shortest(lambda x=inputs: states.loss_and_gradient(weights, x, _sum_of_squares))
                )
            print(
                f"  {n_samples:4d} samples   as they are {1e3 * measured[0]:6.1f} ({1e3 * predicted[0]:6.1f})"
                f"   by basis states {1e3 * measured[1]:6.1f} ({1e3 * predicted[1]:6.1f})"
            )
            assert measured[int(predicted[1] < predicted[0])] <= WORST_CHOICE * min(measured)


def _sum_of_squares(p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (p**2).sum(axis=(1, 2)), 2 * p
