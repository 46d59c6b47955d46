"""Routes along a line: legal, cheap, and with the same meaning as the structure they stand for."""

from itertools import pairwise

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from qkd_qiskit.hardware import (
    line_route,
    list_backends,
    load_backend,
    plain_two_qubit_count,
    predict,
    transpile_verified,
)
from qkd_qiskit.hardware.equivalence import outcome_deviation
from qkd_qiskit.hardware.routed import route_circuit
from qkd_qiskit.hardware.routing import Move, Route, placed_genes, straight, suits_a_line
from qkd_qiskit.vqcnn import VQCNNSpec, build_circuit

TREES = [
    (2, "conv, tree"),
    (3, "conv, tree"),
    (5, "conv, tree, conv, tree"),
    (6, "conv, tree, conv"),
    (7, "conv, tree, conv, tree, conv"),
    (8, "conv, tree, conv, tree, conv"),
    (8, "conv, tree, tree, tree"),
    (8, "tree, conv, tree"),
    (8, "conv, edge, tree, conv"),
    (9, "conv, conv, tree, conv, edge, conv"),
]


@pytest.mark.parametrize(("n_qubits", "plan"), TREES)
@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
def test_a_routed_circuit_gives_the_outcomes_of_the_logical_one(n_qubits, plan, encoding):
    spec = VQCNNSpec(n_qubits, encoding, plan, sharing="site")
    logical = build_circuit(spec)
    routed = route_circuit(spec, logical, line_route(spec))
    assert outcome_deviation(spec, logical, routed, tuple(range(n_qubits))) < 1e-12


@pytest.mark.parametrize(("n_qubits", "plan"), TREES)
def test_a_route_moves_along_the_line_and_runs_every_block_once(n_qubits, plan):
    spec = VQCNNSpec(n_qubits, plan=plan)
    route = line_route(spec)
    where = list(range(n_qubits))
    for move in route.moves:
        assert abs(move.places[0] - move.places[1]) == 1
        if move.block is None or move.crossed:
            a, b = (where.index(place) for place in move.places)
        if move.block is not None:
            assert tuple(where[q] for q in spec.blocks[move.block].qubits) == move.places
        if move.block is None or move.crossed:
            where[a], where[b] = where[b], where[a]
    assert [move.block for move in route.moves if move.block is not None] == list(range(len(spec.blocks)))
    assert route.measured == tuple(where[q] for q in spec.measured_qubits)


@pytest.mark.parametrize(
    ("n_qubits", "plan", "swaps"),
    [
        (2, "conv, tree", 0),
        # Survivors at places 1 and 2 are neighbours; those of four pairs at 1, 2 and 5, 6 leave a gap of two.
        (4, "conv, tree, conv", 0),
        (8, "conv, tree, tree, tree", 2),
        (8, "conv, edge, conv", 0),
    ],
)
def test_swaps_by_hand(n_qubits, plan, swaps):
    assert line_route(VQCNNSpec(n_qubits, plan=plan)).swaps == swaps


def test_survivors_of_four_pairs_cannot_do_with_fewer_swaps():
    """Pairs of survivors (0, 1), (2, 3) and (1, 2): on a line of eight, two swaps are the least.

    Exhaustively: each pair keeps its left or right place, then every pair of survivors that meets must be
    brought together. Pairs (0, 1), (2, 3) first, then (1, 2), as the convolution does.
    """

    def gap(kept):
        return [abs(a - b) - 1 for a, b in pairwise(kept)]

    least = min(sum(gap((a, 2 + b, 4 + c, 6 + d))) for a, b, c, d in np.ndindex(2, 2, 2, 2))
    route = line_route(VQCNNSpec(8, plan="conv, tree, conv"))
    assert route.swaps == least == 2


def test_an_absorbed_swap_is_block_then_swap():
    """The crossed block, as gates, is the kernel followed by an exchange of its qubits, up to phase."""
    spec = VQCNNSpec(2, plan="conv", kernels="su4")
    angles = np.random.default_rng(3).uniform(-np.pi, np.pi, spec.n_weights)

    def matrix(route):
        circuit = QuantumCircuit(2)
        for gene, places, weight, turn, _ in placed_genes(spec, route):
            angle = [] if weight is None else [angles[weight] + turn * np.pi / 2]
            getattr(circuit, gene.name.lower())(*angle, *places)
        return Operator(circuit)

    swap = QuantumCircuit(2)
    swap.swap(0, 1)
    crossed = matrix(Route((Move(0, (0, 1), crossed=True),), (0,)))
    assert crossed.equiv(matrix(straight(spec)).compose(Operator(swap)))
    assert not crossed.equiv(matrix(straight(spec)))


@pytest.mark.parametrize("name", [n for n in list_backends() if n != "ion_trap"])
@pytest.mark.parametrize("plan", ["conv, tree, conv, tree, conv", "conv, tree, conv"])
def test_trees_of_general_blocks_are_exact_and_no_dearer_than_level_3(name, plan):
    device, spec = load_backend(name), VQCNNSpec(8, plan=plan, sharing="site")
    found = predict(spec, device)
    assert found.exact
    for seed in range(2):
        report = transpile_verified(spec, device, seed=seed).report
        assert report.counted.two_qubit == found.counts.two_qubit
        assert report.counted.two_qubit == 3 * len(spec.blocks) + 3 * line_route(spec).swaps
        assert report.counted.two_qubit_depth == found.counts.two_qubit_depth
        assert report.relative_errors["esp"] == pytest.approx(0, abs=0.05)
        assert report.counted.two_qubit <= plain_two_qubit_count(spec, device, seed=seed)


@pytest.mark.parametrize(
    ("plan", "kernel", "suits"),
    [
        ("conv, edge, conv", "one_cx", True),
        ("conv, tree, conv", "su4", True),
        ("conv, tree, conv", "two_cx", False),
        ("tree, conv", "su4", False),
    ],
)
def test_what_suits_a_line(plan, kernel, suits):
    assert suits_a_line(VQCNNSpec(8, plan=plan, kernels=kernel)) == suits
