"""The global model through samplers of a user's own."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_aer import AerSimulator

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.experiment.sampled import Sampling
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.training import TrainedModel
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(3, plan="conv, edge", kernels="two_cx", n_outcomes=2)


@pytest.fixture
def model():
    params = np.append(np.random.default_rng(3).uniform(-2, 2, SPEC.n_weights), 0.0)
    return TrainedModel(
        params=params,
        n_outcomes=2,
        reject=False,
        loss=0.0,
        loss_start=0.0,
        loss_swarm=0.0,
        swarm_history=(),
        refine_history=(),
        evaluations=0,
        gradients=0,
    )


def line(n_qubits):
    edges = [[k, k + 1] for k in range(n_qubits - 1)]
    return GenericBackendV2(n_qubits, ["rz", "sx", "x", "cx"], coupling_map=edges, seed=1)


def sure_inputs(model):
    """Inputs whose class no noise of shots changes."""
    inputs = np.random.default_rng(0).uniform(-1.5, 1.5, (300, SPEC.n_features))
    p = PauliEvaluator(SPEC).probabilities(model.params[:-1], inputs)
    sure = np.abs(p[:, 0] - p[:, 1]) > 0.5
    return inputs[sure][:12], p[sure][:12].argmax(axis=1)


@pytest.mark.parametrize("kind", ["state vector", "simulator without couplings", "device"])
def test_any_sampler_answers_as_the_exact_engine_does(model, kind):
    sampler = {
        "state vector": lambda: StatevectorSampler(seed=np.random.default_rng(1)),
        "simulator without couplings": lambda: BackendSamplerV2(backend=AerSimulator(seed_simulator=1)),
        "device": lambda: BackendSamplerV2(backend=line(5)),
    }[kind]()
    inputs, expected = sure_inputs(model)
    assert len(inputs) > 3
    found = Sampling(sampler, 400).predictions(SPEC, model, inputs, seed=0)
    np.testing.assert_array_equal(found.noisy, expected)
    assert (found.ideal, found.noise, found.weights) == (None, "own sampler", SPEC.n_weights + 1)
    # On a line nothing is routed: as many gates as the structure has.
    assert found.two_qubit_gates == (SPEC.n_two_qubit if kind == "device" else None)


def test_a_sampler_whose_backend_is_too_small_is_told(model):
    sampler = BackendSamplerV2(backend=line(2))
    with pytest.raises(HardwareError, match="sampler: "):
        Sampling(sampler, 10).predictions(SPEC, model, np.zeros((1, SPEC.n_features)), seed=0)
