"""Ways to search, on problems whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.training import STRUCTURE_METHODS
from qkd_qiskit.training.structure_methods import ParetoArchive, SearchStart, crowding, front
from qkd_qiskit.training.structure_methods.base import draw_columns, one_hot

PRIORS = [np.array([0.5, 0.3, 0.2])] * 8 + [np.full(5, 0.2)] * 4


def _start(seed=0, known=0, batch=8):
    rows = np.zeros((known, len(PRIORS)), dtype=np.int64)
    return SearchStart(PRIORS, rows, batch, np.random.default_rng(seed))


def _best_after(name, batches, seed):
    """Lowest number of places that differ from a hidden genome."""
    hidden = np.random.default_rng(100 + seed).integers(0, 3, len(PRIORS))
    method = STRUCTURE_METHODS[name](_start(seed))
    lowest = np.inf
    for _ in range(batches):
        genomes = method.ask()
        assert genomes.shape == (8, len(PRIORS))
        assert all((genomes[:, k] >= 0).all() and genomes[:, k].max() < len(p) for k, p in enumerate(PRIORS))
        misses = (genomes != hidden).sum(axis=1).astype(float)
        method.tell(genomes, misses, np.zeros(len(genomes)))
        lowest = min(lowest, misses.min())
    return lowest


@pytest.mark.parametrize("name", [name for name in STRUCTURE_METHODS if name != "random"])
def test_every_way_beats_random_search_where_places_are_independent(name):
    seeds = range(6)
    own = np.mean([_best_after(name, 25, seed) for seed in seeds])
    chance = np.mean([_best_after("random", 25, seed) for seed in seeds])
    assert own < chance - 1


@pytest.mark.parametrize("name", STRUCTURE_METHODS)
def test_known_genomes_come_first_and_seeds_repeat(name):
    first = STRUCTURE_METHODS[name](_start(1, known=3)).ask()
    np.testing.assert_array_equal(first[:3], 0)
    again = STRUCTURE_METHODS[name](_start(1, known=3)).ask()
    np.testing.assert_array_equal(first, again)
    assert len(STRUCTURE_METHODS[name](_start(1, known=20)).ask()) == 8


@pytest.mark.parametrize("name", STRUCTURE_METHODS)
def test_what_is_no_structure_does_no_harm(name):
    method = STRUCTURE_METHODS[name](_start(2))
    for _ in range(3):
        genomes = method.ask()
        method.tell(genomes, np.full(len(genomes), np.inf), np.full(len(genomes), np.inf))
    assert method.ask().shape == (8, len(PRIORS))


def test_a_swarm_with_two_aims_finds_both_ends():
    """Fitness falls with the number of ones, gates rise with it: further than chance leads."""
    widths = {}
    for name in ("front", "random"):
        method, seen = STRUCTURE_METHODS[name](_start(3, batch=16)), set()
        for _ in range(60):
            genomes = method.ask()
            ones = (genomes == 1).sum(axis=1).astype(float)
            seen |= set(ones.tolist())
            method.tell(genomes, -ones, ones)
        widths[name] = max(seen) - min(seen)
    assert widths["front"] > widths["random"]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
@settings(max_examples=60)
def test_the_front_is_what_nothing_dominates(rows):
    values = np.array(rows, dtype=float)
    kept = [tuple(row) for row in values[front(values)]]
    assert len(set(kept)) == len(kept)
    for row in map(tuple, values):
        beaten = any((np.array(o) <= row).all() and (np.array(o) < row).any() for o in values)
        assert beaten == (row not in kept)


def test_crowding_is_the_span_of_the_neighbours():
    values = np.array([[0.0, 4.0], [1.0, 2.0], [3.0, 1.0], [4.0, 0.0]])
    np.testing.assert_allclose(crowding(values), [np.inf, 3 / 4 + 3 / 4, 3 / 4 + 2 / 4, np.inf])
    np.testing.assert_array_equal(crowding(np.ones((1, 2))), [np.inf])


def test_an_archive_keeps_the_ends_and_leads_to_thin_places():
    archive = ParetoArchive(3)
    values = np.array([[0.0, 4.0], [1.0, 2.0], [1.1, 1.9], [4.0, 0.0], [5.0, 5.0]])
    archive.add(values, np.arange(5.0)[:, None])
    assert sorted(archive.members.ravel()) in ([0, 1, 3], [0, 2, 3])
    archive.add(np.empty((0, 2)), np.empty((0, 1)))
    assert len(archive.values) == 3
    drawn = archive.leaders(200, np.random.default_rng(0)).ravel()
    counts = [(drawn == member).sum() for member in archive.members.ravel()]
    middle = int(np.argmin(np.abs(archive.members.ravel() - 1.5)))
    assert counts[middle] == min(counts) > 0
    archive.add(np.array([[-1.0, -1.0]]), np.array([[9.0]]))
    np.testing.assert_array_equal(archive.members, [[9.0]])


def test_columns_are_drawn_with_their_probabilities():
    rng = np.random.default_rng(0)
    drawn = draw_columns(np.repeat([[0.2, 0.8, 0.5, 0.25, 0.25]], 4000, axis=0), np.array([2, 5]), rng)
    np.testing.assert_allclose(np.bincount(drawn[:, 0]) / 4000, [0.2, 0.8], atol=0.03)
    np.testing.assert_allclose(np.bincount(drawn[:, 1]) / 4000, [0.5, 0.25, 0.25], atol=0.03)
    np.testing.assert_array_equal(one_hot(np.array([[1, 2]]), [2, 3]), [[0, 1, 0, 0, 1]])
