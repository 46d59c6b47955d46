"""The ladder: every rung valid, chain-native, larger than the one below, and in reach of the measurement."""

import pytest

from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import build_size_ladder, trainable_blocks
from qkd_qiskit.estimator.size_ladder import MAX_DEPTH
from qkd_qiskit.vqcnn import PRESETS, VQCNNSpec

WIDTHS = [(n, k) for n in (2, 3, 4, 5, 8, 9, 16) for k in (2, 3, 5, 10) if k <= 2**n]


@pytest.mark.parametrize("kernel", ["su4", "one_cx"])
@pytest.mark.parametrize(("n", "k"), WIDTHS)
def test_rungs_grow_and_need_no_routing(n, k, kernel):
    ladder = build_size_ladder(n, kernel=kernel, n_outcomes=k)
    blocks = [len(rung.blocks) for rung in ladder]
    gates = [sum(rung.kernels[b.layer].n_two_qubit for b in rung.blocks) for rung in ladder]
    assert blocks == sorted(set(blocks))
    assert gates == sorted(set(gates))
    assert blocks[0] == n - 1
    for rung in ladder:
        assert rung.is_chain_native
        assert (rung.n_qubits, rung.n_outcomes) == (n, k)
        assert VQCNNSpec.from_index(rung.index) == rung


@pytest.mark.parametrize(("n", "k"), WIDTHS)
def test_every_qubit_reaches_the_measured_ones(n, k):
    for rung in build_size_ladder(n, n_outcomes=k):
        reached = set(rung.measured_qubits)
        for block in reversed(rung.blocks):
            if reached & set(block.qubits):
                reached |= set(block.qubits)
        assert reached == set(range(n))


def test_the_rungs_of_the_default_width():
    ladder = build_size_ladder(8)
    assert [len(rung.blocks) for rung in ladder[:7]] == [7, 10, 15, 22, 25, 30, 37]
    assert ladder[3].plan == ("conv", "edge", "conv", "edge", "conv", "edge", "conv")
    assert max(len(rung.plan) for rung in ladder) <= 3 + 3 * MAX_DEPTH + 1


def test_the_ladder_ends_where_a_general_unitary_is_reached():
    assert [len(rung.blocks) for rung in build_size_ladder(2)] == [1]
    assert len(build_size_ladder(3)[-1].blocks) <= 6
    assert [len(rung.blocks) for rung in build_size_ladder(2, kernel="one_cx")] == [1, 2, 3]


@pytest.mark.parametrize("sharing", ["layer", "site"])
def test_trainable_blocks(sharing):
    rung = build_size_ladder(8, sharing=sharing)[3]
    assert trainable_blocks(rung) == ((22, 1) if sharing == "site" else (7, 7))


def test_kernels_as_objects_and_amplitudes():
    ladder = build_size_ladder(4, encoding="amplitude", kernel=PRESETS["two_cx"])
    assert ladder[0].kernels[0] == PRESETS["two_cx"]
    assert ladder[0].n_features == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_qubits": 8, "n_outcomes": 1000}, "1000 outcomes need 10 measured qubits, found n_qubits = 8"),
        ({"n_qubits": 1}, "n_qubits"),
        ({"n_qubits": 0}, "n_qubits"),
        ({"n_qubits": 65}, "n_qubits"),
        ({"n_qubits": 4, "n_outcomes": 1}, "n_outcomes"),
        ({"n_qubits": 4, "kernel": "nonsense"}, "nonsense"),
        ({"n_qubits": 4, "encoding": "basis"}, "encoding"),
        ({"n_qubits": 4, "sharing": "none"}, "sharing"),
    ],
)
def test_impossible_ladders(arguments, message):
    with pytest.raises(EstimatorError, match=message):
        build_size_ladder(**arguments)
