from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from qkd_qiskit.vqcnn import Gene, Kernel
from qkd_qiskit.vqcnn.canonical import commute, reduce
from qkd_qiskit.vqcnn.clifford import GENERATORS, cx_cost, shortest

ALL_GENES = [Gene(gate, orientation) for gate, orientation in product(range(1, 14), (0, 1))]
ACTIVE = [gene for gene in ALL_GENES if gene.name != "I"]
ANY = st.lists(st.sampled_from(ALL_GENES), max_size=12).map(tuple)
FREE = st.lists(st.sampled_from([gene for gene in ALL_GENES if not gene.is_parametrized]), max_size=10).map(
    tuple
)


def text(genes: tuple[Gene, ...]) -> str:
    return " ".join(map(str, genes))


@settings(max_examples=80)
@given(ANY)
def test_canonical_is_idempotent_and_no_longer(genes: tuple[Gene, ...]) -> None:
    kernel = Kernel(genes)
    canonical = kernel.canonical()
    assert canonical.canonical() == canonical
    assert len(canonical.genes) <= len(genes)
    assert canonical.n_two_qubit <= kernel.n_two_qubit
    assert all(gene.name != "I" for gene in canonical.genes)


@settings(max_examples=80)
@given(FREE)
def test_parameter_free_strings_keep_their_unitary(
    matrix, equal_up_to_phase, genes: tuple[Gene, ...]
) -> None:
    canonical = Kernel(genes).canonical()
    assert equal_up_to_phase(matrix(text(genes)), matrix(str(canonical)))


@settings(max_examples=60)
@given(FREE, FREE)
def test_parameter_free_strings_are_equal_where_their_unitaries_are(
    matrix, equal_up_to_phase, one: tuple[Gene, ...], two: tuple[Gene, ...]
) -> None:
    same = Kernel(one).canonical() == Kernel(two).canonical()
    assert same == equal_up_to_phase(matrix(text(one)), matrix(text(two)))


def test_equal_unitaries_give_one_canonical_form(matrix, equal_up_to_phase) -> None:
    # All strings of up to three genes, grouped by a fingerprint of the matrix.
    forms: dict[bytes, set[Kernel]] = {}
    for length in range(4):
        for genes in product(GENERATORS, repeat=length):
            unitary = matrix(text(genes))
            unitary = unitary / (phase := unitary.ravel()[np.abs(unitary.ravel()).argmax()]) * abs(phase)
            forms.setdefault((np.round(unitary, 6) + 0.0).tobytes(), set()).add(Kernel(shortest(genes)))
    assert all(len(found) == 1 for found in forms.values())
    assert len({next(iter(found)) for found in forms.values()}) == len(forms)


@pytest.mark.parametrize(
    ("run", "cost"),
    [
        ("", 0),
        ("X0 Z1", 0),
        ("CX01", 1),
        ("CX01 CY01", 1),  # one CX and a phase gate
        ("CX01 CX10", 2),
        ("CX01 CX10 CX01", 3),
        ("CX01 CX01", 0),
        ("CZ01 CX01 CY01", 0),  # a phase gate alone
    ],
)
def test_cost_of_a_run(run: str, cost: int) -> None:
    assert cx_cost(Kernel.from_string(run).genes) == cost


@pytest.mark.parametrize("first", ACTIVE, ids=str)
def test_commuting_genes_commute_up_to_signs_of_angles(first: Gene, matrix, equal_up_to_phase) -> None:
    for second in ACTIVE:
        one, two = (0.7,) * first.is_parametrized, (1.3,) * second.is_parametrized
        before = matrix(f"{first} {second}", (*one, *two))
        signs = product(*[(1, -1)] * (len(one) + len(two)))
        after = [
            matrix(
                f"{second} {first}",
                (*(angle * sign[-1] for angle in two), *(angle * sign[0] for angle in one)),
            )
            for sign in signs
        ]
        possible = any(equal_up_to_phase(before, candidate) for candidate in after)
        assert possible or not commute(first, second)
        assert commute(first, second) == commute(second, first)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("", ""),
        ("I0 I1", ""),
        ("X0 X0", ""),
        ("X0 Y0", "Z0"),
        ("RZ0 RZ0", "RZ0"),
        ("RZ0 RY1 RZ0", "RY1 RZ0"),
        ("CRX01 CRX01", "CRX01"),
        ("Z0 RZ0", "RZ0"),
        ("X0 RZ0 X0", "RZ0"),  # X RZ(t) X = RZ(-t)
        ("CX01 CX01", ""),
        ("CZ01 CZ10", ""),
        ("CX01 RZ0 CX01", "RZ0"),  # the control's RZ commutes with CX
        ("CX01 RX1 CX01", "RX1"),
        ("CX01 RY0 CZ01", "CX01 RY0 CZ01"),
        ("RY1 RY0 CX01", "RY0 RY1 CX01"),
        ("CX01 CX10 CX01 CX10", "CX10 CX01"),  # CX01 CX10 has order three
    ],
)
def test_examples(written: str, canonical: str) -> None:
    assert str(Kernel.from_string(written).canonical()) == canonical


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("CX01 RY0 RY1 CX01", "CX01 RY0 RY1"),
        ("CX10 RY0 RY1 CX01", "CX10 RY0 RY1"),  # cancels the mirrored block of the right edge
        ("CZ01 RY0 RY1 CX01 RX0 RZ1 CZ01", "CZ01 RY0 RY1 CX01 RX0 RZ1"),
        ("RZ0 CX01", "RZ0 CX01"),  # the only entangling gate stays
        ("CX01", "CX01"),  # nothing of it is trained
    ],
)
def test_no_gate_cancels_the_next_blocks_first(written: str, canonical: str) -> None:
    assert str(Kernel.from_string(written).canonical()) == canonical


@pytest.mark.parametrize("seed", range(4))
def test_reduction_keeps_the_family(seed: int, matrix) -> None:
    """Random angles of the string are matched by some angles of its reduction."""
    rng = np.random.default_rng(seed)
    genes: tuple[Gene, ...] = ()
    while sum(gene.is_parametrized for gene in genes) < 2 or reduce(genes) == genes:
        genes = tuple(ACTIVE[place] for place in rng.integers(len(ACTIVE), size=7))
    short = reduce(genes)
    target = matrix(text(genes), tuple(rng.uniform(-3, 3, sum(gene.is_parametrized for gene in genes))))

    def infidelity(angles: np.ndarray) -> float:
        return 1 - abs(np.trace(target.conj().T @ matrix(text(short), tuple(angles)))) / 4

    starts = rng.uniform(-6, 6, (20, sum(gene.is_parametrized for gene in short)))
    assert min(minimize(infidelity, start, method="BFGS").fun for start in starts) < 1e-8
