"""Equal contents mean equal matrices: over gates, errors and instructions that look alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Instruction, Parameter
from qiskit.circuit.library import (
    CRXGate,
    CXGate,
    CYGate,
    CZGate,
    ECRGate,
    PauliEvolutionGate,
    PhaseGate,
    RXGate,
    RXXGate,
    RZGate,
    RZXGate,
    RZZGate,
    SXGate,
    UnitaryGate,
    XGate,
)
from qiskit.quantum_info import Kraus, Operator, SparsePauliOp, SuperOp, random_unitary
from qiskit_aer.noise import (
    QuantumError,
    amplitude_damping_error,
    coherent_unitary_error,
    depolarizing_error,
    pauli_error,
    thermal_relaxation_error,
)
from qiskit_aer.noise.errors.base_quantum_error import QuantumChannelInstruction

from qkd_qiskit.simulation.content import content_of
from qkd_qiskit.simulation.ptm import channel_ptm

ANGLES = st.sampled_from([0.0, 0.1, 0.10000000000000002, np.pi / 2, -0.1])
RATES = st.sampled_from([0.0, 0.05, 0.05000000000000001, 0.3])
ROTATIONS = (RXGate, RZGate, PhaseGate, RXXGate, RZXGate, RZZGate, CRXGate)
FIXED = (XGate, SXGate, CXGate, CYGate, CZGate, ECRGate)


@st.composite
def channels(draw):
    """Draw a gate, an error, or an error as an instruction; few values, so that many are equal."""
    kind = draw(st.sampled_from(["rotation", "fixed", "control", "unitary", "error", "idle"]))
    if kind == "rotation":
        return draw(st.sampled_from(ROTATIONS))(draw(ANGLES))
    if kind == "fixed":
        return draw(st.sampled_from(FIXED))()
    if kind == "control":
        return draw(st.sampled_from([CXGate, CYGate, CZGate]))(ctrl_state=draw(st.integers(0, 1)))
    if kind == "unitary":
        return UnitaryGate(random_unitary(2, seed=draw(st.integers(0, 2))))
    rate, n = draw(RATES), draw(st.integers(1, 2))
    makers = {
        "depolarizing": lambda: depolarizing_error(rate, n),
        "damping": lambda: amplitude_damping_error(rate),
        "pauli": lambda: pauli_error([("X" * n, rate), ("I" * n, 1 - rate)]),
        "coherent": lambda: coherent_unitary_error(RXGate(rate).to_matrix()),
        "short t2": lambda: thermal_relaxation_error(1.0, 0.5, rate),
        "long t2": lambda: thermal_relaxation_error(1.0, 1.5, rate),
    }
    error = makers[draw(st.sampled_from(sorted(makers)))]()
    if draw(st.booleans()):
        error = error.compose(depolarizing_error(0.1, error.num_qubits))
    return QuantumChannelInstruction(error) if kind == "idle" else error


@settings(max_examples=150, deadline=None)
@given(channels(), channels())
def test_equal_contents_are_equal_matrices(one, other):
    keys = content_of(one), content_of(other)
    assert None not in keys
    assert hash(keys[0]) == hash(content_of(one))
    matrices = [SuperOp(c if isinstance(c, QuantumError) else _circuit(c)).data for c in (one, other)]
    if keys[0] == keys[1]:
        np.testing.assert_array_equal(*matrices)
    if matrices[0].shape != matrices[1].shape or np.abs(matrices[0] - matrices[1]).max() > 1e-9:
        assert keys[0] != keys[1]


def _circuit(operation):
    circuit = QuantumCircuit(operation.num_qubits)
    circuit.append(operation, range(operation.num_qubits))
    return circuit


def _defined(angle):
    gate = Gate("mine", 1, [])
    gate.definition = _circuit(RXGate(angle))
    return gate


class _Bent(RXGate):
    """Has another matrix than its parent."""

    def __array__(self, dtype=None, copy=None):
        return RXGate(2 * self.params[0]).to_matrix()


@pytest.mark.parametrize(
    "uncertain",
    [
        _defined(0.3),
        RXGate(Parameter("t")),
        _Bent(0.3),
        PauliEvolutionGate(SparsePauliOp("XX"), 0.3),
        UnitaryGate(random_unitary(2, seed=1)).control(),
        Instruction("opaque", 1, 0, []),
        QuantumError([(_circuit(_defined(0.3)), 1.0)]),
        Kraus(np.eye(2)),
    ],
    ids=lambda c: getattr(c, "name", type(c).__name__),
)
def test_what_may_mean_anything_has_no_key(uncertain):
    assert content_of(uncertain) is None


def test_gates_of_one_name_keep_their_own_matrices():
    for angle in (0.3, 0.7, 0.3):
        expected = np.eye(4)
        expected[2:, 2:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        np.testing.assert_allclose(channel_ptm(_defined(angle)), expected, atol=1e-12)
        np.testing.assert_allclose(channel_ptm(RXGate(angle)), expected, atol=1e-12)


def test_matrices_are_shared_and_cannot_be_written_to():
    one, other = (channel_ptm(amplitude_damping_error(0.2)) for _ in range(2))
    assert one is other
    with pytest.raises(ValueError, match="read-only"):
        one[0, 0] = 2.0


def test_places_and_order_within_an_error_count():
    def error(first, second):
        circuit = QuantumCircuit(2)
        circuit.x(first)
        circuit.append(RZGate(0.4), [second])
        return QuantumError([(circuit, 1.0)])

    there, here = channel_ptm(error(0, 1)), channel_ptm(error(1, 0))
    assert np.abs(there - here).max() > 0.1
    assert Operator(error(0, 1).circuits[0]) != Operator(error(1, 0).circuits[0])
