"""Rotations by inputs behind weights: exact, with noise and without; refused where they cost too much."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import ParameterVector
from qiskit_aer.noise import NoiseModel, ReadoutError, amplitude_damping_error, depolarizing_error

from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator, compile_model
from qkd_qiskit.vqcnn import VQCNNSpec, default_plan

SPEC = VQCNNSpec(4, "reupload", "conv, edge, conv", "su4", "site", 4)


def measured(circuit, spec, x, w):
    return SimpleNamespace(
        circuit=circuit, spec=spec, x=x, w=w, input_qubits=tuple(range(circuit.num_qubits))
    )


@st.composite
def mixed_circuits(draw):
    """Gates by inputs, by weights and by neither, in any order, on three to five qubits."""
    n = draw(st.integers(3, 5))
    names = st.sampled_from(["input", "input", "weight", "cx", "rzz", "sx"])
    gates = draw(
        st.lists(
            st.tuples(names, st.sampled_from("xyz"), st.permutations(range(n)), st.integers(0, 5)),
            min_size=4,
            max_size=16,
        )
    )
    return n, gates, draw(st.permutations(range(n)))[:2], draw(st.integers(0, 2**32 - 1))


def built(n, gates, bits):
    spec = VQCNNSpec(n, plan="conv", kernels="su4", sharing="site", n_outcomes=4)
    x, w = ParameterVector("x", 2 * n), ParameterVector("w", spec.n_weights)
    circuit = QuantumCircuit(QuantumRegister(n), ClassicalRegister(2, "meas"))
    for name, axis, order, number in gates:
        if name in ("input", "weight"):
            angle = 0.3 + 0.7 * x[number] if name == "input" else w[number] - 0.2
            getattr(circuit, f"r{axis}")(angle, order[0])
        elif name == "rzz":
            circuit.rzz(w[number], order[0], order[1])
        elif name == "cx":
            circuit.cx(order[0], order[1])
        else:
            circuit.sx(order[0])
    circuit.measure(bits, [0, 1])
    return measured(circuit, spec, x, w)


def noise():
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.03, 2), ["cx", "rzz"])
    model.add_all_qubit_quantum_error(amplitude_damping_error(0.04), ["rx", "ry"])
    model.add_all_qubit_quantum_error(depolarizing_error(0.02, 1), ["rz", "sx"])
    model.add_all_qubit_readout_error(ReadoutError([[0.97, 0.03], [0.06, 0.94]]))
    return model


@settings(max_examples=25)
@given(mixed_circuits())
def test_random_mixed_circuits_equal_aer_under_noise(case):
    n, gates, bits, seed = case
    made, model = built(n, gates, bits), noise()
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-np.pi, np.pi, (2, made.spec.n_weights))
    inputs = rng.uniform(-1.5, 1.5, (3, 2 * n))
    exact = PauliEvaluator(made, model).probabilities(weights, inputs)
    np.testing.assert_allclose(exact, AerEvaluator(made, model).probabilities(weights, inputs), atol=1e-7)


@settings(max_examples=8)
@given(mixed_circuits())
def test_gradients_equal_finite_differences(case):
    n, gates, bits, seed = case
    made = built(n, gates, bits)
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-np.pi, np.pi, made.spec.n_weights)
    inputs, factors = rng.uniform(-1.5, 1.5, (3, 2 * n)), rng.normal(size=(3, 4))

    def loss(p):
        return (factors * p**2).sum((-1, -2)), 2 * factors * p

    evaluator = PauliEvaluator(made, noise())
    _, gradient = evaluator.loss_and_gradient(weights, inputs, loss)
    step = 1e-5
    for k in range(6):
        moved = weights + step * np.outer([1, -1], np.arange(len(weights)) == k)
        up, down = loss(evaluator.probabilities(moved, inputs))[0]
        assert gradient[k] == pytest.approx((up - down) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("device", ["ibm_guadalupe", "ibm_torino", "ion_trap"])
def test_native_circuits_with_idle_noise_equal_aer(device):
    model = compile_model(SPEC, device, seed=1)
    rng = np.random.default_rng(2)
    weights = rng.uniform(-np.pi, np.pi, (2, SPEC.n_weights))
    inputs = SPEC.input_encoding.random_inputs(4, 3, rng=rng)
    exact = model.noisy.probabilities(weights, inputs)
    aer = AerEvaluator(model.circuit, model.noise).probabilities(weights, inputs)
    np.testing.assert_allclose(exact, aer, atol=1e-7)
    np.testing.assert_allclose(model.fast.probabilities(weights, inputs), exact, atol=1e-5)
    ideal = model.ideal.probabilities(weights, inputs)
    np.testing.assert_allclose(ideal, AerEvaluator(SPEC).probabilities(weights, inputs), atol=1e-9)
    assert np.abs(exact - ideal).max() > 1e-3


def test_inputs_between_the_first_blocks_cost_next_to_nothing():
    """They act while clusters have two qubits: the rest of the plan is that of the angle encoding."""
    shape = {"plan": default_plan(8, 10, depth=2), "sharing": "site", "n_outcomes": 10}
    again, once = (
        PauliEvaluator(VQCNNSpec(8, name, **shape), NoiseModel()) for name in ("reupload", "angle")
    )
    for gradient in (False, True):
        assert again.seconds(500, gradient=gradient) < 1.2 * once.seconds(500, gradient=gradient)


def late(n_qubits):
    """Inputs behind blocks that join all qubits, and again, and again."""
    spec = VQCNNSpec(n_qubits, plan="conv", kernels="one_cx", n_outcomes=2)
    x, w = ParameterVector("x", 2 * n_qubits), ParameterVector("w", 3)
    circuit = QuantumCircuit(QuantumRegister(n_qubits), ClassicalRegister(1, "meas"))
    for _ in range(6):
        for qubit in (*range(0, n_qubits - 1, 2), *range(1, n_qubits - 1, 2)):
            circuit.ry(w[0], qubit)
            circuit.cx(qubit, qubit + 1)
            circuit.ry(w[1], qubit + 1)
        for qubit in range(n_qubits):
            circuit.ry(x[qubit], qubit)
    circuit.measure(n_qubits // 2, 0)
    return measured(circuit, spec, x, w)


def test_inputs_that_would_cost_too_much_are_refused_with_the_limit():
    with pytest.raises(
        SimulationError, match=r"within the memory budget of 0\.016 GiB.*found 10 qubits at once, which need"
    ):
        PauliEvaluator(late(10), NoiseModel(), memory_budget=2**24)


def test_a_sum_of_input_and_weight_is_refused():
    x, w = ParameterVector("x", 4), ParameterVector("w", 15)
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(1, "meas"))
    circuit.ry(w[0], 0)
    circuit.rz(w[1] + x[0], 0)
    circuit.measure(0, 0)
    spec = VQCNNSpec(2, plan="conv", n_outcomes=2)
    with pytest.raises(
        SimulationError, match="by inputs alone, found 'rz' on qubits .*; put barriers around"
    ):
        PauliEvaluator(measured(circuit, spec, x, w))
    circuit.data.pop(1)
    circuit.data.pop(1)
    circuit.crx(x[0], 0, 1)
    circuit.measure(0, 0)
    with pytest.raises(SimulationError, match="in rotations of one qubit by inputs alone, found 'crx'"):
        PauliEvaluator(measured(circuit, spec, x, w))
