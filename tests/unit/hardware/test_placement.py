"""Copies on disjoint healthy chains: what is promised of every choice, and that none is better."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
import rustworkx
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit import Measure, Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate, XGate
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import Device, load_backend, place_copies, transpile_verified
from qkd_qiskit.hardware.layout import ChainLoad, best_chain, ranked_chains
from qkd_qiskit.hardware.placement import ChainPlacement
from qkd_qiskit.hardware.prediction import chain_load
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(3, plan="conv, edge", kernels="two_cx", sharing="site", n_outcomes=2)
MNIST = VQCNNSpec(
    8, plan="conv, edge, conv, edge, conv, edge, conv", kernels="su4", sharing="site", n_outcomes=4
)


def device_of(edges, n_qubits, errors):
    """A device with given couplings; errors of the couplings, in their order."""
    target = Target(
        num_qubits=n_qubits, dt=1e-9, qubit_properties=[QubitProperties(t1=1e-4, t2=1e-4)] * n_qubits
    )
    for gate, error, duration in (
        (RZGate(Parameter("a")), 0.0, 0.0),
        (SXGate(), 3e-4, 4e-8),
        (XGate(), 3e-4, 4e-8),
        (Measure(), 0.01, 1e-6),
    ):
        target.add_instruction(
            gate, {(q,): InstructionProperties(error=error, duration=duration) for q in range(n_qubits)}
        )
    target.add_instruction(
        CZGate(),
        {
            pair: InstructionProperties(error=error, duration=1e-7)
            for (a, b), error in zip(edges, errors, strict=True)
            for pair in ((a, b), (b, a))
        },
    )
    return Device("made", "", target, "test")


@st.composite
def devices(draw):
    """Connected devices of 4 to 9 qubits with up to four couplings beyond a tree, some of them dead."""
    n = draw(st.integers(4, 9))
    tree = {(draw(st.integers(0, q - 1)), q) for q in range(1, n)}
    free = [pair for pair in combinations(range(n), 2) if pair not in tree]
    edges = sorted(tree) + draw(
        st.lists(st.sampled_from(free), unique=True, max_size=4) if free else st.just([])
    )
    errors = draw(st.lists(st.floats(2e-3, 0.05), min_size=len(edges), max_size=len(edges)))
    errors = [1.0 if k >= len(tree) and draw(st.booleans()) else e for k, e in enumerate(errors)]
    return device_of(edges, n, errors)


def distances(device):
    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(device.n_qubits))
    graph.add_edges_from_no_data(list(device.target["cz"]))
    return rustworkx.distance_matrix(graph, null_value=np.inf)


def all_paths(device, length):
    """Every set of qubits that a chain of healthy couplings visits."""
    joined = set(device.usable_target["cz"])
    paths = [[q] for q in device.usable_qubits]
    for _ in range(length - 1):
        paths = [[*p, q] for p in paths for q in device.usable_qubits if (p[-1], q) in joined and q not in p]
    return {frozenset(path) for path in paths}


def most_together(sets, compatible):
    """The size of the largest subset whose members are compatible, by trying all."""
    best = 0

    def grow(chosen, left):
        nonlocal best
        best = max(best, len(chosen))
        for k, one in enumerate(left):
            grow([*chosen, one], [other for other in left[k + 1 :] if compatible(one, other)])

    grow([], list(sets))
    return best


@settings(max_examples=40, deadline=None)
@given(device=devices(), margin=st.integers(0, 3), n=st.integers(2, 3))
def test_as_many_chains_as_fit_are_disjoint_healthy_and_apart(device, margin, n):
    load = ChainLoad((4,) * (n - 1), (5.0,) * n, (1e-6,) * n, frozenset({0}))
    paths = all_paths(device, n)
    if not paths:
        with pytest.raises(HardwareError, match=f"expected a chain of {n} healthy qubits"):
            ChainPlacement(device, [load], margin=margin, floor=0)
        return
    chosen = ChainPlacement(device, [load], margin=margin, floor=0).choose()
    apart = distances(device)
    for chain in chosen:
        assert all(pair in device.usable_target["cz"] for pair in pairwise(chain.qubits))
    for one, other in combinations(chosen, 2):
        assert apart[np.ix_(one.qubits, other.qubits)].min() > margin
    best = ranked_chains(device.usable_target, "cz", load, width=10_000)[0]
    assert chosen[0].relative == 1.0
    assert set(chosen[0].qubits) == set(best.qubits)
    assert [chain.relative for chain in chosen] == sorted((c.relative for c in chosen), reverse=True)

    def compatible(one, other):
        return apart[np.ix_(list(one), list(other))].min() > margin

    others = [path for path in paths if compatible(path, best.qubits)]
    assert len(chosen) == 1 + most_together(others, compatible)


def test_of_equally_many_the_best_are_taken():
    """Two of three places for the second copy are worse; the middle coupling is the best chain."""
    edges = [(0, 1), (2, 3), (4, 5), (6, 7), (1, 2), (3, 4), (5, 6)]
    device = device_of(edges, 8, [0.02, 0.002, 0.03, 0.01, 0.5, 0.5, 0.5])
    load = ChainLoad((1,), (0.0, 0.0), (0.0, 0.0), frozenset())
    placement = ChainPlacement(device, [load], margin=0, floor=0.8)
    assert [set(chain.qubits) for chain in placement.choose(2)] == [{2, 3}, {6, 7}]
    assert [set(chain.qubits) for chain in placement.choose(3)] == [{2, 3}, {6, 7}, {0, 1}]
    assert placement.choose(2)[1].relative == pytest.approx(0.99 / 0.998)
    assert len(ChainPlacement(device, [load], margin=0, floor=0.995).choose()) == 1
    # With idle qubits between them, three do not fit.
    assert len(ChainPlacement(device, [load], margin=1, floor=0.8).choose()) == 2


@pytest.mark.parametrize("name", ["ibm_fez", "ibm_marrakesh", "ibm_kingston"])
def test_ten_copies_and_more_fit_on_a_heron(name):
    device = load_backend(name)
    chosen = ChainPlacement(device, [chain_load(MNIST, device)], margin=1, floor=0.8).choose()
    assert device.n_qubits == 156
    assert len(chosen) >= 10
    assert min(chain.relative for chain in chosen) >= 0.8
    qubits = [qubit for chain in chosen for qubit in chain.qubits]
    assert len(set(qubits)) == 8 * len(chosen)


def test_copies_are_transpiled_and_charged_for_their_own_qubits():
    device = load_backend("noisy_line")
    copies = place_copies([(SPEC, 5)], device, floor=0.5)
    assert len(copies) == 4
    for copy in copies:
        assert set(copy.transpiled.active_qubits) == set(copy.chain)
        assert copy.esp == copy.transpiled.report.counted.esp
        assert copy.transpiled.report.predicted.two_qubit == copy.transpiled.report.counted.two_qubit
    alone = transpile_verified(SPEC, device, seed=5)
    first, same = (
        one.circuit.assign_parameters({p: 0.1 * p.index for p in one.circuit.parameters})
        for one in (copies[0].transpiled, alone)
    )
    assert first == same
    assert len({copy.esp for copy in copies}) == 4
    assert [copy.esp for copy in copies] == sorted((copy.esp for copy in copies), reverse=True)


def test_a_copy_whose_counted_probability_is_too_low_is_replaced(monkeypatch):
    """The prediction lets a chain pass; its circuit, once counted, does not."""
    device = load_backend("noisy_line")
    before = place_copies([(SPEC, 5)], device, copies=2, floor=0.5)
    worse = before[1].chain

    def pessimistic(spec, device, *, seed, chain):
        found = transpile_verified(spec, device, seed=seed, chain=chain)
        if chain != worse:
            return found
        counted = replace(found.report.counted, esp=0.1)
        return replace(found, report=replace(found.report, counted=counted))

    monkeypatch.setattr("qkd_qiskit.hardware.copies.transpile_verified", pessimistic)
    after = place_copies([(SPEC, 5)], device, copies=2, floor=0.5)
    assert after[0].chain == before[0].chain
    assert worse not in [copy.chain for copy in after]
    assert min(copy.esp for copy in after) >= 0.5 * after[0].esp


def test_several_circuits_get_equally_many_copies():
    device = load_backend("noisy_line")
    other = VQCNNSpec(2, plan="conv", kernels="one_cx", n_outcomes=2)
    copies = place_copies([(SPEC, 5), (other, 6)], device, floor=0.5)
    assert [copy.number for copy in copies] == [0, 0, 1, 1]
    qubits = [qubit for copy in copies for qubit in copy.chain]
    assert len(set(qubits)) == len(qubits) == 10
    assert [copy.transpiled.spec for copy in copies] == [SPEC, SPEC, other, other]


def test_the_best_chain_is_given_up_where_another_circuit_would_find_no_room():
    """On a line of five with its best coupling in the middle, two pairs fit only at the ends."""
    device = device_of([(0, 1), (1, 2), (2, 3), (3, 4)], 5, [0.02, 0.002, 0.03, 0.01])
    load = ChainLoad((1,), (0.0, 0.0), (0.0, 0.0), frozenset())
    chosen = ChainPlacement(device, [load, load], margin=1, floor=0.5).choose()
    assert {frozenset(chain.qubits) for chain in chosen} == {frozenset({0, 1}), frozenset({3, 4})}


def test_too_many_copies_are_refused_with_the_number_that_fits():
    device = load_backend("noisy_line")
    with pytest.raises(HardwareError, match="expected at most 4 copies of the circuit .*, found 5"):
        place_copies([(SPEC, 0)], device, copies=5, floor=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": -1}, "expected a margin of 0 or more and a floor from 0 to 1, found -1"),
        ({"floor": 1.5}, "found 1 and 1.5"),
        ({"copies": 0}, "copies: expected at least 1, found 0"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(HardwareError, match=message):
        place_copies([(SPEC, 0)], load_backend("noisy_line"), **options)


def test_a_structure_that_needs_routing_is_refused():
    tree = VQCNNSpec(4, plan="conv, tree, conv", kernels="two_cx", n_outcomes=2)
    with pytest.raises(HardwareError, match="expected a structure that runs on a chain"):
        place_copies([(tree, 0)], load_backend("noisy_line"))


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ((0, 1), "expected a chain of 3 distinct qubits"),
        ((0, 1, 0), "expected a chain of 3 distinct qubits"),
        ((0, 1, 3), r"healthy neighbours, found \[1, 3\] in it"),
    ],
)
def test_a_chain_that_is_none_is_refused(chain, message):
    with pytest.raises(HardwareError, match=message):
        transpile_verified(SPEC, load_backend("noisy_line"), chain=chain)


@settings(max_examples=20, deadline=None)
@given(device=devices(), n=st.integers(2, 4))
def test_the_ranking_begins_with_the_best_chain_and_is_complete(device, n):
    load = ChainLoad((4,) * (n - 1), (5.0,) * n, (1e-6,) * n, frozenset({0}))
    ranked = ranked_chains(device.usable_target, "cz", load, width=10_000)
    assert {frozenset(chain.qubits) for chain in ranked} == all_paths(device, n)
    found = best_chain(device.usable_target, "cz", load)
    assert (found is None) == (not ranked)
    if found is not None:
        assert set(found) == set(ranked[0].qubits) or len(ranked) > 1
    costs = [chain.log_success for chain in ranked]
    assert costs == sorted(costs, reverse=True)
