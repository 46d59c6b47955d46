"""Structures that measure other qubits than the first survivors, on all routes."""

from __future__ import annotations

import numpy as np
import pytest

from qkd_qiskit.hardware import load_backend
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator, compile_model
from qkd_qiskit.vqcnn import VQCNNSpec


@pytest.mark.parametrize(
    ("measured", "plan", "kernel"),
    [([2], "conv, edge", "one_cx"), ([1, 3], "conv", "su4"), ([3], "conv, tree", "su4")],
)
def test_engine_and_aer_agree_with_and_without_noise(measured, plan, kernel):
    spec = VQCNNSpec(4, "angle", plan, kernel, "site", 2 ** len(measured), measured)
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=(1, spec.n_weights)), rng.normal(size=(3, spec.n_features))
    ideal = AerEvaluator(spec).probabilities(weights, inputs)
    compiled = compile_model(spec, load_backend("ibm_guadalupe"))
    np.testing.assert_allclose(PauliEvaluator(spec).probabilities(weights, inputs), ideal, atol=1e-9)
    np.testing.assert_allclose(
        PauliEvaluator(compiled.circuit).probabilities(weights, inputs), ideal, atol=1e-9
    )
    noisy = AerEvaluator(compiled.circuit, compiled.noise).probabilities(weights, inputs)
    np.testing.assert_allclose(compiled.noisy.probabilities(weights, inputs), noisy, atol=1e-7)
    plain = VQCNNSpec(4, "angle", plan, kernel, "site", 2 ** len(measured))
    assert np.abs(AerEvaluator(plain).probabilities(weights, inputs) - ideal).max() > 1e-3
