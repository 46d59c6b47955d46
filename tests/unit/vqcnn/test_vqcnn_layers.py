import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn import default_plan
from qkd_qiskit.vqcnn.layers import apply_layer, measured_count


@pytest.mark.parametrize(
    ("kind", "active", "pairs", "left"),
    [
        ("conv", (0, 1), ((0, 1),), (0, 1)),
        ("conv", (0, 1, 2), ((0, 1), (1, 2)), (0, 1, 2)),
        ("conv", (0, 1, 2, 3), ((0, 1), (2, 3), (1, 2)), (0, 1, 2, 3)),
        ("conv", (1, 3, 5, 7), ((1, 3), (5, 7), (3, 5)), (1, 3, 5, 7)),
        ("tree", (0, 1), ((0, 1),), (1,)),
        ("tree", (0, 1, 2), ((0, 1),), (1, 2)),
        ("tree", (0, 1, 2, 3), ((0, 1), (2, 3)), (1, 3)),
        ("edge", (0, 1, 2), ((0, 1), (2, 1)), (1,)),
        ("edge", (0, 1, 2, 3), ((0, 1), (3, 2)), (1, 2)),
        ("edge", (2, 3, 4, 5, 6), ((2, 3), (6, 5)), (3, 4, 5)),
    ],
)
def test_layers(kind: str, active: tuple[int, ...], pairs: tuple, left: tuple[int, ...]) -> None:
    assert apply_layer(kind, active) == (pairs, left)


@pytest.mark.parametrize(
    ("kind", "active", "needed"),
    [("conv", (0,), 2), ("tree", (3,), 2), ("edge", (0, 1), 3), ("edge", (0,), 3)],
)
def test_too_short_chains_are_refused(kind: str, active: tuple[int, ...], needed: int) -> None:
    with pytest.raises(
        VQCNNError, match=f"{kind} needs at least {needed} active qubits, found {len(active)}"
    ):
        apply_layer(kind, active)


def test_unknown_layers_are_refused() -> None:
    with pytest.raises(VQCNNError, match="expected layers conv, edge, tree, found 'pool'"):
        apply_layer("pool", (0, 1, 2))


@pytest.mark.parametrize(
    ("outcomes", "qubits"), [(2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (10, 4), (16, 4), (17, 5)]
)
def test_measured_count(outcomes: int, qubits: int) -> None:
    assert measured_count(outcomes) == qubits


@pytest.mark.parametrize(
    ("n_qubits", "n_outcomes", "plan"),
    [
        (2, 2, "conv"),
        (2, 4, "conv"),
        (3, 2, "conv edge"),
        (3, 4, "conv"),
        (4, 2, "conv edge conv"),
        (5, 2, "conv edge conv edge"),
        (8, 2, "conv edge conv edge conv edge conv"),
        (8, 4, "conv edge conv edge conv edge conv"),
        (8, 10, "conv edge conv edge conv"),
    ],
)
def test_default_plans(n_qubits: int, n_outcomes: int, plan: str) -> None:
    assert default_plan(n_qubits, n_outcomes) == tuple(plan.split())


@given(st.integers(2, 32), st.data())
def test_default_plan_leaves_as_few_qubits_as_it_can(n_qubits: int, data: st.DataObject) -> None:
    n_outcomes = data.draw(st.integers(2, 2**n_qubits))
    active: tuple[int, ...] = tuple(range(n_qubits))
    for kind in default_plan(n_qubits, n_outcomes):
        _, active = apply_layer(kind, active)
    needed = measured_count(n_outcomes)
    assert needed <= len(active) <= max(needed + 1, 2)


def test_default_plan_refuses_too_many_outcomes() -> None:
    with pytest.raises(VQCNNError, match="5 outcomes need 3 qubits, found 2"):
        default_plan(2, 5)


@pytest.mark.parametrize(("n_qubits", "n_outcomes"), [(1, 2), (4, 1), (0, 0)])
def test_default_plan_refuses_too_little(n_qubits: int, n_outcomes: int) -> None:
    with pytest.raises(VQCNNError, match="expected 2 or more qubits and outcomes"):
        default_plan(n_qubits, n_outcomes)
