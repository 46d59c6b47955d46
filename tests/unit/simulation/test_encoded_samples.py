"""Entangling encodings: each sample's gates, once, under noise, against Aer and differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import efficient_su2, zz_feature_map
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import DensityMatrix, Pauli

from qkd_qiskit import AerEvaluator, CircuitEncoding, PauliEvaluator, VQCNNSpec
from qkd_qiskit.interop import random_noise
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.simulation.compiler import compile_circuit
from qkd_qiskit.simulation.encoded_samples import EncodedSamples, EncodedStore, limit_encoded_memory
from qkd_qiskit.simulation.evaluator import SpecCircuit
from qkd_qiskit.simulation.input_angles import Formula, InputAngles
from qkd_qiskit.simulation.ptm import UNITARY
from qkd_qiskit.simulation.sample_encoder import SampleEncoder


def mixed_map() -> QuantumCircuit:
    """Gates of many kinds: two angles in one gate, three qubits, entangling angles, products of inputs."""
    a, b, c, d = (Parameter(name) for name in "abcd")
    circuit = QuantumCircuit(4)
    circuit.u(a, b, 0.3, 0)
    circuit.rzz(a * c, 1, 2)
    circuit.cp(d**2, 3, 1)
    circuit.ccx(0, 1, 3)
    circuit.r(d, b, 2)
    circuit.swap(2, 3)
    return circuit


def two_islands() -> QuantumCircuit:
    """Two pairs that nothing joins."""
    x = ParameterVector("x", 4)
    circuit = QuantumCircuit(4)
    for qubit in range(4):
        circuit.ry(x[qubit], qubit)
    circuit.rzz(x[0] * x[1], 0, 1)
    circuit.cx(3, 2)
    circuit.rx(x[2], 2)
    return circuit


MAPS = {
    "zz": lambda: zz_feature_map(4, reps=2, entanglement="linear"),
    "full zz": lambda: zz_feature_map(4, reps=1),
    "su2": lambda: efficient_su2(4, reps=1),
    "mixed": mixed_map,
    "islands": two_islands,
}


def case(circuit: QuantumCircuit, *, samples: int = 3, plan: str = "conv, edge, conv"):
    spec = VQCNNSpec(circuit.num_qubits, CircuitEncoding(circuit), plan=plan, n_outcomes=3)
    rng = np.random.default_rng(5)
    weights = rng.uniform(-3, 3, (2, spec.n_weights))
    return spec, weights, spec.input_encoding.random_inputs(spec.n_qubits, samples, rng=rng)


@pytest.mark.parametrize("name", MAPS)
def test_without_noise_all_routes_are_the_state_vectors(name):
    spec, weights, inputs = case(MAPS[name]())
    expected = AerEvaluator(spec).probabilities(weights, inputs)
    evaluator = PauliEvaluator(spec)
    np.testing.assert_allclose(evaluator.probabilities(weights, inputs), expected, atol=1e-9)
    single = PauliEvaluator(spec, dtype=np.float32).probabilities(weights, inputs)
    np.testing.assert_allclose(single, expected, atol=1e-6)
    # Many samples go as mixtures of basis states, few as themselves.
    many = np.tile(inputs, (60, 1))
    np.testing.assert_allclose(
        evaluator.probabilities(weights, many), np.tile(expected, (1, 60, 1)), atol=1e-9
    )


@pytest.mark.parametrize("name", ["zz", "su2", "islands"])
def test_noisy_logical_circuits_are_aers(name):
    spec, weights, inputs = case(MAPS[name]())
    # Aer cannot bind controlled rotations under noise; `islands` has a free rzz, which bears none here.
    noise = random_noise(4, rng=np.random.default_rng(1))
    expected = AerEvaluator(spec, noise).probabilities(weights, inputs)
    found = PauliEvaluator(spec, noise).probabilities(weights, inputs)
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("device", ["ibm_guadalupe", "noisy_line"])
@pytest.mark.parametrize("name", MAPS)
def test_on_devices_the_engine_is_aer(device, name):
    spec, weights, inputs = case(MAPS[name](), samples=2)
    model = compile_model(spec, device)
    expected = AerEvaluator(model.circuit, model.noise).probabilities(weights[:1], inputs)
    found = model.noisy.probabilities(weights[:1], inputs)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    ideal = model.ideal.probabilities(weights[:1], inputs)
    assert np.abs(found - ideal).max() > 1e-3, "noise must have been there"


def square_loss(probabilities):
    return (probabilities**2).sum(axis=(1, 2)), 2 * probabilities


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("name", ["zz", "islands"])
def test_gradients_are_differences(name, noisy):
    spec, weights, inputs = case(MAPS[name]())
    noise = random_noise(4, rng=np.random.default_rng(1)) if noisy else None
    evaluator = PauliEvaluator(spec, noise)
    value, gradient = evaluator.loss_and_gradient(weights[0], inputs, square_loss)
    step = 1e-5
    for weight in (0, 7, spec.n_weights - 1):
        moved = np.repeat(weights[:1], 2, axis=0)
        moved[:, weight] += (step, -step)
        up, down = square_loss(evaluator.probabilities(moved, inputs))[0]
        assert gradient[weight] == pytest.approx((up - down) / (2 * step), abs=1e-7)
    assert value == pytest.approx(square_loss(evaluator.probabilities(weights[:1], inputs))[0][0])


def test_environments_see_the_encoded_samples():
    spec, weights, inputs = case(MAPS["zz"]())
    evaluator = PauliEvaluator(spec, random_noise(4, rng=np.random.default_rng(1)))
    expected = evaluator.probabilities(weights[0], inputs)
    sweep = evaluator.environments(weights[0], inputs)
    for environment in sweep:
        found = environment.probabilities(environment.build(weights[:1]))
        np.testing.assert_allclose(found[0], expected, atol=1e-9)


def test_only_what_is_joined_comes_as_a_group():
    spec, _, _ = case(two_islands())
    assert PauliEvaluator(spec)._compiled.input_groups == ((0, 1), (2, 3))
    spec, _, _ = case(zz_feature_map(4, reps=1, entanglement="linear"))
    plan = PauliEvaluator(spec).plan(10)
    assert plan.clusters[0] == (0, 1, 2, 3)
    assert plan.n_groups == 1


def test_vectors_are_the_paulis_of_the_encoded_state():
    # Nothing stands behind the last inputs here: what does is left to the blocks behind the encoding.
    spec, _, inputs = case(MAPS["su2"]())
    source = SpecCircuit(spec)
    compiled = compile_circuit(
        source.circuit, inputs=source.x, weights=source.w, input_qubits=(0, 1, 2, 3), noise_model=None
    )
    encoder = SampleEncoder(compiled)
    (vectors,) = encoder.split(encoder.encode(inputs))
    circuit = spec.input_encoding.circuit(4)
    for row, sample in enumerate(inputs):
        state = DensityMatrix(circuit.assign_parameters({p: sample[p.index] for p in circuit.parameters}))
        for index in (1, 5, 77, 200, 255):
            # Qiskit writes the last qubit first.
            label = "".join("IXYZ"[index // 4**qubit % 4] for qubit in range(4))
            expected = np.real(state.expectation_value(Pauli(label)))
            assert vectors[row, index] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=8)
@given(st.integers(0, 2**31 - 1), st.integers(2, 4), st.integers(1, 3))
def test_random_circuits_as_encodings(seed, n_qubits, depth):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(n_qubits, depth, max_operands=2, seed=seed % 10_000)
    x = ParameterVector("v", 2)
    mapped = QuantumCircuit(n_qubits)
    for item in circuit.data:
        operation = item.operation.to_mutable()
        operation.params = [
            p * x[k % 2] * (1 + x[1]) if rng.random() < 0.5 else p for k, p in enumerate(operation.params)
        ]
        mapped.append(operation, [circuit.find_bit(q).index for q in item.qubits])
    mapped.ry(x[0], 0)
    mapped.rz(x[1], n_qubits - 1)
    spec = VQCNNSpec(n_qubits, CircuitEncoding(mapped), plan="conv", kernels="two_cx", n_outcomes=2)
    weights = rng.uniform(-3, 3, (1, spec.n_weights))
    inputs = rng.uniform(-1, 1, (2, 2))
    expected = AerEvaluator(spec).probabilities(weights, inputs)
    np.testing.assert_allclose(PauliEvaluator(spec).probabilities(weights, inputs), expected, atol=1e-9)
    noisy = PauliEvaluator(spec, random_noise(n_qubits, rng=rng))
    assert noisy.probabilities(weights, inputs).sum(axis=-1) == pytest.approx(np.ones((1, 2)), abs=1e-9)


def test_formulas_are_what_qiskit_computes():
    x = ParameterVector("x", 3)
    angle, spaced = Parameter("θ"), Parameter("a b")
    formulas = [
        (np.pi - x[0]) * (np.pi - x[1]) * 2,
        (x[0] * x[1]).sin() + (x[2] / 3).exp() - (x[1] / 9).arccos(),
        -x[0] / (1 + x[1]) ** 2,
        (1 + x[0]).abs().log() - x[2].tan(),
        angle * angle * x[2],
        spaced * spaced,
    ]
    values = np.random.default_rng(0).uniform(0.1, 1, (7, 3))
    for expression in formulas:
        parameters = sorted(expression.parameters, key=lambda p: p.name)
        formula = Formula(expression, parameters)
        rows = values[:, : len(parameters)]
        expected = [float(expression.bind(dict(zip(parameters, row, strict=True)))) for row in rows]
        np.testing.assert_allclose(formula(rows), expected, rtol=1e-12)
        assert (formula._tree is None) == (spaced in parameters)


def test_affine_and_other_angles_share_numbers_where_they_are_equal():
    x = ParameterVector("x", 2)
    angles = InputAngles({x[0]: 0, x[1]: 1})
    numbers = [angles.add(e) for e in (x[0] + 1, 2 * x[1], x[0] * x[1], x[0] + 1, x[0] * x[1])]
    assert numbers == [0, 1, 2, 0, 2]
    np.testing.assert_allclose(angles.values(np.array([[2.0, 3.0]])), [[3, 6, 6]])


def test_the_store_is_bounded_and_gives_back_what_was_made():
    made = []

    def make(rows):
        made.append(len(rows))
        return np.repeat(rows[:, :1], 4, axis=1)

    store = EncodedStore(limit=3 * 4 * 8)
    rows = np.arange(5.0)[:, None]
    np.testing.assert_array_equal(store.gather(b"a", rows[:2], make)[:, 3], [0, 1])
    np.testing.assert_array_equal(store.gather(b"a", rows[[1, 0, 1]], make)[:, 0], [1, 0, 1])
    assert made == [2]
    # What is full keeps what it has: two known rows and the first new one.
    np.testing.assert_array_equal(store.gather(b"a", rows, make)[:, 0], range(5))
    np.testing.assert_array_equal(store.gather(b"a", rows, make)[:, 0], range(5))
    assert made == [2, 3, 2]
    assert store.n_bytes == store.limit == 96
    # Another encoding takes the room of the one that was asked for longer ago.
    store.gather(b"b", rows[:1], make)
    assert store.n_bytes == 32
    store.resize(0)
    assert store.n_bytes == 0
    assert store.gather(b"a", rows[:0], make).shape == (0, 4)


def test_results_do_not_depend_on_the_room_or_the_company():
    spec, weights, inputs = case(MAPS["zz"](), samples=40)
    noise = random_noise(4, rng=np.random.default_rng(1))
    whole = PauliEvaluator(spec, noise).probabilities(weights, inputs)
    try:
        limit_encoded_memory(0)
        np.testing.assert_array_equal(PauliEvaluator(spec, noise).probabilities(weights, inputs), whole)
    finally:
        limit_encoded_memory(2 * 2**30)
    source = SpecCircuit(spec)
    compiled = compile_circuit(
        source.circuit, inputs=source.x, weights=source.w, input_qubits=(0, 1, 2, 3), noise_model=noise
    )
    encoder = SampleEncoder(compiled, dtype=np.float32)
    alone = np.concatenate([encoder.encode(row[None]) for row in inputs])
    np.testing.assert_array_equal(encoder.encode(inputs), alone)


def test_large_sets_are_gathered_again_each_time(monkeypatch):
    spec, weights, inputs = case(MAPS["zz"](), samples=130)
    noise = random_noise(4, rng=np.random.default_rng(1))
    expected = PauliEvaluator(spec, noise).probabilities(weights, inputs)
    monkeypatch.setattr(EncodedSamples, "stays", property(lambda self: False))
    evaluator = PauliEvaluator(spec, noise)
    np.testing.assert_array_equal(evaluator.probabilities(weights, inputs), expected)
    assert not evaluator._contractions[False]._chunks


def test_the_encoder_of_states_gives_states():
    spec, _, inputs = case(MAPS["su2"]())
    source = SpecCircuit(spec)
    compiled = compile_circuit(
        source.circuit,
        inputs=source.x,
        weights=source.w,
        input_qubits=(0, 1, 2, 3),
        noise_model=None,
        basis=UNITARY,
    )
    states = SampleEncoder(compiled, UNITARY).encode(inputs)
    np.testing.assert_allclose(np.linalg.norm(states, axis=1), 1, atol=1e-12)
