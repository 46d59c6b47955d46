import numpy as np
import pytest

from qkd_qiskit.config import StructureSettings, TrainingSettings
from qkd_qiskit.estimator import estimate_gate_budget
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.training import KernelSpace, Targets, device_candidates, native_cost, train_personal
from qkd_qiskit.vqcnn import Kernel, VQCNNSpec

STRUCTURE = StructureSettings(enabled=True, particles=3, iterations=1, samples=20, starts=2, steps=2)


@pytest.fixture(scope="module")
def device():
    return load_backend("ibm_guadalupe")


@pytest.fixture
def client(blobs, device):
    inputs, labels = blobs(2, n=40, n_features=8)
    inputs = 0.5 * inputs
    budget = estimate_gate_budget(inputs, labels, backend=device, n_qubits=4, kernel="two_cx")
    return budget, inputs, Targets(2, labels=labels)


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_model_has_index_counts_and_seed(client, device, noise, enabled):
    budget, inputs, targets = client
    structure = STRUCTURE.model_copy(update={"enabled": enabled})
    settings = TrainingSettings(particles=2, iterations=1, refine=2, structure=structure)
    found = train_personal(budget, device, inputs, targets, settings, noise=noise, seed=4)
    assert VQCNNSpec.from_index(found.index) == found.spec
    assert found.spec.plan == budget.spec.plan
    assert (found.search is not None) == enabled
    assert (found.spec == budget.spec) or enabled
    assert found.noise == (device.name if noise else None)
    assert found.seed == 4
    ops = found.transpiled.circuit.count_ops()
    assert found.two_qubit_gates == ops[device.two_qubit_gate] <= budget.two_qubit_gates
    assert found.model.weights.shape == (found.spec.n_weights,)
    if found.search is not None:
        assert str(found.spec.kernels[0]) == found.search.winner


def test_the_budget_grants_genes_and_native_gates(client):
    budget = client[0]
    space = KernelSpace.of_budget(budget)
    kernel = budget.spec.kernels[0]
    assert (space.n_genes, space.max_two_qubit) == (len(kernel.genes), native_cost(kernel))


def test_noise_makes_circuits_noisy_and_costs(client, device):
    spec = client[0].spec
    noisy, ideal = (device_candidates(spec, device, noise=noise) for noise in (True, False))
    assert ideal.log_success(spec) == 0.0
    cheap = noisy.spec(Kernel.from_string("RY0 CX01"))
    assert noisy.log_success(spec) < noisy.log_success(cheap) < 0
    assert noisy.two_qubit(cheap) < noisy.two_qubit(spec)
    assert ideal.two_qubit(cheap) == noisy.two_qubit(cheap)
    weights = np.full(spec.n_weights, 0.3)
    inputs = np.zeros((2, spec.n_features))
    truth = PauliEvaluator(spec).probabilities(weights, inputs)
    np.testing.assert_allclose(ideal.evaluator(spec).probabilities(weights, inputs), truth)
    assert np.abs(noisy.evaluator(spec).probabilities(weights, inputs) - truth).max() > 1e-3
