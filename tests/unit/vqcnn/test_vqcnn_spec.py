import dataclasses
import pickle

import pytest

from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn import PRESETS, Block, Kernel, VQCNNSpec


def discarded(spec: VQCNNSpec) -> tuple[int, ...]:
    """The qubits that pooling traces out, in the order in which it does."""
    return tuple(block.qubits[0] for block in spec.blocks if block.kind != "conv")


PLAN = "conv, edge, conv, edge, conv, edge, conv"


@pytest.mark.parametrize(("sharing", "weights"), [("layer", 7 * 15), ("site", 22 * 15)])
def test_the_reference_structure(sharing: str, weights: int) -> None:
    spec = VQCNNSpec(8, plan=PLAN, kernels="su4", sharing=sharing)
    assert [len([b for b in spec.blocks if b.layer == layer]) for layer in range(7)] == [7, 2, 5, 2, 3, 2, 1]
    assert (spec.n_two_qubit, spec.n_weights, spec.n_features, spec.n_measured) == (66, weights, 16, 1)
    firsts = [min(min(b.qubits) for b in spec.blocks if b.layer == layer) for layer in range(7)]
    assert firsts == [0, 0, 1, 1, 2, 2, 3]
    assert spec.measured_qubits == (3,)
    assert discarded(spec) == (0, 7, 1, 6, 2, 5)
    assert spec.is_chain_native
    assert spec == VQCNNSpec(8, plan=PLAN.split(", "), sharing=sharing)
    assert spec == VQCNNSpec(8, sharing=sharing)


def test_blocks_of_both_sharings() -> None:
    kernels = ("RX0 RY1", "CRZ01")
    shared = VQCNNSpec(3, plan="conv, edge", kernels=kernels, sharing="layer")
    assert shared.blocks == (
        Block(0, "conv", (0, 1), (0, 1)),
        Block(0, "conv", (1, 2), (0, 1)),
        Block(1, "edge", (0, 1), (2,)),
        Block(1, "edge", (2, 1), (2,)),
    )
    own = VQCNNSpec(3, plan="conv, edge", kernels=kernels, sharing="site")
    assert [block.weights for block in own.blocks] == [(0, 1), (2, 3), (4,), (5,)]
    assert (shared.n_weights, own.n_weights) == (3, 6)


@pytest.mark.parametrize(
    ("plan", "native", "measured", "lost"),
    [
        ("tree", True, (1,), (0, 2)),
        ("tree, conv", False, (1,), (0, 2)),
        ("tree, tree", False, (3,), (0, 2, 1)),
        ("conv, edge, tree", True, (2,), (0, 3, 1)),
        ("conv", True, (0,), ()),
    ],
)
def test_pooling_on_four_qubits(plan: str, native: bool, measured: tuple, lost: tuple) -> None:
    spec = VQCNNSpec(4, plan=plan, kernels="one_cx")
    assert (spec.is_chain_native, spec.measured_qubits, discarded(spec)) == (native, measured, lost)
    assert set(lost).isdisjoint(measured)


def test_kernels_may_be_names_strings_or_objects() -> None:
    spec = VQCNNSpec(4, plan="conv, edge, conv", kernels=("su4", "RY0 CX01", PRESETS["one_cx"]))
    assert spec.kernels == (PRESETS["su4"], Kernel.from_string("RY0 CX01"), PRESETS["one_cx"])
    assert VQCNNSpec(4, kernels=["one_cx"]).kernels == (PRESETS["one_cx"],) * 3


@pytest.mark.parametrize(("encoding", "features"), [("angle", 10), ("amplitude", 32)])
def test_features(encoding: str, features: int) -> None:
    assert VQCNNSpec(5, encoding=encoding).n_features == features


def test_a_spec_without_weights() -> None:
    spec = VQCNNSpec(2, kernels="CX01")
    assert spec.n_weights == 0
    assert spec.blocks[0].weights == ()


def test_specs_are_values() -> None:
    spec = VQCNNSpec(4)
    assert len(spec.blocks) == 6
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(spec) == hash(VQCNNSpec(4))
    wider = dataclasses.replace(spec, n_outcomes=4)
    assert (wider.n_measured, wider.plan) == (2, spec.plan)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.n_qubits = 5


def test_describe() -> None:
    text = VQCNNSpec(4, plan="conv, edge, conv", kernels=("one_cx", "RY0 CX01", "one_cx")).describe()
    assert text == (
        "4 qubits, angle encoding, conv, edge, conv, kernel one_cx | RY0 CX01, layer sharing, 2 outcomes: "
        "6 blocks, 7 weights, 6 two-qubit gates"
    )


def test_measured_qubits_are_described_where_they_are_not_the_first() -> None:
    assert "2 outcomes on qubits 2: 6" in VQCNNSpec(4, measured=[2]).describe()
    assert "2 outcomes: 6" in VQCNNSpec(4, measured=[1]).describe()


def test_describe_writes_equal_layers_once() -> None:
    spec = VQCNNSpec(4, plan=("conv",) * 3 + ("edge",) + ("conv",) * 2)
    assert ", 3*conv, edge, 2*conv, kernel" in spec.describe()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_qubits": 1}, "n_qubits: expected an integer from 2 to 32, found 1"),
        ({"n_qubits": 33}, "n_qubits: expected .* found 33"),
        ({"n_qubits": 4.0}, "n_qubits: expected .* found 4.0"),
        ({"n_outcomes": 1}, "n_outcomes: expected an integer from 2"),
        ({"n_outcomes": True}, "n_outcomes: expected an integer from 2"),
        ({"n_outcomes": 17}, "17 outcomes need 5 qubits, found 4"),
        ({"plan": "conv, edge", "n_outcomes": 5}, "5 outcomes need 3 surviving qubits, found 2"),
        ({"encoding": "basis"}, "encoding: expected angle or amplitude .*, found 'basis'"),
        ({"sharing": "none"}, "sharing: expected layer or site, found 'none'"),
        ({"plan": ""}, "expected layers conv, edge, tree, found '', at layer 0"),
        ({"plan": ()}, "expected 1 to 32 layers, found 0"),
        ({"plan": ("conv",) * 33}, "expected 1 to 32 layers, found 33"),
        ({"plan": (3,)}, "plan: expected layers as texts, found 3 of type int"),
        ({"plan": "16*conv, edge, 16*conv"}, "expected 1 to 32 layers, found 33"),
        ({"plan": "conv, pool"}, "found 'pool', at layer 1 of conv, pool"),
        ({"plan": "edge, edge"}, "edge needs at least 3 active qubits, found 2, at layer 1"),
        ({"plan": "tree, tree, conv"}, "conv needs at least 2 active qubits, found 1, at layer 2"),
        ({"kernels": ("su4", "su4")}, "kernels: expected 1 or one for each of 3 layers, found 2"),
        ({"kernels": ()}, "kernels: expected 1 or one for each of 3 layers, found 0"),
        ({"measured": [0, 1]}, "measured: expected 1 of the surviving qubits .*rising, found \\[0, 1\\]"),
        ({"measured": [0]}, "expected 1 of the surviving qubits \\[1, 2\\], rising, found \\[0\\]"),
        ({"measured": [2, 1], "n_outcomes": 4}, "rising, found \\[2, 1\\]"),
        ({"measured": [1, 1], "n_outcomes": 4}, "rising, found \\[1, 1\\]"),
        ({"measured": [True]}, "rising, found \\[True\\]"),
        ({"measured": 2}, "measured: expected qubits, found 2"),
        ({"kernels": "su5"}, "kernel: expected a preset"),
        ({"kernels": (3,)}, "kernels: expected a Kernel, a preset or a gate string, found 3"),
    ],
)
def test_what_lies_outside_the_family_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(VQCNNError, match=message):
        VQCNNSpec(**{"n_qubits": 4, **fields})
