from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn import VQCNNSpec, default_plan, parse_plan, plan_text
from qkd_qiskit.vqcnn.layers import LAYERS, apply_layer, measured_count


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


@pytest.mark.parametrize(
    ("n_qubits", "n_outcomes", "depth", "blocks"),
    [(8, 10, 4, 64), (10, 10, 4, 102), (12, 10, 4, 148), (8, 2, 2, 2 * 15 + 1 + 6), (3, 2, 5, 10 + 2)],
)
def test_deep_plans_repeat_the_convolutions_of_each_ring(
    n_qubits: int, n_outcomes: int, depth: int, blocks: int
) -> None:
    plan = default_plan(n_qubits, n_outcomes, depth=depth)
    assert [kind for kind, _ in groupby(plan)] == list(default_plan(n_qubits, n_outcomes))
    spec = VQCNNSpec(n_qubits, plan=plan, sharing="site", n_outcomes=n_outcomes)
    assert (len(spec.blocks), spec.n_weights) == (blocks, 15 * blocks)
    assert VQCNNSpec.from_index(spec.index) == spec


def test_default_plan_refuses_no_depth() -> None:
    with pytest.raises(VQCNNError, match="expected a depth of at least 1, found 0"):
        default_plan(8, depth=0)


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


@given(st.lists(st.sampled_from(LAYERS), min_size=1, max_size=32))
def test_plans_survive_their_text(layers: list[str]) -> None:
    text = plan_text(layers)
    assert parse_plan(text) == parse_plan(text.split(",")) == parse_plan(layers) == tuple(layers)
    written = [part.split("*")[-1] for part in text.split(", ")]
    assert all(one != two for one, two in pairwise(written))


@pytest.mark.parametrize("text", ["4*conv, edge", "4 * conv,edge", " 04*conv , 1*edge "])
def test_repeated_layers_are_written_out(text: str) -> None:
    assert parse_plan(text) == ("conv",) * 4 + ("edge",)
    assert VQCNNSpec(4, plan=text).index == VQCNNSpec(4, plan="conv, conv, conv, conv, edge").index


@pytest.mark.parametrize("text", ["0*conv", "33*conv, edge", "99999999999999999999*conv"])
def test_impossible_repetitions_are_refused(text: str) -> None:
    with pytest.raises(VQCNNError, match="plan: expected a layer 1 to 32 times, found '[0-9]+.conv'"):
        parse_plan(text)


@pytest.mark.parametrize("text", ["-1*conv", "2*", "conv*2", "2**conv", "1.5*conv"])
def test_other_arithmetic_is_no_layer(text: str) -> None:
    with pytest.raises(VQCNNError, match="expected layers conv, edge, tree, found"):
        VQCNNSpec(4, plan=text)
