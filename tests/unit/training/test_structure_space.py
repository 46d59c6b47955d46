"""Genomes and structures: one to one where it counts, within the gate budget, in canonical form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.errors import TrainingError
from qkd_qiskit.hardware import load_backend, predict_counts, transpile_verified
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.training import KernelSpace, StructureSpace, chain_gates, native_cost
from qkd_qiskit.training.kernel_space import GENES
from qkd_qiskit.training.tidy_structure import StructureDraft, cheaper, tidied
from qkd_qiskit.vqcnn import PRESETS, Kernel, VQCNNSpec

SU4, TWO, ONE = PRESETS["su4"], PRESETS["two_cx"], PRESETS["one_cx"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_the_way_through_numbers(name):
    kernel = PRESETS[name]
    space = KernelSpace(len(kernel.genes), native_cost(kernel))
    assert space.decode(space.encode(kernel)) == kernel.canonical()


@given(numbers=st.lists(st.integers(0, GENES - 1), min_size=4, max_size=4), limit=st.integers(1, 4))
@settings(max_examples=60)
def test_decoded_kernels_are_canonical_and_within_the_limit(numbers, limit):
    space = KernelSpace(4, limit)
    kernel = space.decode(np.array(numbers))
    if kernel is not None:
        assert kernel.canonical() == kernel
        assert native_cost(kernel) <= limit
        assert space.holds(kernel)
        assert min(kernel.n_parameters, kernel.n_two_qubit) >= 1
        assert space.decode(space.encode(kernel)) == kernel


@pytest.mark.parametrize(
    ("text", "cost"), [("X0 RZ1", 0), ("CX01 CZ10", 2), ("CRX01", 2), ("CRZ10 CY01 RX0", 3)]
)
def test_controlled_rotations_cost_two(text, cost):
    assert native_cost(Kernel.from_string(text)) == cost


def test_strings_that_cannot_be_trained_are_none():
    space = KernelSpace(3, 1)
    for text in ("X0 Y1 I0", "RX0 RY0 RZ1", "CX01 X0 I0"):
        assert space.decode(space.encode(Kernel.from_string(text))) is None


def test_spaces_that_hold_nothing_and_kernels_that_do_not_fit():
    with pytest.raises(TrainingError, match="at least 2 genes and 1 two-qubit gate"):
        KernelSpace(2, 0)
    with pytest.raises(TrainingError, match="at most 4 genes and 2 native two-qubit gates .*found 18"):
        KernelSpace(4, 2).encode(SU4)


@st.composite
def spaces_and_genomes(draw):
    n_qubits = draw(st.integers(2, 9))
    outcomes = draw(st.integers(2, min(4, 2**n_qubits)))
    base = VQCNNSpec(
        n_qubits,
        draw(st.sampled_from(["angle", "reupload(fresh=0)", "amplitude"])),
        plan="conv",
        kernels="two_cx",
        n_outcomes=outcomes,
    )
    space = StructureSpace(base, own_kernels=draw(st.integers(0, 2)), max_two_qubit=draw(st.integers(0, 70)))
    return space, np.array([draw(st.integers(0, size - 1)) for size in space.sizes])


@settings(max_examples=120, deadline=None)
@given(spaces_and_genomes())
def test_a_genome_is_a_structure_within_the_budget_and_has_one_index(case):
    space, genome = case
    spec = space.decode(genome)
    if spec is None:
        return
    assert space.gates(spec) <= space.max_two_qubit
    assert (spec.n_qubits, spec.n_outcomes) == (space.base.n_qubits, space.base.n_outcomes)
    assert spec.encoding in space.encodings
    assert VQCNNSpec.from_index(spec.index) == spec
    # The way back may not exist where layers without effect were left out, but never leads elsewhere.
    back = space.encode(spec)
    assert back is None or space.decode(back) == spec
    # Each layer reaches a measured qubit.
    cone, reached = set(spec.measured_qubits), set()
    for block in reversed(spec.blocks):
        if cone & set(block.qubits):
            cone |= set(block.qubits)
            reached.add(block.layer)
    assert reached == set(range(len(spec.plan)))


@pytest.mark.parametrize("device", ["ibm_sherbrooke", "ibm_guadalupe"])
def test_counted_gates_never_exceed_the_budget(device):
    backend = load_backend(device)
    base = VQCNNSpec(6, kernels="two_cx", sharing="site", n_outcomes=3)
    space = StructureSpace(base, lambda spec: int(predict_counts(spec, backend).two_qubit_range.high))
    specs = [space.decode(genome) for genome in space.draw(12, np.random.default_rng(3))]
    assert {spec.is_chain_native for spec in specs} == {True, False}
    for spec in specs:
        counted = transpile_verified(spec, backend).circuit.count_ops()[backend.two_qubit_gate]
        assert counted <= space.gates(spec) <= space.max_two_qubit == chain_gates(base)


def test_presets_and_the_base_are_tried_first():
    base = VQCNNSpec(6, kernels="two_cx", sharing="site")
    deep = VQCNNSpec(6, plan="4*conv, edge, conv", kernels="one_cx", sharing="site")
    small = VQCNNSpec(6, plan="edge, edge, conv", kernels="su4", sharing="site")
    starts = StructureSpace(base, known=(deep, small)).starts()
    # Four convolutions on a ring are more than the space holds.
    assert [StructureSpace(base).decode(genome) for genome in starts] == [base, small]


def test_the_encoding_may_stay():
    base = VQCNNSpec(4, kernels="su4")
    assert StructureSpace(base).encodings == ("angle", "reupload(fresh=0)")
    assert StructureSpace(base, other_encodings=False).encodings == ("angle",)
    assert StructureSpace(VQCNNSpec(4, "zz")).encodings == ("zz",)


def test_what_the_space_does_not_hold_has_no_genome():
    space = StructureSpace(VQCNNSpec(6, kernels="su4"), own_kernels=1)
    own = ("RY0 CX01", "RY1 CX01", "one_cx")
    for spec in (
        VQCNNSpec(6, "zz", plan="conv"),
        VQCNNSpec(6, plan="conv, edge, conv", kernels=own),
        VQCNNSpec(6, plan="conv", kernels=" ".join(["RY0 CX01"] * 5)),
    ):
        assert space.encode(spec) is None


def _spec(layers, base, window=0, sharing="site", encoding="angle"):
    return tidied(base, StructureDraft(encoding, sharing, window, tuple(layers)))


def test_layers_without_effect_are_left_out():
    base = VQCNNSpec(4, plan="conv")
    # Measured is qubit 1 after `edge`; a pooling below one qubit is left out.
    assert _spec([("edge", ONE), ("tree", TWO), ("tree", TWO)], base).plan == ("edge", "tree")
    # Only qubit 0 is measured, and pooling (3 into 2) and (0 into 1) discards it: nothing else is left out.
    spec = _spec([("conv", ONE), ("edge", TWO)], base, window=1)
    assert (spec.plan, spec.measured_qubits) == (("conv", "edge"), (1,))
    assert _spec([], base) is None


@pytest.mark.parametrize(
    ("layers", "kept"),
    [
        ([("conv", SU4), ("conv", ONE)], [("conv", SU4)]),
        ([("conv", ONE), ("conv", SU4)], [("conv", SU4)]),
        ([("conv", TWO), ("tree", SU4)], [("tree", SU4)]),
        ([("conv", SU4), ("edge", ONE)], [("tree", SU4)]),
        ([("conv", ONE), ("conv", TWO)], [("conv", ONE), ("conv", TWO)]),
    ],
)
def test_on_two_qubits_a_general_kernel_is_all_that_is_needed(layers, kept):
    spec = _spec(layers, VQCNNSpec(2, plan="conv"), sharing="layer")
    assert list(zip(spec.plan, spec.kernels, strict=True)) == kept
    assert spec.sharing == "site"


def test_a_general_kernel_reaches_what_it_replaces():
    """Both reach the same outcomes: the longer structure's are found again by the shorter one's training."""
    from qkd_qiskit.training import Objective, Targets, minimize_lbfgs

    rng = np.random.default_rng(0)
    long = VQCNNSpec(2, plan="conv, conv", kernels=("one_cx", "su4"), sharing="site")
    short = VQCNNSpec(2, plan="conv", kernels="su4", sharing="site")
    inputs = rng.normal(size=(12, 4))
    soft = PauliEvaluator(long).probabilities(rng.normal(size=long.n_weights), inputs)
    objective = Objective(PauliEvaluator(short), inputs, Targets(2, soft=soft, soft_loss="mse"))
    starts = rng.normal(size=(3, short.n_weights + 1))
    starts[:, -1] = 0.0
    found = [minimize_lbfgs(objective.value_and_gradient, start, iterations=200) for start in starts]
    assert min(result.value for result in found) < 1e-6


def test_where_inputs_come_again_no_qubit_is_exchanged():
    base = VQCNNSpec(6, plan="conv", n_outcomes=2)
    spec = _spec([("conv", ONE), ("tree", ONE), ("tree", ONE)], base, encoding="reupload(fresh=0)")
    assert spec.plan == ("conv", "edge", "edge")
    assert _spec([("conv", ONE), ("tree", ONE)], base).plan == ("conv", "tree")


def test_what_is_too_costly_gets_cheaper_until_nothing_is_left():
    base = VQCNNSpec(6, plan="conv")
    draft = StructureDraft("angle", "site", 0, (("conv", SU4), ("edge", SU4), ("conv", TWO)))
    costs = []
    while draft.layers:
        spec = tidied(base, draft)
        costs.append(chain_gates(spec))
        draft = cheaper(draft, spec)
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(costs)
    assert costs[0] == 15 + 6 + 6
