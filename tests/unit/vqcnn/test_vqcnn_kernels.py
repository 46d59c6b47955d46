import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import unitary_group

from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn import GATES, PRESETS, Gene, Kernel, kernel_name, resolve_kernel
from qkd_qiskit.vqcnn.kernel import MAX_GENES

GENES = st.builds(Gene, st.integers(1, 13), st.integers(0, 1))
KERNELS = st.lists(GENES, max_size=MAX_GENES).map(lambda genes: Kernel(tuple(genes)))


@pytest.mark.parametrize(
    ("word", "gate", "orientation", "qubits"),
    [
        ("X0", 1, 0, (0,)),
        ("I1", 4, 1, (1,)),
        ("RX1", 5, 1, (1,)),
        ("RZ0", 7, 0, (0,)),
        ("CX01", 8, 0, (0, 1)),
        ("CZ10", 10, 1, (1, 0)),
        ("CRX10", 11, 1, (1, 0)),
        ("CRZ01", 13, 0, (0, 1)),
    ],
)
def test_gene_words(word: str, gate: int, orientation: int, qubits: tuple[int, ...]) -> None:
    gene = Gene.from_string(word)
    assert gene == Gene(gate, orientation)
    assert str(gene) == word
    assert gene.qubits == qubits
    assert gene.is_two_qubit == word.startswith("C")
    assert gene.is_parametrized == ("R" in word)


def test_order_of_the_gates() -> None:
    assert GATES == ("X", "Y", "Z", "I", "RX", "RY", "RZ", "CX", "CY", "CZ", "CRX", "CRY", "CRZ")


@pytest.mark.parametrize("word", ["H0", "", "01", "R0", "CRXY01"])
def test_unknown_gates_are_refused(word: str) -> None:
    with pytest.raises(VQCNNError, match="expected a gate"):
        Gene.from_string(word)


@pytest.mark.parametrize(
    ("word", "places"), [("RZ", "0 or 1"), ("X01", "0 or 1"), ("CX", "01 or 10"), ("CX0", "01 or 10")]
)
def test_wrong_qubits_are_refused(word: str, places: str) -> None:
    with pytest.raises(VQCNNError, match=f"to be followed by {places}"):
        Gene.from_string(word)


@pytest.mark.parametrize("gate", [0, 14, -1, True, 2.0])
def test_gene_gate_range(gate: int) -> None:
    with pytest.raises(VQCNNError, match="expected a gate from 1 to 13"):
        Gene(gate, 0)


@pytest.mark.parametrize("orientation", [2, -1, False])
def test_gene_orientation_range(orientation: int) -> None:
    with pytest.raises(VQCNNError, match="expected orientation 0 or 1"):
        Gene(1, orientation)


@given(KERNELS)
def test_kernel_text_round_trip(kernel: Kernel) -> None:
    assert Kernel.from_string(str(kernel)) == kernel
    assert Kernel.from_string(str(kernel).lower()) == kernel


def test_kernel_counts() -> None:
    kernel = Kernel.from_string("RZ0 CRX01 I0 CX10 X1")
    assert (kernel.n_parameters, kernel.n_two_qubit) == (2, 2)
    assert (Kernel(()).n_parameters, Kernel(()).n_two_qubit) == (0, 0)


def test_too_many_genes_are_refused() -> None:
    with pytest.raises(VQCNNError, match="at most 64 genes, found 65"):
        Kernel((Gene(1, 0),) * 65)


def test_kernel_of_other_things_is_refused() -> None:
    with pytest.raises(VQCNNError, match="expected genes, found 'X0' of type str"):
        Kernel(("X0",))


def test_a_bad_word_in_a_gate_string_is_named() -> None:
    with pytest.raises(VQCNNError, match="gene 'H1'"):
        Kernel.from_string("RZ0 H1")


@pytest.mark.parametrize(
    ("name", "parameters", "two_qubit"), [("su4", 15, 3), ("two_cx", 6, 2), ("one_cx", 3, 1)]
)
def test_presets(name: str, parameters: int, two_qubit: int) -> None:
    kernel = resolve_kernel(f" {name} ")
    assert kernel is PRESETS[name]
    assert (kernel.n_parameters, kernel.n_two_qubit) == (parameters, two_qubit)
    assert kernel.canonical() == kernel
    assert kernel_name(kernel) == name
    assert kernel_name(Kernel.from_string(str(kernel))) == name


def test_gate_strings_resolve_to_themselves() -> None:
    assert kernel_name(resolve_kernel("rz0  cx01")) == "RZ0 CX01"


@pytest.mark.parametrize("text", ["su5", "", "  ", "RZ0 foo"])
def test_what_is_no_kernel_is_refused(text: str) -> None:
    with pytest.raises(VQCNNError, match="expected a preset .su4, two_cx, one_cx. or a gate string"):
        resolve_kernel(text)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_parameter_counts(name: str, matrix) -> None:
    """The unitaries around a random point span as many directions as there are parameters."""
    kernel = PRESETS[name]
    rng = np.random.default_rng(7)
    point, step = rng.uniform(-3, 3, kernel.n_parameters), 1e-6
    here = matrix(str(kernel), tuple(point))
    tangents = []
    for shift in step * np.eye(kernel.n_parameters):
        slope = (matrix(str(kernel), tuple(point + shift)) - matrix(str(kernel), tuple(point - shift))) / (
            2 * step
        )
        generator = here.conj().T @ slope
        generator -= np.trace(generator) / 4 * np.eye(4)
        tangents.append(np.concatenate([generator.real.ravel(), generator.imag.ravel()]))
    assert np.linalg.matrix_rank(np.array(tangents), tol=1e-4) == kernel.n_parameters


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_su4_reaches_random_unitaries(seed: int, matrix) -> None:
    target = unitary_group.rvs(4, random_state=seed)
    kernel = str(PRESETS["su4"])

    def infidelity(angles: np.ndarray) -> float:
        return 1 - abs(np.trace(target.conj().T @ matrix(kernel, tuple(angles)))) / 4

    starts = np.random.default_rng(seed).uniform(-3, 3, (6, 15))
    best = 1.0
    for start in starts:
        best = min(best, minimize(infidelity, start, method="BFGS", options={"gtol": 1e-7}).fun)
        if best < 1e-8:
            break
    assert best < 1e-8
