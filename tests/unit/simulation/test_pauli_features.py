"""Pauli features against Qiskit's own expectation values, and outcomes that are linear in them."""

from itertools import combinations, product

import numpy as np
import pytest
from qiskit.quantum_info import Pauli, Statevector

from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.simulation.pauli_features import light_cone, pauli_features
from qkd_qiskit.vqcnn import VQCNNSpec

ONCE = sorted(name for name, encoding in ENCODINGS.items() if not encoding.comes_again)


def _state(spec, row):
    """The encoded state, by Qiskit."""
    if not spec.executable:
        return Statevector(spec.input_encoding.states(row[None])[0])
    return Statevector(spec.input_encoding.circuit(spec.n_qubits).assign_parameters(row))


@pytest.mark.parametrize("encoding", ONCE)
def test_they_are_the_expectation_values_of_the_encoded_state(encoding):
    spec = VQCNNSpec(3, encoding, n_outcomes=2)
    inputs = spec.input_encoding.random_inputs(3, 4, rng=np.random.default_rng(0))
    found = pauli_features(spec, inputs, 2)
    strings = [{q: letter} for q in range(3) for letter in "XYZ"]
    strings += [{q: a, r: b} for q, r in combinations(range(3), 2) for a, b in product("XYZ", repeat=2)]
    labels = ["".join(string.get(q, "I") for q in reversed(range(3))) for string in strings]
    expected = [
        [_state(spec, row).expectation_value(Pauli(label)).real for label in labels] for row in inputs
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(pauli_features(spec, inputs, 1), found[:, :9])


@pytest.mark.parametrize("encoding", ONCE)
def test_outcomes_of_two_qubits_are_linear_in_them(encoding):
    """On two qubits two bodies are all: no residual remains, whatever the weights."""
    spec = VQCNNSpec(2, encoding, plan="conv, conv", n_outcomes=4)
    rng = np.random.default_rng(1)
    inputs = spec.input_encoding.random_inputs(2, 60, rng=rng)
    p = PauliEvaluator(spec).probabilities(rng.uniform(-3, 3, spec.n_weights), inputs)
    features = np.column_stack([np.ones(60), pauli_features(spec, inputs, 2)])
    solved = np.linalg.lstsq(features, p, rcond=None)[0]
    np.testing.assert_allclose(features @ solved, p, atol=1e-9)


def test_without_entanglement_one_body_of_the_measured_qubit_is_all():
    spec = VQCNNSpec(3, plan="conv", kernels="RY0 RZ0 RY1", n_outcomes=2)
    assert light_cone(spec) == spec.measured_qubits == (0,)
    rng = np.random.default_rng(1)
    inputs = ENCODINGS["angle"].random_inputs(3, 40, rng=rng)
    p = PauliEvaluator(spec).probabilities(rng.uniform(-3, 3, spec.n_weights), inputs)
    features = np.column_stack([np.ones(40), pauli_features(spec, inputs, 1)])
    assert features.shape == (40, 4)
    solved = np.linalg.lstsq(features, p, rcond=None)[0]
    np.testing.assert_allclose(features @ solved, p, atol=1e-9)


@pytest.mark.parametrize("plan", ["conv", "conv, conv", "conv, edge, conv", "tree, tree"])
def test_qubits_outside_the_light_cone_change_nothing(plan):
    spec = VQCNNSpec(6, plan=plan, n_outcomes=2)
    rng = np.random.default_rng(2)
    weights = rng.uniform(-3, 3, spec.n_weights)
    inputs = ENCODINGS["angle"].random_inputs(6, 5, rng=rng)
    before = PauliEvaluator(spec).probabilities(weights, inputs)
    for qubit in range(6):
        moved = inputs.copy()
        moved[:, 2 * qubit] += 0.7
        changed = np.abs(PauliEvaluator(spec).probabilities(weights, moved) - before).max() > 1e-9
        assert changed == (qubit in light_cone(spec))


@pytest.mark.parametrize("bodies", [0, 3])
def test_other_numbers_of_bodies_are_refused(bodies):
    with pytest.raises(SimulationError, match=f"Pauli features: expected 1 or 2 bodies, found {bodies}"):
        pauli_features(VQCNNSpec(2), np.zeros((1, 4)), bodies)


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(SimulationError, match=r"expected inputs \[N, 4\]"):
        pauli_features(VQCNNSpec(2), np.zeros((1, 3)), 1)


@pytest.mark.parametrize("encoding", sorted(set(ENCODINGS) - set(ONCE)))
def test_inputs_that_come_again_are_refused(encoding):
    spec = VQCNNSpec(3, encoding)
    with pytest.raises(
        SimulationError, match=f"inputs in front of all blocks, found the encoding {encoding}"
    ):
        pauli_features(spec, np.zeros((1, spec.n_features)), 1)
