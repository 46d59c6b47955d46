"""What cannot be simulated exactly is refused with the reason and the way out, never approximated."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from qiskit import QuantumCircuit, QuantumRegister
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import Initialize, UnitaryGate
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator, use_threads
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(n_qubits=2, plan="conv", kernels="su4", sharing="site", n_outcomes=2)
X, W = ParameterVector("x", 4), ParameterVector("w", SPEC.n_weights)


def made(build):
    circuit = QuantumCircuit(2, 1)
    build(circuit)
    return SimpleNamespace(circuit=circuit, spec=SPEC, x=X, w=W, input_qubits=(0, 1))


def encoded(circuit):
    circuit.ry(X[0], 0)
    circuit.ry(X[2], 1)


def mid_circuit_measurement(circuit):
    encoded(circuit)
    circuit.measure(0, 0)
    circuit.cx(0, 1)


def classical_control(circuit):
    encoded(circuit)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    circuit.measure(0, 0)


def input_beside_weight(circuit):
    circuit.ry(W[0] + X[0], 0)
    circuit.measure(0, 0)


def product_of_weights(circuit):
    encoded(circuit)
    circuit.ry(W[0] * W[1], 0)
    circuit.measure(0, 0)


def two_angles(circuit):
    encoded(circuit)
    circuit.u(W[0], W[1], 0.0, 0)
    circuit.measure(0, 0)


def three_qubits(circuit):
    encoded(circuit)
    circuit.add_register(QuantumRegister(1, "extra"))
    circuit.ccx(0, 1, 2)
    circuit.measure(0, 0)


def measured_twice(circuit):
    encoded(circuit)
    circuit.measure(0, 0)
    circuit.measure(1, 0)


def nothing_measured(circuit):
    encoded(circuit)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (mid_circuit_measurement, "mid-circuit measurements need AerEvaluator"),
        (classical_control, "without classical control"),
        (input_beside_weight, "put barriers around the inputs' gates"),
        (product_of_weights, "affine in the parameters"),
        (two_angles, "at most one parametrized angle"),
        (three_qubits, "transpile the circuit first"),
        (measured_twice, "one measurement a qubit and bit"),
        (nothing_measured, "measurements into every bit"),
    ],
)
def test_circuits_that_cannot_be_compiled_are_refused(build, reason):
    with pytest.raises(SimulationError, match=reason):
        PauliEvaluator(made(build), NoiseModel())


def test_errors_on_measurements_must_be_readout_errors():
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), "measure")
    for evaluator in (PauliEvaluator, AerEvaluator):
        with pytest.raises(SimulationError, match="only readout errors on measurements"):
            evaluator(SPEC, model)


def test_joint_readout_errors_are_refused():
    model = NoiseModel()
    model.add_readout_error(ReadoutError(np.full((4, 4), 0.25)), [0, 1])
    with pytest.raises(SimulationError, match="readout errors of single qubits"):
        PauliEvaluator(SPEC, model)


def test_controlled_rotations_with_errors_are_refused_by_the_reference_only():
    spec = VQCNNSpec(n_qubits=2, plan="conv", kernels="CRX01", n_outcomes=2)
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.1, 2), "crx")
    with pytest.raises(SimulationError, match="whose parameters Aer can bind"):
        AerEvaluator(spec, model)
    assert PauliEvaluator(spec, model).probabilities([0.3], [[0.1, 0.2, 0.3, 0.4]]).shape == (1, 2)


def test_a_circuit_beyond_the_memory_budget_is_refused_with_its_size():
    spec = VQCNNSpec(n_qubits=8, kernels="su4", n_outcomes=4)
    with pytest.raises(SimulationError, match=r"a particle within .* need .* raise memory_budget"):
        PauliEvaluator(spec, NoiseModel(), memory_budget=2**17)
    # Without noise, state vectors still fit, and so does their gradient.
    small = PauliEvaluator(spec, memory_budget=2**17)
    weights, inputs = np.zeros(spec.n_weights), np.zeros((1, 16))

    def total(p):
        return p.sum((1, 2)), np.ones_like(p)

    assert small.probabilities(weights, inputs).shape == (1, 4)
    assert np.abs(small.loss_and_gradient(weights, inputs, total)[1]).max() < 1e-9
    noisy = PauliEvaluator(spec, NoiseModel(), memory_budget=2**19)
    with pytest.raises(SimulationError, match="gradient within the memory budget"):
        noisy.loss_and_gradient(weights, inputs, total)


@pytest.mark.parametrize("evaluator", [PauliEvaluator, AerEvaluator])
@pytest.mark.parametrize(
    ("weights", "inputs", "reason"),
    [
        (np.zeros(14), np.zeros((1, 4)), r"expected weights \[..., 15\], found shape \(14,\)"),
        (np.float64(1.0), np.zeros((1, 4)), "expected weights"),
        (np.full(15, np.nan), np.zeros((1, 4)), "finite weights"),
        (np.zeros(15), np.zeros(4), r"expected inputs \[N, 4\], found shape \(4,\)"),
        (np.zeros(15), np.zeros((1, 3)), "expected inputs"),
        (np.zeros(15), np.full((1, 4), np.inf), "finite inputs"),
    ],
)
def test_wrong_arrays_are_refused(evaluator, weights, inputs, reason):
    with pytest.raises(SimulationError, match=reason):
        evaluator(SPEC).probabilities(weights, inputs)


def test_states_that_are_not_normalized_are_refused():
    spec = VQCNNSpec(n_qubits=2, encoding="amplitude", plan="conv", kernels="su4", n_outcomes=2)
    states = np.array([[1.0, 0, 0, 0], [1.0, 1, 0, 0]])
    with pytest.raises(SimulationError, match=r"norm 1, found 1.41421 in row 1"):
        PauliEvaluator(spec).probabilities(np.zeros(spec.n_weights), states)


@pytest.mark.parametrize("gate", [UnitaryGate(np.eye(4)), Initialize([1, 0])])
def test_other_constant_instructions_are_compiled_or_refused_by_name(gate):
    def build(circuit):
        encoded(circuit)
        circuit.append(gate, range(gate.num_qubits))
        circuit.measure(0, 0)

    weights, inputs = np.zeros(15), np.array([[0.4, 0.0, 0.2, 0.0]])
    exact = PauliEvaluator(made(build), NoiseModel()).probabilities(weights, inputs)
    expected = [1.0, 0.0] if isinstance(gate, Initialize) else [np.cos(0.2) ** 2, np.sin(0.2) ** 2]
    np.testing.assert_allclose(exact[0], expected, atol=1e-12)


@pytest.mark.parametrize("evaluator", [PauliEvaluator, AerEvaluator])
@pytest.mark.parametrize("noise", [None, NoiseModel()])
def test_a_structure_without_weights_is_evaluated(evaluator, noise):
    spec = VQCNNSpec(n_qubits=2, plan="conv", kernels="CX01", n_outcomes=2)
    assert spec.n_weights == 0
    inputs = np.array([[0.3, 0.0, 0.1, 0.0]])
    found = evaluator(spec, noise).probabilities(np.empty((2, 0)), inputs)
    assert found.shape == (2, 1, 2)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0)
    np.testing.assert_allclose(found[0], evaluator(spec, noise).probabilities(np.empty(0), inputs))


@pytest.mark.parametrize("dtype", [int, np.float16, np.complex128, "words", object])
def test_other_precisions_are_refused(dtype):
    with pytest.raises(SimulationError, match="expected the dtype float64 or float32, found"):
        PauliEvaluator(VQCNNSpec(2, plan="conv"), dtype=dtype)


@pytest.mark.parametrize("dtype", [float, "float64", np.dtype("float64"), np.float64])
def test_a_precision_may_be_named_in_any_way(dtype):
    spec = VQCNNSpec(2, plan="conv")
    weights, inputs = np.ones(spec.n_weights), np.ones((3, 4))
    found = PauliEvaluator(spec, dtype=dtype).probabilities(weights, inputs)
    assert np.array_equal(found, PauliEvaluator(spec).probabilities(weights, inputs))


@pytest.mark.parametrize(
    ("source", "noise", "device", "reason"),
    [
        (None, None, None, "expected a VQCNNSpec, or what transpile_verified returns, found a NoneType"),
        (VQCNNSpec(2, plan="conv"), "loud", None, "expected a NoiseModel of Aer, found a str"),
        (VQCNNSpec(2, plan="conv"), None, 5, "device: expected a text or None, found 5 of type int"),
    ],
)
def test_other_things_than_circuits_noise_and_devices_are_refused(source, noise, device, reason):
    with pytest.raises(SimulationError, match=reason):
        PauliEvaluator(source, noise, device=device)


@pytest.mark.parametrize("noise", [None, NoiseModel()])
def test_no_samples_have_no_gradient(noise):
    spec = VQCNNSpec(4, plan="conv, edge, conv", kernels="su4", n_outcomes=2)
    evaluator = PauliEvaluator(spec, noise)
    value, gradient = evaluator.loss_and_gradient(
        np.ones(spec.n_weights), np.empty((0, 8)), lambda p: (p[..., 0].sum(axis=1), np.zeros_like(p))
    )
    assert value == 0.0
    assert not gradient.any()


@pytest.mark.parametrize("count", [0, -1, 2.5, "2", None])
def test_a_number_of_threads_is_whole_and_positive(count):
    with (
        pytest.raises(SimulationError, match="expected a number of threads of at least 1"),
        use_threads(count),
    ):
        pass
