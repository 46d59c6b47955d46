import numpy as np
import pytest
from qiskit import qasm3
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.quantum_info import Statevector

from qkd_qiskit.vqcnn import PRESETS, VQCNNSpec, build_circuit


def vectors(circuit: QuantumCircuit) -> dict[str, ParameterVector]:
    return {parameter.vector.name: parameter.vector for parameter in circuit.parameters}


def apply_pair(state: np.ndarray, unitary: np.ndarray, first: int, second: int, n_qubits: int) -> np.ndarray:
    """Apply [4, 4] to two qubits of a state whose qubit 0 is the least significant bit."""
    axes = [n_qubits - 1 - second, n_qubits - 1 - first]
    tensor = np.moveaxis(state.reshape((2,) * n_qubits), axes, (0, 1))
    moved = (unitary @ tensor.reshape(4, -1)).reshape(tensor.shape)
    return np.moveaxis(moved, (0, 1), axes).ravel()


def outcome_probabilities(spec: VQCNNSpec, state: np.ndarray, weights: np.ndarray, matrix) -> np.ndarray:
    """Probabilities [2**m] from the spec's blocks alone."""
    for block in spec.blocks:
        unitary = matrix(str(spec.kernels[block.layer]), tuple(weights[list(block.weights)]))
        state = apply_pair(state, unitary, *block.qubits, spec.n_qubits)
    found = np.zeros(2**spec.n_measured)
    for index, weight in enumerate(np.abs(state) ** 2):
        found[sum(((index >> qubit) & 1) << bit for bit, qubit in enumerate(spec.measured_qubits))] += weight
    return found


SPECS = [
    VQCNNSpec(2, kernels="su4", n_outcomes=3),
    VQCNNSpec(3, kernels="two_cx", sharing="site"),
    VQCNNSpec(
        4, plan="conv, tree, conv", kernels=("su4", "one_cx", "CRX10 RY0 I1 CY01 CRZ01 X0"), n_outcomes=4
    ),
    VQCNNSpec(
        5, plan="tree, conv, edge", kernels="RX0 CRY01 CRY10 CZ10 Y1 Z0 RZ1", n_outcomes=2, sharing="site"
    ),
    VQCNNSpec(5, kernels="one_cx", n_outcomes=8),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.n_qubits}-{'-'.join(spec.plan)}")
def test_circuit_against_matrices(spec: VQCNNSpec, matrix) -> None:
    rng = np.random.default_rng(5)
    x, w = rng.uniform(-1.5, 1.5, spec.n_features), rng.uniform(-3, 3, spec.n_weights)
    state = np.ones(1)
    for a, b in x.reshape(-1, 2):
        theta = np.pi / 2 + a
        one = np.array([np.cos(theta / 2) * np.exp(-0.5j * b), np.sin(theta / 2) * np.exp(0.5j * b)])
        state = np.kron(one, state)
    expected = outcome_probabilities(spec, state, w, matrix)

    circuit = build_circuit(spec)
    names = vectors(circuit)
    bound = circuit.remove_final_measurements(inplace=False).assign_parameters({names["x"]: x, names["w"]: w})
    found = Statevector(bound).probabilities(list(spec.measured_qubits))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_amplitude_circuit_against_matrices(matrix) -> None:
    spec = VQCNNSpec(4, encoding="amplitude", kernels="two_cx", n_outcomes=4)
    rng = np.random.default_rng(6)
    state, w = rng.normal(size=16), rng.uniform(-3, 3, spec.n_weights)
    state /= np.linalg.norm(state)
    circuit = build_circuit(spec)
    names = vectors(circuit)
    assert set(names) == {"w"}
    bound = circuit.remove_final_measurements(inplace=False).assign_parameters({names["w"]: w})
    found = Statevector(state).evolve(bound).probabilities(list(spec.measured_qubits))
    np.testing.assert_allclose(found, outcome_probabilities(spec, state, w, matrix), atol=1e-12)


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
def test_shape_of_the_circuit(encoding: str) -> None:
    spec = VQCNNSpec(8, encoding=encoding, n_outcomes=4, sharing="site")
    circuit = build_circuit(spec)
    assert [(register.name, register.size) for register in circuit.cregs] == [("meas", 2)]
    lengths = {name: len(vector) for name, vector in vectors(circuit).items()}
    assert lengths == ({"w": 330, "x": 16} if encoding == "angle" else {"w": 330})
    assert circuit.metadata == {"encoding": encoding, "model_index": str(spec.index), "n_outcomes": 4}
    measures = [(item.qubits[0], item.clbits[0]) for item in circuit.data if item.operation.name == "measure"]
    assert measures == [(circuit.qubits[3], circuit.clbits[0]), (circuit.qubits[4], circuit.clbits[1])]
    counts = circuit.count_ops()
    assert (counts["cx"], counts.get("barrier", 0)) == (66, int(encoding == "angle"))


def test_encoding_stands_before_the_barrier() -> None:
    names = [item.operation.name for item in build_circuit(VQCNNSpec(3)).data]
    assert names[:7] == ["ry", "rz"] * 3 + ["barrier"]


def test_a_circuit_without_weights() -> None:
    circuit = build_circuit(VQCNNSpec(2, kernels="CX01 I0"))
    assert set(vectors(circuit)) == {"x"}
    assert circuit.count_ops()["id"] == 1


def test_circuit_exports() -> None:
    assert "bit[1] meas;" in qasm3.dumps(build_circuit(VQCNNSpec(2)))


@pytest.mark.parametrize("name", ["one_cx", "two_cx"])
@pytest.mark.parametrize(("n_qubits", "n_outcomes"), [(2, 4), (3, 2), (4, 4), (5, 8), (5, 2)])
def test_cheap_presets_have_no_idle_weight(name: str, n_qubits: int, n_outcomes: int, matrix) -> None:
    """With all survivors measured, every weight of the default plan moves some outcome."""
    spec = VQCNNSpec(n_qubits, kernels=PRESETS[name], sharing="site", n_outcomes=n_outcomes)
    rng = np.random.default_rng(8)
    states = rng.normal(size=(3, 2**n_qubits)) + 1j * rng.normal(size=(3, 2**n_qubits))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    weights = rng.uniform(-3, 3, spec.n_weights)
    before = [outcome_probabilities(spec, state, weights, matrix) for state in states]
    for place in range(spec.n_weights):
        moved = weights.copy()
        moved[place] += 0.5
        after = [outcome_probabilities(spec, state, moved, matrix) for state in states]
        assert np.abs(np.subtract(after, before)).max() > 1e-4, f"weight {place} is idle"
