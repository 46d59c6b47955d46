"""Times of the noisy simulators on the quickstart's largest circuit; run by `make bench`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from qkd_qiskit.hardware import TranspiledVQCNN, load_backend, transpile_verified
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

DEVICE = "ibm_torino"
SAMPLES = 500
PARTICLES = 10


@pytest.fixture(scope="module")
def transpiled() -> TranspiledVQCNN:
    return transpile_verified(VQCNNSpec(8, sharing="site", n_outcomes=4), DEVICE)


def _seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of a few runs: the one that was disturbed least."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def _sum(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return probabilities[..., 0].sum(axis=-1), np.zeros_like(probabilities)


def test_pauli_engine(transpiled: TranspiledVQCNN) -> None:
    rng = np.random.default_rng(0)
    evaluator = PauliEvaluator(transpiled, load_backend(DEVICE).noise_model)
    weights = rng.uniform(-np.pi, np.pi, (PARTICLES, transpiled.spec.n_weights))
    inputs = rng.uniform(-np.pi / 2, np.pi / 2, (SAMPLES, transpiled.spec.n_features))
    forward = _seconds(lambda: evaluator.probabilities(weights, inputs)) / PARTICLES
    reverse = _seconds(lambda: evaluator.loss_and_gradient(weights[0], inputs, _sum))
    print(f"\nPauli engine, 8 qubits, {DEVICE}, {SAMPLES} samples:")
    print(f"  probabilities  {1e3 * forward:8.1f} ms a particle")
    print(f"  with gradient  {1e3 * reverse:8.1f} ms a particle ({reverse / forward:.1f} times)")


def test_aer(transpiled: TranspiledVQCNN) -> None:
    rng = np.random.default_rng(0)
    evaluator = AerEvaluator(transpiled, load_backend(DEVICE).noise_model)
    weights = rng.uniform(-np.pi, np.pi, transpiled.spec.n_weights)
    inputs = rng.uniform(-np.pi / 2, np.pi / 2, (10, transpiled.spec.n_features))
    seconds = _seconds(lambda: evaluator.probabilities(weights, inputs), repeats=1) / len(inputs)
    print(f"\nAer, the same circuit:\n  probabilities  {1e3 * seconds:8.1f} ms a sample")
