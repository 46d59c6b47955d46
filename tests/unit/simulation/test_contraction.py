"""Any cut through any network gives what whole Pauli vectors give; threads and chunks change nothing."""

from __future__ import annotations

from itertools import pairwise

import array_api_strict
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qkd_qiskit.simulation import array_ops
from qkd_qiskit.simulation import contraction as engine
from qkd_qiskit.simulation.array_ops import ArrayOps, StandardOps
from qkd_qiskit.simulation.contraction import Contraction, ProductSamples
from qkd_qiskit.simulation.contraction_plan import Network
from qkd_qiskit.simulation.cost_model import Workload, contraction_seconds
from qkd_qiskit.simulation.plan_layout import BlockOrder, lay_out, members
from qkd_qiskit.simulation.planner import plan_contraction
from qkd_qiskit.simulation.threads import engine_threads, use_threads

SAMPLES, PARTICLES = 7, 3


@st.composite
def networks(draw):
    """Blocks on any pairs, near or far, and single qubits; only those that a measurement depends on."""
    n = draw(st.integers(2, 5))
    pair = st.lists(st.integers(0, n - 1), min_size=1, max_size=2, unique=True).map(tuple)
    blocks = draw(st.lists(pair, min_size=1, max_size=10))
    measured = tuple(draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=3, unique=True)))
    seen, cone = set(measured), []
    for block in reversed(blocks):
        if seen & set(block):
            seen |= set(block)
            cone.append(block)
    assume(cone)
    return Network(tuple(cone[::-1]), measured, tuple((q,) for q in sorted(seen)))


def some(network, seed):
    rng = np.random.default_rng(seed)
    matrices = [rng.normal(size=(PARTICLES, 4 ** len(qubits), 4 ** len(qubits))) for qubits in network.blocks]
    n = 1 + max(q for (q,) in network.groups)
    bloch = rng.normal(size=(n, 4, SAMPLES))
    bloch[:, 0] = 1.0
    return matrices, ProductSamples(bloch)


def whole_vectors(network, matrices, samples):
    """Values of the strings by Pauli vectors of all qubits, which nothing ever leaves."""
    n = len(samples.bloch)
    out = np.empty((PARTICLES, SAMPLES, network.n_strings))
    for p in range(PARTICLES):
        for s in range(SAMPLES):
            state = np.ones(1)
            for qubit in range(n):
                state = np.multiply.outer(state, samples.bloch[qubit, :, s])
            state = state[0]
            for qubits, matrix in zip(network.blocks, matrices, strict=True):
                tensor = matrix[p].reshape((4,) * (2 * len(qubits)))
                inside = list(range(len(qubits), 2 * len(qubits)))
                state = np.moveaxis(np.tensordot(tensor, state, (inside, qubits)), range(len(qubits)), qubits)
            for string in range(1, network.n_strings + 1):
                where = [0] * n
                for bit, qubit in enumerate(network.measured):
                    where[qubit] = 3 * (string >> bit & 1)
                out[p, s, string - 1] = state[tuple(where)]
    return out


def run(plan, network, matrices, samples, slope, *, ops=None, threads=1, budget=2**30):
    """Return the values, and the gradient of their product with `slope`."""
    contraction = Contraction(plan, ops or ArrayOps(), samples, budget=budget)
    into = [np.zeros_like(matrix) for matrix in matrices]
    with use_threads(threads):
        contraction.pull_back(matrices, lambda part, values: slope[part], into)
        return contraction.values(matrices), into


def a_cut(order, chosen):
    """The blocks that some chosen ones depend on, and these."""
    cut = 0
    for k in members(chosen & order.all):
        cut |= order.before[k] | 1 << k
    return cut


@given(networks(), st.integers(0, 2**10 - 1), st.booleans(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_cut_gives_the_values_and_gradients_of_whole_vectors(network, chosen, gradient, seed):
    order = BlockOrder(network)
    plan = lay_out(network, order, a_cut(order, chosen), Workload(SAMPLES, gradient))
    matrices, samples = some(network, seed)
    slope = np.random.default_rng(seed).normal(size=(PARTICLES, SAMPLES, network.n_strings))
    values, into = run(plan, network, matrices, samples, slope)
    expected = whole_vectors(network, matrices, samples)
    scale = np.abs(expected).max() + 1.0
    assert np.abs(values - expected).max() < 1e-11 * scale
    # Values are linear in every block, so a difference of any length gives its gradient.
    k = int(chosen) % len(matrices)
    turned = np.random.default_rng(seed + 1).normal(size=matrices[k].shape)
    moved = [*matrices[:k], matrices[k] + turned, *matrices[k + 1 :]]
    change = ((whole_vectors(network, moved, samples) - expected) * slope).sum((1, 2))
    found = (into[k] * turned).sum((1, 2))
    assert np.abs(found - change).max() < 1e-9 * (np.abs(change).max() + scale)


@given(networks(), st.integers(0, 2**10 - 1))
@settings(max_examples=30, deadline=None)
def test_a_plan_is_a_cut_that_no_single_move_makes_cheaper(network, chosen):
    workload = Workload(500)
    order = BlockOrder(network)
    best = contraction_seconds(plan_contraction(network, workload), workload)
    other = contraction_seconds(lay_out(network, order, a_cut(order, chosen), workload), workload)
    one_sided = contraction_seconds(plan_contraction(network, workload, two_sided=False), workload)
    assert best <= one_sided
    # A local search may miss the best cut of a wild network, but not by much.
    assert best <= 3.0 * other


def chain(n, depth):
    """Layers of neighbours that narrow from both edges down to two measured qubits."""
    blocks, left, right = [], 0, n - 1
    while right - left > 1:
        for _ in range(depth):
            pairs = list(pairwise(range(left, right + 1)))
            blocks += pairs[::2] + pairs[1::2]
        blocks += [(left, left + 1), (right - 1, right)]
        left, right = left + 1, right - 1
    return Network((*blocks, (left, right)), (left, right), tuple((q,) for q in range(n)))


@pytest.mark.parametrize("depth", [0, 1])
def test_what_is_kept_for_the_next_call_is_bounded(monkeypatch, depth):
    network = chain(6, depth)
    matrices, samples = some(network, 1)
    slope = np.random.default_rng(2).normal(size=(PARTICLES, SAMPLES, network.n_strings))
    # All blocks on the observables' side meet products of the groups, and on the samples' side none.
    order = BlockOrder(network)
    for cut in (0, a_cut(order, 0b11)):
        plan = lay_out(network, order, cut, Workload(SAMPLES, True))
        monkeypatch.setattr(engine, "_KEPT_BYTES", 2**20)
        keeps = Contraction(plan, ArrayOps(), samples, budget=2**30)
        whole = run(plan, network, matrices, samples, slope)
        keeps.values(matrices)
        assert keeps.chunk(0) is keeps.chunk(0)
        assert keeps.chunk(0).kept
        monkeypatch.setattr(engine, "_KEPT_BYTES", 0)
        makes = Contraction(plan, ArrayOps(), samples, budget=2**30)
        makes.values(matrices)
        assert makes.chunk(0) is not makes.chunk(0)
        values, into = run(plan, network, matrices, samples, slope)
        assert np.array_equal(values, whole[0])
        assert all(np.array_equal(a, b) for a, b in zip(into, whole[1], strict=True))


@pytest.fixture
def tiny_chunks(monkeypatch):
    monkeypatch.setattr(array_ops, "_CACHE_BYTES", 2**14)
    monkeypatch.setattr(engine, "_LEAST_SAMPLES", 2)


@pytest.mark.usefixtures("tiny_chunks")
def test_threads_change_no_bit_and_chunks_no_value():
    network = chain(6, 1)
    matrices, samples = some(network, 1)
    slope = np.random.default_rng(2).normal(size=(PARTICLES, SAMPLES, 3))
    plan = plan_contraction(network, Workload(SAMPLES, True))
    whole = run(plan, network, matrices, samples, slope)
    for threads in (2, 3):
        values, into = run(plan, network, matrices, samples, slope, threads=threads)
        assert np.array_equal(values, whole[0])
        assert all(np.array_equal(a, b) for a, b in zip(into, whole[1], strict=True))
    one = [matrix[:1] for matrix in matrices]
    alone = run(plan, network, one, samples, slope[:1])
    shared = run(plan, network, one, samples, slope[:1], threads=2)
    assert np.array_equal(alone[0], shared[0])
    assert all(np.array_equal(a, b) for a, b in zip(alone[1], shared[1], strict=True))
    assert np.abs(whole_vectors(network, matrices, samples) - whole[0]).max() < 1e-10 * np.abs(whole[0]).max()


def test_what_a_budget_has_no_room_for_is_computed_again():
    network = chain(6, 1)
    matrices, samples = some(network, 3)
    slope = np.random.default_rng(4).normal(size=(PARTICLES, SAMPLES, 3))
    plan = plan_contraction(network, Workload(SAMPLES, True))
    roomy = run(plan, network, matrices, samples, slope)
    tight = run(plan, network, matrices, samples, slope, budget=1000)
    for a, b in zip(roomy[1], tight[1], strict=True):
        assert np.abs(a - b).max() < 1e-12 * np.abs(a).max()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_other_array_namespaces_give_the_same(dtype, tolerance):
    network = chain(6, 2)
    matrices, samples = some(network, 5)
    matrices = [matrix / 4 for matrix in matrices]
    slope = np.random.default_rng(6).normal(size=(PARTICLES, SAMPLES, 3))
    plan = plan_contraction(network, Workload(SAMPLES, True))
    values, into = run(plan, network, matrices, samples, slope)
    ops = StandardOps(array_api_strict, dtype)
    others, others_into = run(plan, network, matrices, samples, slope, ops=ops, threads=2)
    assert np.abs(others - values).max() < tolerance * np.abs(values).max()
    for a, b in zip(into, others_into, strict=True):
        assert np.abs(a - b).max() < tolerance * np.abs(a).max()


@pytest.mark.parametrize(("n", "gain"), [(8, 8.0), (10, 30.0), (12, 120.0)])
def test_both_sides_take_a_fraction_of_one_side_s_operations(n, gain):
    workload = Workload(512)
    seconds = [
        contraction_seconds(plan_contraction(chain(n, 1), workload, two_sided=both), workload)
        for both in (False, True)
    ]
    assert seconds[0] > gain / 2 * seconds[1]


def test_threads_inside_a_smaller_share_stay_within_it():
    assert engine_threads() == 1
    with use_threads(2) as outer, use_threads(8) as inner:
        assert (outer, inner, engine_threads()) == (2, 2, 2)
    with use_threads(4) as wide, use_threads(1):
        assert (wide, engine_threads()) == (4, 1)
    assert engine_threads() == 1
