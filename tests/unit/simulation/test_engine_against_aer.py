"""The exact engine and Aer must agree: ideal to 1e-9, noisy to 1e-7."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Delay, ParameterVector
from qiskit.quantum_info import Statevector
from qiskit_aer.noise import NoiseModel, RelaxationNoisePass, depolarizing_error

from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec, build_circuit

IDEAL, NOISY = 1e-9, 1e-7


@dataclass(frozen=True)
class Handmade:
    """A measured circuit that was not transpiled."""

    circuit: QuantumCircuit
    spec: VQCNNSpec
    x: ParameterVector | None
    w: ParameterVector
    input_qubits: tuple[int, ...]


def sample(spec, rng, n_weights=2, n_inputs=3):
    weights = rng.uniform(-np.pi, np.pi, (n_weights, spec.n_weights))
    inputs = ENCODINGS[spec.encoding].random_inputs(spec.n_qubits, n_inputs, rng=rng)
    return weights, inputs


@pytest.mark.parametrize(
    ("n_qubits", "plan", "kernel", "encoding", "n_outcomes"),
    [
        (2, "conv", "su4", "angle", 2),
        (3, "edge", "RY0 RX1", "angle", 2),
        (4, "conv, edge, conv", "su4", "angle", 2),
        (4, "conv, edge, conv", "su4", "amplitude", 4),
        (5, "conv, tree, conv", "su4", "angle", 4),
        (5, "conv, edge, conv", "RY0 RY1 CRX01 CRZ10", "angle", 3),
        (6, "conv, tree, conv, tree", "RX0 CRY10 RZ1 CX01", "amplitude", 2),
        (6, "conv, edge, conv", "su4", "angle", 8),
    ],
)
def test_ideal_probabilities_equal_aer_and_qiskit(n_qubits, plan, kernel, encoding, n_outcomes):
    spec = VQCNNSpec(
        n_qubits=n_qubits, plan=plan, kernels=kernel, sharing="site", encoding=encoding, n_outcomes=n_outcomes
    )
    weights, inputs = sample(spec, np.random.default_rng(3))
    # An empty noise model keeps the engine on the Pauli path; without one, few samples go as state vectors.
    exact = PauliEvaluator(spec, NoiseModel()).probabilities(weights, inputs)
    np.testing.assert_allclose(exact, AerEvaluator(spec).probabilities(weights, inputs), atol=IDEAL)
    states = PauliEvaluator(spec)._states.probabilities(weights, inputs)
    np.testing.assert_allclose(states, exact, atol=IDEAL)
    circuit = build_circuit(spec).remove_final_measurements(inplace=False)
    values = {p: (weights[0] if p.vector.name == "w" else inputs[0])[p.index] for p in circuit.parameters}
    start = Statevector(inputs[0]) if encoding == "amplitude" else Statevector.from_label("0" * n_qubits)
    state = start.evolve(circuit.assign_parameters(values))
    reference = state.probabilities(list(spec.measured_qubits))
    np.testing.assert_allclose(exact[0, 0], reference, atol=IDEAL)


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
@pytest.mark.parametrize("plan", ["conv, edge, conv", "conv, tree, conv"])
def test_every_kind_of_error_equals_aer(noise_zoo, encoding, plan):
    spec = VQCNNSpec(n_qubits=4, plan=plan, kernels="su4", sharing="layer", encoding=encoding, n_outcomes=4)
    weights, inputs = sample(spec, np.random.default_rng(5))
    exact = PauliEvaluator(spec, noise_zoo).probabilities(weights, inputs)
    np.testing.assert_allclose(
        exact, AerEvaluator(spec, noise_zoo).probabilities(weights, inputs), atol=NOISY
    )
    assert np.abs(exact - PauliEvaluator(spec).probabilities(weights, inputs)).max() > 1e-3


@pytest.mark.parametrize("device_name", ["ibm_guadalupe", "noisy_line", "ion_trap"])
def test_isa_circuits_with_idle_noise_equal_aer(device_name):
    device = load_backend(device_name)
    spec = VQCNNSpec(n_qubits=5, plan="conv, edge, conv", kernels="su4", sharing="site", n_outcomes=2)
    transpiled = transpile_verified(spec, device, seed=2)
    weights, inputs = sample(spec, np.random.default_rng(6))
    exact = PauliEvaluator(transpiled, device.noise_model).probabilities(weights, inputs)
    aer = AerEvaluator(transpiled, device.noise_model).probabilities(weights, inputs)
    np.testing.assert_allclose(exact, aer, atol=NOISY)
    ideal = PauliEvaluator(transpiled).probabilities(weights, inputs)
    logical = PauliEvaluator(spec).probabilities(weights, inputs)
    np.testing.assert_allclose(ideal, logical, atol=IDEAL)
    assert np.abs(exact - ideal).max() > 1e-3


@st.composite
def random_circuits(draw):
    n = draw(st.integers(2, 4))
    names = st.sampled_from(["rz", "ry", "cx", "rzz", "rxx", "sx", "delay"])
    gates = draw(
        st.lists(st.tuples(names, st.permutations(range(n)), st.floats(-3, 3)), min_size=1, max_size=14)
    )
    bits = draw(st.permutations(range(n)))[: draw(st.integers(1, min(n, 3)))]
    return n, gates, bits, draw(st.integers(0, 2**32 - 1))


@settings(max_examples=25)
@given(random_circuits())
def test_random_noisy_circuits_equal_aer(case):
    n, gates, bits, seed = case
    spec = VQCNNSpec(n_qubits=n, plan="conv", kernels="su4", sharing="site", n_outcomes=2 ** len(bits))
    x, w = ParameterVector("x", 2 * n), ParameterVector("w", spec.n_weights)
    circuit = QuantumCircuit(n, len(bits))
    for q in range(n):
        circuit.ry(x[2 * q], q)
        circuit.rz(0.3 + 2 * x[2 * q + 1], q)
    for number, (name, order, angle) in enumerate(gates):
        theta = angle * w[number % 3] - 0.5 * w[3] + 0.1
        match name:
            case "rz" | "ry":
                getattr(circuit, name)(theta, order[0])
            case "rzz" | "rxx":
                getattr(circuit, name)(theta, order[0], order[1])
            case "cx":
                circuit.cx(order[0], order[1])
            case "sx":
                circuit.sx(order[0])
            case "delay":
                circuit.delay(1000, order[0], unit="dt")
    for bit, qubit in enumerate(bits):
        circuit.measure(qubit, bit)
    model = NoiseModel()
    for name in ("cx", "rzz", "rxx"):
        model.add_all_qubit_quantum_error(depolarizing_error(0.03, 2), name)
    model.add_all_qubit_quantum_error(depolarizing_error(0.02, 1), "sx")
    model._custom_noise_passes.append(
        RelaxationNoisePass(t1s=[3e-5] * n, t2s=[2e-5] * n, dt=1e-9, op_types=Delay)
    )
    rng = np.random.default_rng(seed)
    made = Handmade(circuit, spec, x, w, tuple(range(n)))
    weights = rng.uniform(-np.pi, np.pi, (2, spec.n_weights))
    inputs = rng.uniform(-1.5, 1.5, (2, 2 * n))
    exact = PauliEvaluator(made, model).probabilities(weights, inputs)
    np.testing.assert_allclose(exact, AerEvaluator(made, model).probabilities(weights, inputs), atol=NOISY)


def test_probabilities_keep_the_leading_axes_of_the_weights():
    spec = VQCNNSpec(n_qubits=3, plan="conv", kernels="su4", n_outcomes=2)
    weights = np.random.default_rng(0).normal(size=(2, 3, spec.n_weights))
    inputs = np.zeros((4, 6))
    evaluator = PauliEvaluator(spec)
    full = evaluator.probabilities(weights, inputs)
    assert full.shape == (2, 3, 4, 2)
    np.testing.assert_allclose(full[1, 2], evaluator.probabilities(weights[1, 2], inputs), atol=1e-12)
    assert evaluator.probabilities(weights[:0], inputs).shape == (0, 3, 4, 2)
    assert evaluator.probabilities(weights, inputs[:0]).shape == (2, 3, 0, 2)
